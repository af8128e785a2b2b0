import type { ExecutionsClient, protos } from '@google-cloud/workflows';
import { accountId } from '../contract/account-grants.ts';
import { jobOwner } from '../contract/cloud-run.ts';
import { ERROR_CODES } from '../contract/error-codes.ts';
import { ResealError } from '../contract/errors.ts';
import { workflowOwner } from '../contract/lease-terms.ts';
import type { LedgerRow } from '../contract/ledger.ts';
import { workflowEngines } from '../contract/workflow-engines.ts';
import { withGrace, within } from '../google/bounds.ts';
import { type Endpoints, executionsClient } from '../google/clients.ts';
import { CALLER, grantHint } from '../google/denied.ts';
import { googleFailure } from '../google/failures.ts';
import { follow } from '../google/follow.ts';
import { projectFault, projectFaultIn } from '../google/project-faults.ts';
import { mayPass } from '../google/repeated.ts';
import { ANSWER_MS, waitLimits } from '../google/wait-limits.ts';
import type { Allowed, EngineChoice, Progress, RunContext, RunOptions, Watcher } from './context.ts';
import { isClosed } from './lease.ts';
import { endRun, readRun } from './recorded-run.ts';
import { type Report, report } from './report.ts';
import { mergeSummary, reportSummary } from './summaries.ts';
import { untouched } from './waves.ts';

type Execution = protos.google.cloud.workflows.executions.v1.IExecution;

/**
 * Has the stack's deployed workflow do the run, follows its steps and reports as the job does. The run id is
 * given along, so that the ledger's row can be found; a run that broke off goes on under its own.
 *
 * @throws ResealError with the code that the workflow raised, the job's own for what befalls a run; `workflow-failed`
 * where it raised none; `option-engine`, `workflow-missing`, `workflow-denied`, `workflow-cancelled`, or `cancelled` once the context's signal has been given
 */
export async function runByWorkflow(
  context: RunContext,
  options: RunOptions,
  allowed: Allowed,
  watcher: Watcher,
  endpoints?: Endpoints,
): Promise<Report> {
  return withExecutions(context, endpoints, async (client, workflow) => {
    const run = await watcher.step(
      'run',
      async (progress) => {
        await checkWorkflow(context, options);
        const execution = await start(client, workflow, options, allowed, context.signal);
        const ended = await followed(client, execution, progress, context).catch((error: unknown) => {
          if (!context.signal.aborted) throw error;
          // It was cancelled, or could not be; either way nobody waits for it any longer.
          return cancelled(context, options.runId, execution, error);
        });
        return 'run_id' in ended ? ended : outcome(context, options.runId, ended);
      },
      mergeSummary,
    );
    return watcher.step('report', () => report(context, run), reportSummary);
  });
}

/**
 * Starts the workflow and leaves it to itself; returns the execution's resource name.
 *
 * @throws ResealError `workflow-missing`, `workflow-denied`, `workflow-failed`, `option-engine`
 */
export const startWorkflow = (
  context: RunContext,
  options: RunOptions,
  allowed: Allowed,
  endpoints?: Endpoints,
): Promise<string> =>
  withExecutions(context, endpoints, async (client, workflow) => {
    await checkWorkflow(context, options);
    return nameOf(await start(client, workflow, options, allowed, context.signal));
  });

/**
 * Whether the stack's workflow can carry the run out.
 *
 * @throws ResealError `workflow-missing`, or `option-engine` for an engine that it does not have, be it asked for or the
 * run's own
 */
export async function checkWorkflow(
  context: RunContext,
  { runId, engine }: Pick<RunOptions, 'runId' | 'engine'>,
): Promise<void> {
  workflowOf(context);
  const able = workflowEngines(context.deployment);
  const hasNot = (name: EngineChoice): boolean => name !== 'auto' && !able.some((one) => one === name);
  const { remedy } = ERROR_CODES['option-engine'];
  if (hasNot(engine))
    throw new ResealError('option-engine', `the workflow of this stack has no engine ${engine}`, {
      hint: remedy,
    });
  const found = await readRun(context, runId);
  if (found === null || isClosed(found) || !hasNot(found.engine)) return;
  throw new ResealError(
    'option-engine',
    `run ${runId} goes on by engine ${found.engine}, as it began, which the workflow of this stack does not have`,
    { hint: remedy },
  );
}

/** The connection is closed in good order within this time, or left to the end of the process. */
const CLOSE_MS = 1_000;

/** The workflow's resource name. Throws ResealError `workflow-missing`. */
function workflowOf({ deployment: { workflow, stack, engines } }: RunContext): string {
  if (workflow !== null) return workflow;
  const deploys = 'run `npm run bundle` and `pulumi up`, or leave --via workflow out';
  throw new ResealError('workflow-missing', `stack ${stack} deploys no workflow`, {
    hint:
      engines.includes('dataproc') || engines.includes('bigquery')
        ? deploys
        : `add dataproc or bigquery to reseal:engines, then ${deploys}`,
  });
}

async function withExecutions<T>(
  context: RunContext,
  endpoints: Endpoints | undefined,
  work: (client: ExecutionsClient, workflow: string) => Promise<T>,
): Promise<T> {
  const workflow = workflowOf(context);
  const client = await executionsClient(endpoints);
  try {
    return await work(client, workflow);
  } finally {
    await within(CLOSE_MS, client.close(), () => new Error('late')).catch(() => {});
  }
}

/** https://cloud.google.com/workflows/docs/reference/executions/rest/v1/projects.locations.workflows.executions/create */
async function start(
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

function nameOf({ name }: Execution): string {
  if (!name) throw new ResealError('workflow-failed', 'Workflows gave the execution no name');
  return name;
}

/** How the ledger names the execution while it drives a run. */
const ownerOf = (execution: Execution): string => workflowOwner(nameOf(execution).split('/').at(-1) ?? '');

const ENDED = ['SUCCEEDED', 'FAILED', 'CANCELLED', 'UNAVAILABLE'];

/** The execution as it ended; its steps are shown as they pass. */
async function followed(
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

const isCode = (code: string | undefined): code is keyof typeof ERROR_CODES =>
  code !== undefined && code in ERROR_CODES;

/** The merged run's row of the ledger. Throws for an execution that ended in another way. */
async function outcome(context: RunContext, runId: string, execution: Execution): Promise<LedgerRow> {
  const state = String(execution.state);
  if (state === 'CANCELLED' && context.signal.aborted) return cancelled(context, runId, execution);
  if (state === 'CANCELLED') {
    const cancellation = new ResealError('workflow-cancelled', `somebody cancelled ${execution.name}`, {
      hint: ERROR_CODES['workflow-cancelled'].remedy,
    });
    // It can no longer let go of the run by itself, and the job that it may have started goes on unless this comes through.
    const ended = await endedByUs(context, runId, ownerOf(execution), cancellation).catch(() => null);
    if (ended?.state === 'succeeded') return ended;
    throw cancellation;
  }
  if (state !== 'SUCCEEDED') {
    const { code: own, message, account } = raised(execution);
    const fault = projectFaultIn(message);
    if (fault !== null)
      throw new ResealError(fault.code, message, fault.hint === undefined ? {} : { hint: fault.hint });
    // A code of Reseal's is the run's own, whoever drives it: exit code and remedy derive from it.
    const code = isCode(own) ? own : 'workflow-failed';
    const whose = `the ${account}'s account, ${accountId(context.deployment.stack, account)}`;
    const grant = grantHint(message, whose);
    throw new ResealError(code, message, { hint: grant ?? ERROR_CODES[code].remedy });
  }
  const run = await readRun(context, runId);
  if (run?.state === 'succeeded') return run;
  throw new ResealError(
    'workflow-failed',
    `${execution.name} succeeded, but the ledger has no merged run ${runId}`,
  );
}

/**
 * Ends a run in the place of the execution that drives it, or of the job on Cloud Run that it has handed the run to, which
 * hears of it with its next heartbeat. Returns the run's row; a run that somebody else drives is left alone.
 */
async function endedByUs(
  context: RunContext,
  runId: string,
  owner: string,
  cancellation: ResealError,
): Promise<LedgerRow | null> {
  await endRun({ ...context, owner }, runId, cancellation);
  const run = await readRun(context, runId);
  if (run?.owner == null || jobOwner(run.owner)?.from !== owner) return run;
  await endRun({ ...context, owner: run.owner }, runId, cancellation);
  return readRun(context, runId);
}

/**
 * A cancelled execution writes nothing into the ledger, and whatever it had started goes on: a job of BigQuery,
 * a batch. With its end in the ledger, written in its place, the run can no longer be merged, unless it has been by
 * then. One that could not be cancelled is stopped by that, too, but only where it has begun the run.
 */
async function cancelled(
  context: RunContext,
  runId: string,
  execution: Execution,
  cause?: unknown,
): Promise<LedgerRow> {
  const owner = ownerOf(execution);
  const cancellation = new ResealError('cancelled', `run ${runId} was cancelled`);
  const alive = stillAtWork(cause);
  let run: LedgerRow | null;
  try {
    run = await endedByUs(context, runId, owner, cancellation);
  } catch (error) {
    // A job that it has handed the run to merges all the same.
    const mayGoOn = alive !== null || workflowEngines(context.deployment).includes('bigquery');
    const what = mayGoOn ? `may go on: its execution ${alive ?? 'was cancelled'}` : 'was cancelled';
    throw new ResealError(
      cancellation.code,
      `run ${runId} ${what}, ${alive === null ? 'but' : 'and'} the ledger does not say so`,
      {
        hint: `look at it with \`npm run reseal -- history\`, then go on with --resume ${runId} --via workflow --take-over`,
        cause: cause ?? error,
      },
    );
  }
  if (run?.state === 'succeeded') return run;
  // Between two tries of an execution that goes on a run is nobody's.
  if (alive !== null && run?.state !== 'cancelled')
    throw new ResealError(cancellation.code, `run ${runId} may still begin: its execution ${alive}`, {
      hint: `\`gcloud workflows executions cancel ${nameOf(execution)}\` ends it; \`npm run reseal -- history\` shows whether it has begun`,
      cause,
    });
  const batch = run?.batch_id ? `batch ${run.batch_id} may still be at work; ` : '';
  const left = untouched({ wave: run?.waves_merged ?? 0, waves: run?.waves ?? 1 });
  throw new ResealError(cancellation.code, `${cancellation.message}; ${left}`, {
    hint: run === null ? 'nothing was begun' : `${batch}go on with --resume ${runId} --via workflow`,
    cause,
  });
}

/** What is left of an execution whose end was asked for; null for one that has ended. */
function stillAtWork(cause: unknown): string | null {
  if (!(cause instanceof ResealError)) return null;
  if (cause.code === 'cancel-failed') return 'could not be cancelled';
  return cause.code === 'cancel-pending' ? 'has not ended yet' : null;
}

/**
 * What the workflow raised: JSON in the payload; a code of Reseal's where it is the workflow's own error, or that of the
 * job on Cloud Run.
 */
function raised({ name, error, stateError }: Execution): {
  code?: string;
  message: string;
  account: 'workflow' | 'job';
} {
  const payload = error?.payload ?? '';
  const fallback = {
    message: payload || stateError?.details || `${name} failed and gave no reason`,
    account: 'workflow',
  } as const;
  try {
    const {
      error_code: code,
      message,
      account,
    } = JSON.parse(payload) as { error_code?: string; message?: string; account?: string };
    if (message === undefined) return fallback;
    return {
      message,
      account: account === 'job' ? 'job' : 'workflow',
      ...(code === undefined ? {} : { code }),
    };
  } catch {
    return fallback;
  }
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
