import { ResealError } from '../contract/errors.ts';
import type { LedgerRow } from '../contract/ledger.ts';
import type { Plan, RunContext, RunOptions, Watcher } from './context.ts';
import { endRun, knownRun, openRun, planOf } from './ledger.ts';
import { merge } from './merge.ts';
import { plan } from './plan.ts';
import { type Report, report } from './report.ts';
import { stage } from './stage.ts';
import { mergeSummary, planSummary, reportSummary, stageSummary, verifySummary } from './summaries.ts';
import { verify } from './verify.ts';

/** A new run, from plan to report. Throws ResealError; what went wrong is in the ledger then. */
export async function run(context: RunContext, options: RunOptions, watcher: Watcher): Promise<Report> {
  const planned = await watcher.step('plan', () => plan(context, options), planSummary);
  const opened = await openRun(context, planned, 'job');
  return carryOut(context, opened, watcher);
}

/** Goes on with a run that broke off, from wherever it stands. */
export async function resume(context: RunContext, runId: string, watcher: Watcher): Promise<Report> {
  const found = await knownRun(context, runId);
  const planned = await watcher.step('plan', () => planOf(context, found), planSummary);
  if (found.state === 'succeeded') return reported(context, planned, found, watcher);
  return carryOut(context, planned, watcher, found.state === 'verified');
}

async function carryOut(
  context: RunContext,
  planned: Plan,
  watcher: Watcher,
  verified = false,
): Promise<Report> {
  let source = 'the source table is untouched';
  let merged: LedgerRow;
  try {
    if (!verified) {
      const outcome = await watcher.step(
        'stage',
        (progress) => stage(context, planned, progress),
        stageSummary,
      );
      await watcher.step('verify', () => verify(context, planned, outcome), verifySummary);
    }
    context.signal.throwIfAborted();
    source = 'the source table is untouched, or merged whole';
    merged = await watcher.step('merge', () => merge(context, planned), mergeSummary);
  } catch (error) {
    throw await brokenOff(context, planned.runId, error, source);
  }
  return reported(context, planned, merged, watcher);
}

/** A run that is merged stays so, whatever befalls its report. */
const reported = (context: RunContext, planned: Plan, merged: LedgerRow, watcher: Watcher): Promise<Report> =>
  watcher.step('report', () => report(context, planned, merged), reportSummary);

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
    hint: [failure.hint ?? [], 'the ledger could not be told and still shows the run as under way']
      .flat()
      .join('; '),
    cause: failure.cause,
  });
}

const asFailure = (error: unknown): ResealError =>
  error instanceof ResealError
    ? error
    : new ResealError('internal', error instanceof Error ? error.message : String(error), { cause: error });
