import { ResealError } from '../contract/errors.ts';
import type { Plan, Progress, RunContext, RunOptions } from './context.ts';
import { endRun, knownRun, planOf } from './ledger.ts';
import { merge } from './merge.ts';
import { open, plan } from './plan.ts';
import { type Report, report } from './report.ts';
import { stage } from './stage.ts';
import { verify } from './verify.ts';

/** Follows a run; the command line shows it, tests listen to it. */
export interface Watcher {
  step<T>(name: string, work: (progress: Progress) => Promise<T>, summary: (result: T) => string): Promise<T>;
}

/** A new run, from plan to report. Throws ResealError; what went wrong is in the ledger then. */
export async function run(context: RunContext, options: RunOptions, watcher: Watcher): Promise<Report> {
  const planned = await watcher.step('plan', () => plan(context, options), planSummary);
  const opened = await open(context, planned, 'job');
  return carryOut(context, opened, watcher);
}

/** Goes on with a run that broke off, from wherever it stands. */
export async function resume(context: RunContext, runId: string, watcher: Watcher): Promise<Report> {
  const found = await knownRun(context, runId);
  const planned = await watcher.step('plan', () => planOf(context, found), planSummary);
  if (found.state === 'succeeded') return finish(context, planned, watcher);
  return carryOut(context, planned, watcher, found.state === 'verified');
}

export const planSummary = (planned: Plan): string =>
  planned.selected === 0
    ? 'nothing left to do'
    : `${planned.selected} values under ${planned.distinctDeks} data keys, ${planned.engine} engine`;

async function carryOut(
  context: RunContext,
  planned: Plan,
  watcher: Watcher,
  verified = false,
): Promise<Report> {
  try {
    if (!verified) {
      const outcome = await watcher.step(
        'stage',
        (progress) => stage(context, planned, progress),
        ({ kmsCalls }) => (kmsCalls === null ? 'staged' : `staged with ${kmsCalls} KMS calls`),
      );
      await watcher.step(
        'verify',
        () => verify(context, planned, outcome),
        ({ staged, rejected, opened }) =>
          `${staged} sealed + ${rejected} refused = ${staged + rejected}; BigQuery opened ${opened ?? 'none'} of them`,
      );
    }
    context.signal.throwIfAborted();
    return await finish(context, planned, watcher);
  } catch (error) {
    throw await brokenOff(context, planned.runId, error);
  }
}

async function finish(context: RunContext, planned: Plan, watcher: Watcher): Promise<Report> {
  const merged = await watcher.step(
    'merge',
    () => merge(context, planned),
    (row) => `${row.merged} merged, ${row.changedMeanwhile} changed meanwhile, ${row.rejected} refused`,
  );
  return watcher.step(
    'report',
    () => report(context, planned, merged),
    ({ read_back: { readable, checked } }) => `${readable} of ${checked} merged values read back through SQL`,
  );
}

/** Records the end of the run and says how to go on; failing to record it must not hide why it broke off. */
async function brokenOff(context: RunContext, runId: string, error: unknown): Promise<ResealError> {
  const cancelled = context.signal.aborted;
  const failure = cancelled
    ? new ResealError('cancelled', `run ${runId} was cancelled; the source table is untouched`, {
        hint: `go on with --resume ${runId}; what it staged expires after 7 days`,
        cause: error,
      })
    : asFailure(error);
  await endRun(context, runId, cancelled ? 'cancelled' : 'failed', failure).catch(() => {});
  return failure;
}

const asFailure = (error: unknown): ResealError =>
  error instanceof ResealError
    ? error
    : new ResealError('internal', error instanceof Error ? error.message : String(error), { cause: error });
