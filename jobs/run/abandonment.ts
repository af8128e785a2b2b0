import { setMaxListeners } from 'node:events';
import { ResealError } from '../contract/errors.ts';
import { waveId } from '../contract/ids.ts';
import type { LedgerRow } from '../contract/ledger.ts';
import type { Discarded } from '../engines/engine.ts';
import type { RunContext } from './context.ts';
import { heartbeat, isClosed, orLetGo, takeLease, takenOver } from './lease.ts';
import { newOwner, released } from './owner.ts';
import { knownRun } from './recorded-run.ts';

export interface Abandoned {
  /** The run as it stands now. */
  readonly run: LedgerRow;
  /** What there was to end and to remove; null for a run that had been merged or abandoned by then. */
  readonly discarded: Discarded | null;
}

/**
 * Ends a run that nobody will resume: what it has at work is cancelled, what it staged is removed, and the ledger says
 * `abandoned`. The source table is not touched: waves that are merged stay so. The ledger comes last, so that one that
 * is cut short can be repeated.
 *
 * @param say hears of what takes long
 * @throws ResealError `run-unknown`, `run-live` for one that somebody drives, unless `takeOver` says otherwise,
 * `run-taken-over` where somebody else drives it by now: what is left of it then is theirs
 */
export async function abandon(
  context: RunContext,
  runId: string,
  takeOver: boolean,
  say: (message: string) => void = () => {},
): Promise<Abandoned> {
  const found = await knownRun(context, runId);
  if (isClosed(found)) return { run: found, discarded: null };
  const owner = newOwner();
  try {
    const taken = await takeLease(context, found, owner, takeOver);
    if (isClosed(taken)) return { run: taken, discarded: null };
    return await orLetGo(context, runId, owner, () => giveUp(context, taken, owner, say));
  } catch (error) {
    if (!context.signal.aborted) throw error;
    throw new ResealError('cancelled', `run ${runId} was not abandoned`, {
      hint: `\`npm run reseal -- abandon ${runId}\` again`,
      cause: error,
    });
  } finally {
    released(owner);
  }
}

/** Ends and removes what there is of a run that is held; somebody else who takes it over finds it as it was. */
async function giveUp(
  context: RunContext,
  held: LedgerRow,
  owner: string,
  say: (message: string) => void,
): Promise<Abandoned> {
  const { bigquery, sql, engines } = context;
  const runId = held.run_id;
  const lease = heartbeat(context, runId, owner);
  const signal = AbortSignal.any([context.signal, lease.lost]);
  // An engine looks at all the attempts that a wave may have, side by side; more than ten listeners are no leak here.
  setMaxListeners(0, signal);
  try {
    const wave = waveId(runId, held.waves_merged ?? 0);
    let discarded = await engines[held.engine].discard(runId, wave, signal, say);
    // A workflow of an older version took a batch for whatever run it went on with.
    if (held.batch_id !== null && held.engine !== 'dataproc')
      discarded = both(discarded, await engines.dataproc.discard(runId, wave, signal, say));
    signal.throwIfAborted();
    await bigquery.query(sql.clearStaged, { run_id: runId, owner });
    await bigquery.query(sql.abandonRun, { run_id: runId, owner });
    const run = await knownRun(context, runId);
    // Its driver had begun the merge when the run was taken from it.
    if (run.state === 'succeeded') return { run, discarded: null };
    if (run.state !== 'abandoned') throw takenOver(runId, run.owner);
    return { run, discarded };
  } catch (error) {
    throw lease.lost.aborted && !context.signal.aborted ? lease.lost.reason : error;
  } finally {
    void lease.stop();
  }
}

const both = (one: Discarded, other: Discarded): Discarded => ({
  cancelled: [...one.cancelled, ...other.cancelled],
  files: one.files === null || other.files === null ? null : one.files + other.files,
});
