import { ResealError } from '../contract/errors.ts';
import type { LedgerRow } from '../contract/ledger.ts';
import { notWhole } from '../contract/verdict.ts';
import { TAKEN_OVER } from '../google/bounds.ts';
import type { Allowed, HeldContext, Plan, RunContext, RunOptions, Watcher } from './context.ts';
import { checkHeld, heartbeat, heldBy, isClosed, orLetGo, takeHandedOver, takeLease } from './lease.ts';
import { merge } from './merge.ts';
import { newOwner, released } from './owner.ts';
import { plan } from './plan.ts';
import { checkSettings, endRun, knownRun, openRun, planOf, readRun } from './recorded-run.ts';
import { type Report, report } from './report.ts';
import { stage } from './stage.ts';
import { mergeSummary, planSummary, reportSummary, stageSummary, verifySummary } from './summaries.ts';
import { verify } from './verify.ts';
import { untouched, type Wave, waveOf } from './waves.ts';

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
  await allowed.approve?.(planned);
  return asOwner(context, async (held) => {
    const [opened, entered] = await orLetGo(held, planned.runId, held.owner, async () => [
      await openRun(held, planned, 'job'),
      await heldBy(held, planned.runId, held.owner),
    ]);
    // Another process has begun a run of this id in the same moment, and ended it.
    if (entered.owner !== held.owner) return resume(context, planned.runId, watcher, allowed);
    return carryOut(held, opened, watcher, { allowed });
  });
}

/**
 * Goes on with a run that broke off, from wherever it stands. Throws ResealError `run-unknown`, `run-live` for one
 * that somebody drives, `run-taken-over` for one that is not handed over any more, `run-abandoned`, and whatever the run
 * breaks off with.
 */
export async function resume(
  context: RunContext,
  runId: string,
  watcher: Watcher,
  allowed: Allowed = NOTHING_MORE,
): Promise<Report> {
  const found = await knownRun(context, runId);
  if (!isClosed(found)) checkSettings(context, found);
  const planned = await watcher.step('plan', () => planOf(context, found), planSummary);
  if (found.state === 'succeeded') return reported(context, found, watcher);
  return asOwner(context, async (held) => {
    const taken =
      allowed.handedOverBy === undefined
        ? await takeLease(held, found, held.owner, allowed.takeOver ?? false)
        : await takeHandedOver(held, found, allowed.handedOverBy);
    if (taken.state === 'succeeded') return reported(held, taken, watcher);
    if (taken.state === 'abandoned')
      throw new ResealError('run-abandoned', `run ${runId} was abandoned`, {
        hint: 'start a new run, which takes its values',
      });
    return carryOut(held, planned, watcher, {
      allowed,
      from: taken.waves_merged ?? 0,
      verified: taken.state === 'verified',
      spent: notWhole(taken.not_whole),
    });
  });
}

/** Does the work under a name of its own, that of a run's owner. */
async function asOwner<T>(context: RunContext, work: (held: HeldContext) => Promise<T>): Promise<T> {
  const owner = context.owner ?? newOwner();
  try {
    return await work({ ...context, owner });
  } finally {
    released(owner);
  }
}

/** Where a run goes on, and what its first wave has behind it. */
interface Start {
  readonly allowed: Allowed;
  /** The first wave that is not merged. */
  readonly from?: number;
  /** It is verified, and yet to be merged. */
  readonly verified?: boolean;
  /** The attempts at it whose rows are not whole. */
  readonly spent?: readonly string[];
}

/** Wave by wave, each staged, verified and merged before the next: what breaks off loses one of them. */
async function carryOut(
  driver: HeldContext,
  planned: Plan,
  watcher: Watcher,
  { allowed, from = 0, ...first }: Start,
): Promise<Report> {
  let merged = await carryOutWave(driver, planned, from, watcher, { allowed, ...first });
  for (let wave = from + 1; wave < planned.waves; wave++)
    merged = await carryOutWave(driver, planned, wave, watcher, { allowed });
  return reported(driver, merged, watcher);
}

async function carryOutWave(
  driver: HeldContext,
  planned: Plan,
  number: number,
  watcher: Watcher,
  { allowed, verified = false, spent = [] }: Start,
): Promise<LedgerRow> {
  const lease = heartbeat(driver, planned.runId, driver.owner);
  const context = { ...driver, signal: AbortSignal.any([driver.signal, lease.lost]) };
  let wave: Wave = { ...planned, wave: number };
  let source = untouched(wave);
  let merging = false;
  const step = (name: string): string => (wave.waves === 1 ? name : `${name} ${number + 1}/${wave.waves}`);
  try {
    if (!verified) {
      wave = await waveOf(context, planned, number);
      const outcome = await watcher.step(
        step('stage'),
        (progress) => stage(context, wave, progress, spent),
        (outcome) => stageSummary(outcome, wave),
      );
      await watcher.step(step('verify'), () => verify(context, wave, outcome, allowed), verifySummary);
    }
    context.signal.throwIfAborted();
    merging = true;
    source += wave.waves === 1 ? ', or merged whole' : ', or merged with one wave more';
    // A heartbeat would have BigQuery roll the merge's transaction back: both write the ledger.
    await lease.stop();
    return await watcher.step(step('merge'), () => merge(context, wave), mergeSummary);
  } catch (error) {
    if (lease.lost.aborted && !driver.signal.aborted) throw lease.lost.reason;
    // Whoever took the run over may have merged and removed the rows that this process looks for.
    if (!merging && !driver.signal.aborted) await checkHeld(driver, planned.runId);
    throw await brokenOff(driver, planned.runId, error, source);
  } finally {
    void lease.stop();
  }
}

/** A run that is merged stays so, whatever befalls its report. */
const reported = (context: RunContext, merged: LedgerRow, watcher: Watcher): Promise<Report> =>
  watcher.step('report', () => report(context, merged), reportSummary);

/** Records the end of the run and says how to go on; failing to record it must not hide why it broke off. */
async function brokenOff(
  context: HeldContext,
  runId: string,
  error: unknown,
  source: string,
): Promise<ResealError> {
  if (error instanceof ResealError && error.code === TAKEN_OVER) return error;
  const failure = context.signal.aborted
    ? new ResealError('cancelled', `run ${runId} was cancelled; ${source}`, {
        hint: `${leftAtWork(error)}go on with --resume ${runId}; what it staged expires after 7 days`,
        cause: error,
      })
    : asFailure(error);
  const recorded = await endRun(context, runId, failure).then(
    () => true,
    () => false,
  );
  if (recorded) return failure;
  return new ResealError(failure.code, failure.message, {
    hint: [
      failure.hint ?? [],
      'the ledger may not say so: `npm run reseal -- history` shows how it has the run',
    ]
      .flat()
      .join('; '),
    cause: failure.cause,
  });
}

/** What an interrupt could not end, or not be sure of. */
const leftAtWork = (error: unknown): string =>
  error instanceof ResealError && error.code === 'cancel-failed' ? 'a batch may still be at work; ' : '';

/** The error as the ledger and people are to have it. */
export const asFailure = (error: unknown): ResealError =>
  error instanceof ResealError
    ? error
    : new ResealError('internal', error instanceof Error ? error.message : String(error), { cause: error });
