import type { StageOutcome, StageProgress } from '../engines/engine.ts';
import type { Advance, HeldContext, Progress } from './context.ts';
import { keysetMissing } from './keyset.ts';
import type { Wave } from './waves.ts';

/** Of a wave without a value, for which nothing was begun. */
const nothing = ({ engine }: Wave): StageOutcome => ({
  kmsCalls: 0,
  attempt: '',
  batchId: null,
  milliDcuSeconds: engine === 'dataproc' ? 0 : null,
});

/**
 * Has the engine re-encrypt the selected values of a wave into the staging table. What an earlier attempt staged is
 * taken, unless it is one of those whose rows are not whole.
 */
export async function stage(
  context: HeldContext,
  wave: Wave,
  progress: Progress,
  spent: readonly string[],
): Promise<StageOutcome> {
  const { bigquery, sql, signal, owner } = context;
  const { keyset } = wave;
  const engine = context.engines[wave.engine];
  if (keyset === null) throw keysetMissing(wave.runId);
  const begin = async (attempt: string): Promise<void> => {
    const batchId = engine.name === 'dataproc' ? attempt : '';
    await bigquery.query(sql.markStaging, { run_id: wave.runId, owner, attempt, batch_id: batchId });
  };
  if (wave.selected > 0)
    return engine.stage({ ...wave, keyset, spent, begin }, (now) => progress(advance(now, wave)), signal);
  await begin('');
  return nothing(wave);
}

function advance({ message, rows, deks, rowsASecond, deksASecond }: StageProgress, wave: Wave): Advance {
  const rate = (aSecond: number | undefined) => (aSecond === undefined ? {} : { aSecond });
  return {
    ...(message !== undefined && { message }),
    ...(rows !== undefined && { values: { done: rows, of: wave.selected, ...rate(rowsASecond) } }),
    ...(deks !== undefined && { deks: { done: deks, of: wave.distinctDeks, ...rate(deksASecond) } }),
  };
}
