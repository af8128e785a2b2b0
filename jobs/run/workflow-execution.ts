import type { ExecutionsClient, protos } from '@google-cloud/workflows';
import { ResealError } from '../contract/errors.ts';
import { workflowOwner } from '../contract/lease-terms.ts';
import { withGrace, within } from '../google/bounds.ts';
import { CALLER, grantHint } from '../google/denied.ts';
import { googleFailure } from '../google/failures.ts';
import { follow } from '../google/follow.ts';
import { projectFault } from '../google/project-faults.ts';
import { mayPass } from '../google/repeated.ts';
import { ANSWER_MS, waitLimits } from '../google/wait-limits.ts';
import type { Allowed, Progress, RunContext, RunOptions } from './context.ts';

/** An execution of the stack's workflow, from its start to its end. */
export type Execution = protos.google.cloud.workflows.executions.v1.IExecution;

/** https://cloud.google.com/workflows/docs/reference/executions/rest/v1/projects.locations.workflows.executions/create */
export async function startExecution(
  client: ExecutionsClient,
  parent: string,
  { runId, mode, engine, limit, waveDeks = null }: RunOptions,
  allowed: Allowed,
  signal: AbortSignal,
): Promise<Execution> {
  const argument = JSON.stringify({
    run_id: runId,
    mode,
    ...(engine !== 'auto' && { engine }),
    ...(limit !== null && { limit }),
    ...(waveDeks !== null && { wave_deks: waveDeks }),
    ...(allowed.rejected && { accept_rejected: true }),
    ...(allowed.takeOver && { take_over: true }),
  });
  try {
    const asking = client.createExecution({ parent, execution: { argument } });
    const creating = within(ANSWER_MS, asking, unstarted);
    // Its answer is waited for even after an interrupt, which then has an execution to cancel.
    const [execution] = await withGrace(creating, signal, GRACE_MS, unstarted);
    return execution;
  } catch (error) {
    throw error instanceof ResealError
      ? error
      : failure(error, parent, mayPass(error) ? LOOK_FOR_IT : undefined);
  }
}

const GRACE_MS = 1_500;

const LOOK_FOR_IT =
  'the execution may have been started all the same: look for it with `gcloud workflows executions list`';

const unstarted = (): ResealError =>
  new ResealError('cancel-failed', 'Workflows has not said whether it started the execution', {
    hint: LOOK_FOR_IT,
  });

export function nameOf({ name }: Execution): string {
  if (!name) throw new ResealError('workflow-failed', 'Workflows gave the execution no name');
  return name;
}

/** How the ledger names the execution while it drives a run. */
export const ownerOf = (execution: Execution): string =>
  workflowOwner(nameOf(execution).split('/').at(-1) ?? '');

const ENDED = ['SUCCEEDED', 'FAILED', 'CANCELLED', 'UNAVAILABLE'];

/** The execution as it ended; its steps are shown as they pass. */
export async function followed(
  client: ExecutionsClient,
  execution: Execution,
  progress: Progress,
  { deployment, signal }: RunContext,
): Promise<Execution> {
  const name = nameOf(execution);
  return follow<Execution>(
    {
      name,
      look: async () => (await client.getExecution({ name }))[0],
      missed: (message) => progress({ message: `Workflows is asked again: ${message}` }),
      hasEnded: ({ state }) => ENDED.includes(String(state)),
      cancel: async () => {
        await client.cancelExecution({ name }).catch((error: unknown) => {
          // One that has just ended cannot be cancelled; its state says so in a moment.
          if (googleFailure(error).status === 'FAILED_PRECONDITION') return;
          throw mayPass(error) ? error : failure(error, name);
        });
      },
    },
    ({ status }) => {
      const steps = (status?.currentSteps ?? []).map(({ routine, step }) => `${routine}.${step}`);
      if (steps.length > 0) progress({ message: steps.join(' › ') });
    },
    signal,
    waitLimits(deployment),
  ).catch((error: unknown) => {
    if (error instanceof ResealError || signal.aborted) throw error;
    throw failure(error, name, 'it goes on by itself; `--resume RUN` says how it ended');
  });
}

function failure(error: unknown, name: string, hint?: string): ResealError {
  const said = googleFailure(error);
  const fault = projectFault(said);
  if (fault !== null) return fault;
  const { status, message } = said;
  if (status === 'NOT_FOUND')
    return new ResealError('workflow-missing', `Workflows has no ${name}`, {
      hint: 'run `pulumi up` for this stack first',
    });
  if (status === 'PERMISSION_DENIED')
    return new ResealError('workflow-denied', `Workflows: ${message}`, {
      hint:
        grantHint(message, CALLER) ?? 'the account needs roles/workflows.invoker; docs/iam.md has the rest',
    });
  return new ResealError('workflow-failed', `Workflows: ${message}`, {
    ...(hint === undefined ? {} : { hint }),
    cause: error,
  });
}
