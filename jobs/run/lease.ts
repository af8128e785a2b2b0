import { setTimeout as sleep } from 'node:timers/promises';
import { jobOwner } from '../contract/cloud-run.ts';
import { ResealError } from '../contract/errors.ts';
import { HEARTBEAT_SECONDS, LEASE_SECONDS } from '../contract/lease-terms.ts';
import { CLOSED, type LedgerRow } from '../contract/ledger.ts';
import { TAKEN_OVER } from '../google/bounds.ts';
import type { HeldContext, RunContext } from './context.ts';
import { described, isGone } from './owner.ts';
import { knownRun } from './recorded-run.ts';

/**
 * Makes `owner` the one that drives a run, and returns the run as it then stands; one that was merged or abandoned
 * meanwhile is returned as it is, and has no owner. An owner that is heard of keeps the run, unless `takeOver` says
 * otherwise; one that is known to be gone does not.
 *
 * @throws ResealError `run-live`
 */
export async function takeLease(
  context: RunContext,
  found: LedgerRow,
  owner: string,
  takeOver: boolean,
): Promise<LedgerRow> {
  const { bigquery, sql } = context;
  const seen = found.owner;
  const from = seen !== null && (takeOver || isGone(seen)) ? seen : '';
  return orLetGo(context, found.run_id, owner, async () => {
    const mine = { run_id: found.run_id, owner, from_owner: from, seen_millis: found.heartbeat ?? 0 };
    await bigquery.query(sql.takeLease, mine);
    return heldBy(context, found.run_id, owner);
  });
}

/**
 * The same for a run that its owner hands over to `context.owner`: no other owner loses it, and one that has been ended
 * meanwhile stays so. What fails on the way may leave the run this process's.
 *
 * @throws ResealError `run-taken-over` for a run that is not that owner's any more
 */
export async function takeHandedOver(
  context: HeldContext,
  { run_id: runId }: LedgerRow,
  from: string,
): Promise<LedgerRow> {
  const { bigquery, sql, owner } = context;
  await bigquery.query(sql.takeHandedOver, { run_id: runId, owner, from_owner: from });
  const run = await knownRun(context, runId);
  if (run.owner === owner || isClosed(run)) return run;
  throw takenOver(runId, run.owner);
}

/** The run is somebody else's by then: there is nothing to let go of. */
const ANOTHERS: readonly string[] = ['run-live', TAKEN_OVER];

/**
 * What the work returns. If it fails nobody is left as the run's owner, so that it can be gone on with at once, from
 * any machine; should that not come through, the lease runs out.
 */
export async function orLetGo<T>(
  { bigquery, sql }: RunContext,
  runId: string,
  owner: string,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const isAnothers = error instanceof ResealError && ANOTHERS.includes(error.code);
    if (!isAnothers) await bigquery.query(sql.letGo, { run_id: runId, owner }).catch(() => {});
    throw error;
  }
}

/**
 * The run's row, if this owner drives it or nobody needs to any more.
 *
 * @throws ResealError `run-live`, which says who does and how long ago that was heard of
 */
export async function heldBy(context: RunContext, runId: string, owner: string): Promise<LedgerRow> {
  const run = await knownRun(context, runId);
  if (run.owner === owner || isClosed(run)) return run;
  const [lease] = await context.bigquery.query(context.sql.readLease, { run_id: runId });
  const silent = lease?.silent_millis == null ? '' : `, heard of ${seconds(lease.silent_millis)} s ago`;
  throw new ResealError('run-live', `run ${runId} is driven by ${described(run.owner)}${silent}`, {
    hint: 'wait until it has ended; --take-over goes on with the run in its place',
  });
}

export const isClosed = ({ state }: LedgerRow): boolean => CLOSED.some((closed) => closed === state);

const seconds = (millis: string): number => Math.max(0, Math.round(Number(millis) / 1000));

/** Whether somebody drives the run, as far as can be told. */
export const isLive = ({ owner }: LedgerRow, silentMillis: number): boolean =>
  owner !== null && silentMillis < LEASE_SECONDS * 1000 && !isGone(owner);

export const takenOver = (runId: string, by: string | null): ResealError =>
  new ResealError(
    'run-taken-over',
    by === null
      ? `run ${runId} was taken over by somebody who has let go of it since`
      : `run ${runId} is driven by ${described(by)} now`,
    { hint: '`npm run reseal -- history` shows what becomes of it' },
  );

const cancelledElsewhere = (runId: string): ResealError =>
  new ResealError('cancelled', `run ${runId} was cancelled by whoever waited for it`, {
    hint: `go on with --resume ${runId}`,
  });

/**
 * Throws ResealError `run-taken-over` where the run has another owner by now, or none: whatever befell the work of the
 * former one says nothing of the run. Where that cannot be told nothing is thrown.
 */
export async function checkHeld({ bigquery, sql, owner }: HeldContext, runId: string): Promise<void> {
  const [lease] = await bigquery.query(sql.readLease, { run_id: runId }, RENEWAL_MS).catch(() => []);
  if (lease !== undefined && lease.owner !== owner) throw takenOver(runId, lease.owner ?? null);
}

/** The renewals of a lease. */
export interface Heartbeat {
  /** Given with the error `run-taken-over` once the run has another owner, or with `cancelled` where this is a job's. */
  readonly lost: AbortSignal;
  /** Ends the renewals, and resolves once none is under way, or seconds after one was cancelled that does not answer. */
  stop(): Promise<void>;
}

/** A renewal that takes longer comes too late: the lease has run out. */
const RENEWAL_MS = LEASE_SECONDS * 1000;

/** Renews the lease until stopped. A renewal that fails is left to the next one: the lease outlives several. */
export function heartbeat(context: RunContext, runId: string, owner: string): Heartbeat {
  const { bigquery, sql, signal } = context;
  const lost = new AbortController();
  const stopped = new AbortController();
  const ending = AbortSignal.any([signal, stopped.signal]);
  const renew = async (): Promise<void> => {
    await bigquery.query(sql.renewLease, { run_id: runId, owner }, RENEWAL_MS, stopped.signal);
    const [lease] = await bigquery.query(sql.readLease, { run_id: runId }, RENEWAL_MS, stopped.signal);
    if (lease === undefined || lease.owner === owner) return;
    // Whoever waits for a job ends its run in its place: what it has at work is for the job to end.
    const isCancelled = jobOwner(owner) !== null && lease.owner == null && lease.state === 'cancelled';
    lost.abort(isCancelled ? cancelledElsewhere(runId) : takenOver(runId, lease.owner ?? null));
  };
  const every = context.heartbeatMs ?? HEARTBEAT_SECONDS * 1000;
  const beating = (async () => {
    while (!lost.signal.aborted) {
      await sleep(every, undefined, { signal: ending, ref: false });
      await renew().catch(() => {});
    }
  })().catch(() => {});
  return {
    lost: lost.signal,
    async stop() {
      stopped.abort();
      await beating;
    },
  };
}
