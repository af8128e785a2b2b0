import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { GoogleError } from '../../../sandbox/errors/google-error.ts';
import { type Json, type Route, readJson } from '../../../sandbox/http/router.ts';
import { type Admit, listen } from '../../../sandbox/http/serve.ts';
import { METHODS } from '../../../sandbox/iam/methods.ts';
import { EVERYBODY } from '../callers.ts';
import type { TestSandbox } from '../sandbox.ts';
import type { Emulator, Ended } from './emulator.ts';

const PARENT = '/v1/projects/{project}/locations/{location}/workflows/{workflow}/executions';

interface Execution extends Json {
  name: string;
  state: 'ACTIVE' | 'SUCCEEDED' | 'FAILED' | 'CANCELLED';
}

/** Where an execution of the emulator is said to be: it does not tell. */
const STEPS = [
  { routine: 'main', step: 'attempts' },
  { routine: 'run', step: 'batch' },
];

/**
 * Workflow Executions as the trigger meets it, carried out by the emulator.
 * https://cloud.google.com/workflows/docs/reference/executions/rest
 */
export async function executionsApi(emulator: Emulator, { sandbox, deployment }: TestSandbox) {
  const workflow = String(deployment.workflow);
  /** Come before every cancellation and every look; a test may have them fail or wait. */
  const faults = { cancel: async (): Promise<void> => {}, look: async (): Promise<void> => {} };
  /** The service asks the sandbox's IAM what the caller of a method may do in the project. */
  const admit: Admit = async ({ method, path }, { headers, params }) => {
    const [demand] = METHODS[`${method} ${path}`] ?? [];
    if (demand === undefined) throw new Error(`nothing is asked for ${method} ${path}`);
    const answer = await fetch(
      `${sandbox.endpoints.bigquery}/v1/projects/${params.project}:testIamPermissions`,
      {
        method: 'POST',
        headers: { authorization: headers.authorization ?? '' },
        body: JSON.stringify({ permissions: demand.permissions }),
      },
    );
    const { permissions = [] } = (await answer.json()) as { permissions?: string[] };
    const missing = demand.permissions.find((permission) => !permissions.includes(permission));
    if (missing === undefined) return EVERYBODY;
    throw new GoogleError(
      'PERMISSION_DENIED',
      `Permission '${missing}' denied on '${workflow}' (or resource may not exist).`,
    );
  };
  const executions = new Map<string, { body: Execution; abort: AbortController }>();
  const found = (name: string) => {
    const execution = executions.get(name);
    if (execution === undefined) throw new GoogleError('NOT_FOUND', `Execution ${name} does not exist.`);
    return execution;
  };
  const nameOf = ({ project, location, workflow: id, execution }: Record<string, string>) =>
    `projects/${project}/locations/${location}/workflows/${id}${execution ? `/executions/${execution}` : ''}`;

  async function carryOut(body: Execution, args: object, signal: AbortSignal): Promise<void> {
    const ended: Ended = await emulator.execute(args, body.name.split('/').at(-1), signal).catch((error) => ({
      error: { message: String(error) },
      entries: [],
    }));
    delete body.status;
    if (signal.aborted) Object.assign(body, { state: 'CANCELLED' });
    else if (ended.error)
      Object.assign(body, { state: 'FAILED', error: { payload: JSON.stringify(ended.error) } });
    else Object.assign(body, { state: 'SUCCEEDED', result: JSON.stringify(ended.result) });
  }

  const routes: Route[] = [
    {
      method: 'POST',
      path: PARENT,
      async handle(call) {
        if (nameOf(call.params) !== workflow)
          throw new GoogleError('NOT_FOUND', 'The workflow does not exist.');
        const { argument } = await readJson(call);
        const name = `${workflow}/executions/${randomUUID()}`;
        const body: Execution = { name, state: 'ACTIVE', argument, status: { currentSteps: STEPS } };
        const abort = new AbortController();
        executions.set(name, { body, abort });
        void carryOut(body, JSON.parse(String(argument)) as object, abort.signal);
        return { ...body };
      },
    },
    {
      method: 'GET',
      path: `${PARENT}/{execution}`,
      async handle({ params }) {
        await faults.look();
        return found(nameOf(params)).body;
      },
    },
    {
      method: 'POST',
      path: `${PARENT}/{execution}:cancel`,
      async handle({ params }) {
        await faults.cancel();
        const { body, abort } = found(nameOf(params));
        abort.abort();
        while (body.state === 'ACTIVE') await sleep(20);
        return body;
      },
    },
  ];
  return { ...(await listen(routes, admit)), executions, faults };
}
