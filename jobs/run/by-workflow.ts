import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionsClient, protos } from '@google-cloud/workflows';
import { ResealError } from '../contract/errors.ts';
import { type Endpoints, executionsClient } from '../google/clients.ts';
import { rpcFailure } from '../google/rpc.ts';
import type { Progress, RunContext, RunOptions } from './context.ts';
import { endRun, type LedgerRow, planOf, readRun } from './ledger.ts';
import { type Report, report } from './report.ts';
import type { Watcher } from './run.ts';

type Execution = protos.google.cloud.workflows.executions.v1.IExecution;

/** A batch alone takes a minute: looked at often at first, then less. */
const POLL_MS = { first: 500, growth: 1.5, most: 10_000 };

/**
 * Has the stack's deployed workflow do the run, follows its steps and reports as the job does. The run id is
 * given along, so that the ledger's row can be found; a run that broke off goes on under its own.
 *
 * @throws ResealError `workflow-missing`, `workflow-denied`, `workflow-failed` with the workflow's own message,
 * `workflow-cancelled`, or `cancelled` once the context's signal has been given
 */
export async function runByWorkflow(
  context: RunContext,
  options: Omit<RunOptions, 'engine'>,
  watcher: Watcher,
  endpoints?: Endpoints,
): Promise<Report> {
  const { workflow, stack } = context.deployment;
  if (workflow === null)
    throw new ResealError('workflow-missing', `stack ${stack} deploys no workflow`, {
      hint: 'run `npm run bundle` and `pulumi up`, or leave --via workflow out',
    });
  const client = await executionsClient(endpoints);
  try {
    const run = await watcher.step(
      'run',
      async (progress) => {
        const execution = await start(client, workflow, options);
        return outcome(context, options.runId, await follow(client, execution, progress, context.signal));
      },
      ({ merged, changedMeanwhile, rejected }) =>
        `${merged} merged, ${changedMeanwhile} changed meanwhile, ${rejected} refused`,
    );
    return await watcher.step(
      'report',
      async () => report(context, await planOf(context, run), run),
      ({ read_back: { readable, checked } }) =>
        `${readable} of ${checked} merged values read back through SQL`,
    );
  } finally {
    await client.close();
  }
}

/** https://cloud.google.com/workflows/docs/reference/executions/rest/v1/projects.locations.workflows.executions/create */
async function start(
  client: ExecutionsClient,
  parent: string,
  { runId, mode, limit }: Omit<RunOptions, 'engine'>,
): Promise<Execution> {
  const argument = JSON.stringify({ run_id: runId, mode, ...(limit === null ? {} : { limit }) });
  try {
    const [execution] = await client.createExecution({ parent, execution: { argument } });
    return execution;
  } catch (error) {
    throw refused(error, parent);
  }
}

const ENDED = ['SUCCEEDED', 'FAILED', 'CANCELLED', 'UNAVAILABLE'];

/** Looks at the execution until it has ended; once the signal is given, that is soon. */
async function follow(
  client: ExecutionsClient,
  { name }: Execution,
  progress: Progress,
  signal: AbortSignal,
): Promise<Execution> {
  if (!name) throw new ResealError('workflow-failed', 'Workflows gave the execution no name');
  let cancelling = false;
  for (let wait = POLL_MS.first; ; wait = Math.min(wait * POLL_MS.growth, POLL_MS.most)) {
    if (signal.aborted && !cancelling) {
      cancelling = true;
      // One that has just ended cannot be cancelled; its state says so in a moment.
      await client.cancelExecution({ name }).catch(() => {});
      wait = POLL_MS.first;
    }
    let execution: Execution;
    try {
      [execution] = await client.getExecution({ name });
    } catch (error) {
      throw refused(error, name);
    }
    if (ENDED.includes(String(execution.state))) return execution;
    const steps = (execution.status?.currentSteps ?? []).map(({ routine, step }) => `${routine}.${step}`);
    if (steps.length > 0) progress(steps.join(' › '));
    await sleep(wait, undefined, cancelling ? {} : { signal }).catch(() => {});
  }
}

/** The merged run's row of the ledger. Throws for an execution that ended in another way. */
async function outcome(context: RunContext, runId: string, execution: Execution): Promise<LedgerRow> {
  const state = String(execution.state);
  if (state === 'CANCELLED' && context.signal.aborted) return cancelled(context, runId);
  if (state === 'CANCELLED')
    throw new ResealError('workflow-cancelled', `somebody cancelled ${execution.name}`, {
      hint: `go on with --resume ${runId} --via workflow`,
    });
  if (state !== 'SUCCEEDED') {
    const { code, message } = raised(execution);
    throw new ResealError('workflow-failed', message, {
      hint: `${code === undefined ? '' : `${code}: see docs/errors.md; `}go on with --resume ${runId} --via workflow`,
    });
  }
  const run = await readRun(context, runId);
  if (run?.state === 'succeeded') return run;
  throw new ResealError(
    'workflow-failed',
    `${execution.name} succeeded, but the ledger has no merged run ${runId}`,
  );
}

/**
 * A cancelled execution tells the ledger nothing, and whatever it had started goes on: a job of BigQuery, a
 * batch. With its end in the ledger the run cannot be merged any more, unless it has been by then.
 */
async function cancelled(context: RunContext, runId: string): Promise<LedgerRow> {
  const failure = new ResealError('cancelled', `run ${runId} was cancelled; the source table is untouched`);
  await endRun(context, runId, 'cancelled', failure);
  const run = await readRun(context, runId);
  if (run?.state === 'succeeded') return run;
  const batch = run?.batchId ? `batch ${run.batchId} may still be at work; ` : '';
  throw new ResealError(failure.code, failure.message, {
    hint: run === null ? 'nothing was begun' : `${batch}go on with --resume ${runId} --via workflow`,
  });
}

/** What the workflow raised: JSON in the payload; a code of Reseal's where it is the workflow's own error. */
function raised({ name, error, stateError }: Execution): { code?: string; message: string } {
  const payload = error?.payload ?? '';
  const fallback = { message: payload || stateError?.details || `${name} failed without a word` };
  try {
    const { error_code: code, message } = JSON.parse(payload) as { error_code?: string; message?: string };
    if (message === undefined) return fallback;
    return code === undefined ? { message } : { code, message };
  } catch {
    return fallback;
  }
}

function refused(error: unknown, name: string): ResealError {
  const { status, message } = rpcFailure(error);
  if (status === 'NOT_FOUND')
    return new ResealError('workflow-missing', `Workflows has no ${name}`, {
      hint: 'run `pulumi up` for this stack first',
    });
  if (status === 'PERMISSION_DENIED')
    return new ResealError('workflow-denied', `Workflows: ${message}`, {
      hint: 'the account needs roles/workflows.invoker; docs/iam.md has the rest',
    });
  return new ResealError('workflow-failed', `Workflows: ${message}`, { cause: error });
}
