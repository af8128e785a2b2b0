import { accountId } from '../contract/account-grants.ts';
import { jobOwner } from '../contract/cloud-run.ts';
import { ERROR_CODES, knownCode } from '../contract/error-codes.ts';
import { ResealError } from '../contract/errors.ts';
import type { LedgerRow } from '../contract/ledger.ts';
import { workflowEngines } from '../contract/workflow-engines.ts';
import { grantHint } from '../google/denied.ts';
import { projectFaultIn } from '../google/project-faults.ts';
import type { RunContext } from './context.ts';
import { endRun, readRun } from './recorded-run.ts';
import { untouched } from './waves.ts';
import { type Execution, nameOf, ownerOf } from './workflow-execution.ts';

/** The merged run's row of the ledger. Throws for an execution that ended in another way. */
export async function outcome(context: RunContext, runId: string, execution: Execution): Promise<LedgerRow> {
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
    const code = own !== undefined && knownCode(own) !== undefined ? own : 'workflow-failed';
    const whose = `the ${account}'s account, ${accountId(context.deployment.stack, account)}`;
    const grant = grantHint(message, whose);
    const hint = grant ?? knownCode(code)?.remedy;
    throw new ResealError(code, message, hint === undefined ? {} : { hint });
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
export async function cancelled(
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
