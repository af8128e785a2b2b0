import { ResealError } from '../contract/errors.ts';
import type { LedgerRow } from '../contract/ledger.ts';
import { NOT_WHOLE } from '../contract/verdict.ts';
import type { Allowed, Plan, RunContext, RunOptions, Watcher } from './context.ts';
import { merge } from './merge.ts';
import { plan } from './plan.ts';
import { endRun, knownRun, openRun, planOf, readRun } from './recorded-run.ts';
import { type Report, report } from './report.ts';
import { stage } from './stage.ts';
import { mergeSummary, planSummary, reportSummary, stageSummary, verifySummary } from './summaries.ts';
import { verify } from './verify.ts';

const NOTHING_MORE: Allowed = { rejected: false };

/**
 * A new run, from plan to report; a run id that the ledger knows names that run, and it is resumed. Throws
 * ResealError; what went wrong is in the ledger then.
 */
export async function run(
  context: RunContext,
  options: RunOptions,
  watcher: Watcher,
  allowed: Allowed = NOTHING_MORE,
): Promise<Report> {
  if ((await readRun(context, options.runId)) !== null)
    return resume(context, options.runId, watcher, allowed);
  const planned = await watcher.step('plan', () => plan(context, options), planSummary);
  const opened = await openRun(context, planned, 'job');
  return carryOut(context, opened, watcher, { allowed });
}

/** Goes on with a run that broke off, from wherever it stands. */
export async function resume(
  context: RunContext,
  runId: string,
  watcher: Watcher,
  allowed: Allowed = NOTHING_MORE,
): Promise<Report> {
  const found = await knownRun(context, runId);
  const planned = await watcher.step('plan', () => planOf(context, found), planSummary);
  if (found.state === 'succeeded') return reported(context, found, watcher);
  const verified = found.state === 'verified';
  const anew = NOT_WHOLE.some((code) => code === found.error_code);
  return carryOut(context, planned, watcher, { allowed, verified, anew });
}

async function carryOut(
  context: RunContext,
  planned: Plan,
  watcher: Watcher,
  { allowed, verified = false, anew = false }: { allowed: Allowed; verified?: boolean; anew?: boolean },
): Promise<Report> {
  let source = 'the source table is untouched';
  let merged: LedgerRow;
  try {
    if (!verified) {
      const outcome = await watcher.step(
        'stage',
        (progress) => stage(context, planned, progress, anew),
        stageSummary,
      );
      await watcher.step('verify', () => verify(context, planned, outcome, allowed), verifySummary);
    }
    context.signal.throwIfAborted();
    source = 'the source table is untouched, or merged whole';
    merged = await watcher.step('merge', () => merge(context, planned), mergeSummary);
  } catch (error) {
    throw await brokenOff(context, planned.runId, error, source);
  }
  return reported(context, merged, watcher);
}

/** A run that is merged stays so, whatever befalls its report. */
const reported = (context: RunContext, merged: LedgerRow, watcher: Watcher): Promise<Report> =>
  watcher.step('report', () => report(context, merged), reportSummary);

/** Records the end of the run and says how to go on; failing to record it must not hide why it broke off. */
async function brokenOff(
  context: RunContext,
  runId: string,
  error: unknown,
  source: string,
): Promise<ResealError> {
  const cancelled = context.signal.aborted;
  const failure = cancelled
    ? new ResealError('cancelled', `run ${runId} was cancelled; ${source}`, {
        hint: `go on with --resume ${runId}; what it staged expires after 7 days`,
        cause: error,
      })
    : asFailure(error);
  const state = cancelled ? 'cancelled' : 'failed';
  const recorded = await endRun(context, runId, state, failure).then(
    () => true,
    () => false,
  );
  if (recorded) return failure;
  return new ResealError(failure.code, failure.message, {
    hint: [failure.hint ?? [], 'the ledger could not be written and still shows the run as under way']
      .flat()
      .join('; '),
    cause: failure.cause,
  });
}

const asFailure = (error: unknown): ResealError =>
  error instanceof ResealError
    ? error
    : new ResealError('internal', error instanceof Error ? error.message : String(error), { cause: error });
