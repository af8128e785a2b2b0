import type { ExecutionsClient, protos } from '@google-cloud/workflows';
import { ResealError } from '../contract/errors.ts';
import type { LedgerRow } from '../contract/ledger.ts';
import { type Endpoints, executionsClient } from '../google/clients.ts';
import { CALLER, grantHint } from '../google/denied.ts';
import { googleFailure } from '../google/failures.ts';
import { follow } from '../google/follow.ts';
import type { Allowed, Progress, RunContext, RunOptions, Watcher } from './context.ts';
import { endRun, planOf, readRun } from './recorded-run.ts';
import { type Report, report } from './report.ts';
import { mergeSummary, reportSummary } from './summaries.ts';

type Execution = protos.google.cloud.workflows.executions.v1.IExecution;

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
  allowed: Allowed,
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
        const execution = await start(client, workflow, options, allowed);
        const ended = await followed(client, execution, progress, context.signal);
        return outcome(context, options.runId, ended);
      },
      mergeSummary,
    );
    return await watcher.step(
      'report',
      async () => report(context, await planOf(context, run), run),
      reportSummary,
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
  allowed: Allowed,
): Promise<Execution> {
  const argument = JSON.stringify({
    run_id: runId,
    mode,
    ...(limit !== null && { limit }),
    ...(allowed.rejected && { accept_rejected: true }),
  });
  try {
    const [execution] = await client.createExecution({ parent, execution: { argument } });
    return execution;
  } catch (error) {
    throw failure(error, parent);
  }
}

const ENDED = ['SUCCEEDED', 'FAILED', 'CANCELLED', 'UNAVAILABLE'];

/** The execution as it ended; its steps are shown as they pass. */
function followed(
  client: ExecutionsClient,
  { name }: Execution,
  progress: Progress,
  signal: AbortSignal,
): Promise<Execution> {
  if (!name) throw new ResealError('workflow-failed', 'Workflows gave the execution no name');
  return follow<Execution>(
    {
      async look() {
        const [execution] = await client.getExecution({ name }).catch((error: unknown) => {
          throw failure(error, name);
        });
        return execution;
      },
      hasEnded: ({ state }) => ENDED.includes(String(state)),
      // One that has just ended cannot be cancelled; its state says so in a moment.
      cancel: async () => {
        await client.cancelExecution({ name }).catch(() => {});
      },
    },
    ({ status }) => {
      const steps = (status?.currentSteps ?? []).map(({ routine, step }) => `${routine}.${step}`);
      if (steps.length > 0) progress(steps.join(' › '));
    },
    signal,
  );
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
    const grant = grantHint(message, `the workflow's account, reseal-${context.deployment.stack}-workflow`);
    throw new ResealError('workflow-failed', message, {
      hint: `${grant === null ? '' : `${grant}; `}${code === undefined ? '' : `${code}: see docs/errors.md; `}go on with --resume ${runId} --via workflow`,
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
 * A cancelled execution writes nothing into the ledger, and whatever it had started goes on: a job of BigQuery,
 * a batch. With its end in the ledger the run can no longer be merged, unless it has been by then.
 */
async function cancelled(context: RunContext, runId: string): Promise<LedgerRow> {
  const cancellation = new ResealError(
    'cancelled',
    `run ${runId} was cancelled; the source table is untouched`,
  );
  await endRun(context, runId, 'cancelled', cancellation);
  const run = await readRun(context, runId);
  if (run?.state === 'succeeded') return run;
  const batch = run?.batch_id ? `batch ${run.batch_id} may still be at work; ` : '';
  throw new ResealError(cancellation.code, cancellation.message, {
    hint: run === null ? 'nothing was begun' : `${batch}go on with --resume ${runId} --via workflow`,
  });
}

/** What the workflow raised: JSON in the payload; a code of Reseal's where it is the workflow's own error. */
function raised({ name, error, stateError }: Execution): { code?: string; message: string } {
  const payload = error?.payload ?? '';
  const fallback = { message: payload || stateError?.details || `${name} failed and gave no reason` };
  try {
    const { error_code: code, message } = JSON.parse(payload) as { error_code?: string; message?: string };
    if (message === undefined) return fallback;
    return code === undefined ? { message } : { code, message };
  } catch {
    return fallback;
  }
}

function failure(error: unknown, name: string): ResealError {
  const { status, message } = googleFailure(error);
  if (status === 'NOT_FOUND')
    return new ResealError('workflow-missing', `Workflows has no ${name}`, {
      hint: 'run `pulumi up` for this stack first',
    });
  if (status === 'PERMISSION_DENIED')
    return new ResealError('workflow-denied', `Workflows: ${message}`, {
      hint:
        grantHint(message, CALLER) ?? 'the account needs roles/workflows.invoker; docs/iam.md has the rest',
    });
  return new ResealError('workflow-failed', `Workflows: ${message}`, { cause: error });
}
