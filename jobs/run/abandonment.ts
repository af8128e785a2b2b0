import { ResealError } from '../contract/errors.ts';
import { waveId } from '../contract/ids.ts';
import type { LedgerRow } from '../contract/ledger.ts';
import type { Discarded } from '../engines/engine.ts';
import type { RunContext } from './context.ts';
import { heartbeat, isClosed, takeLease, takenOver } from './lease.ts';
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
 * @throws ResealError `run-unknown`, `run-live` for one that somebody drives, unless `takeOver` says otherwise
 */
export async function abandon(context: RunContext, runId: string, takeOver: boolean): Promise<Abandoned> {
  const found = await knownRun(context, runId);
  if (isClosed(found)) return { run: found, discarded: null };
  const owner = newOwner();
  const lease = heartbeat(context, runId, owner);
  try {
    const taken = await takeLease(context, found, owner, takeOver);
    if (isClosed(taken)) return { run: taken, discarded: null };
    const wave = waveId(runId, taken.waves_merged ?? 0);
    const discarded = await context.engines[taken.engine].discard(runId, wave, context.signal);
    await context.bigquery.query(context.sql.clearStaged, { run_id: runId });
    await context.bigquery.query(context.sql.abandonRun, { run_id: runId, owner });
    const run = await knownRun(context, runId);
    // Its driver had begun the merge when the run was taken from it.
    if (run.state === 'succeeded') return { run, discarded: null };
    if (run.state !== 'abandoned') throw takenOver(runId, run.owner);
    return { run, discarded };
  } catch (error) {
    if (!context.signal.aborted) throw error;
    throw new ResealError('cancelled', `run ${runId} was not abandoned`, {
      hint: `\`npm run reseal -- abandon ${runId}\` again`,
      cause: error,
    });
  } finally {
    void lease.stop();
    released(owner);
  }
}
