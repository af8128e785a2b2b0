import { ResealError } from '../contract/errors.ts';
import type { StageOutcome } from '../engines/engine.ts';
import type { HeldContext, Progress } from './context.ts';
import { idOf, type Wave } from './waves.ts';

const NOTHING: StageOutcome = { kmsCalls: 0, attempt: '', batchId: null, milliDcuSeconds: null };

/**
 * Has the engine re-encrypt the selected values of a wave into the staging table. What an earlier attempt staged is
 * taken, or with `anew` left aside.
 */
export async function stage(
  context: HeldContext,
  wave: Wave,
  progress: Progress,
  anew: boolean,
): Promise<StageOutcome> {
  const { bigquery, sql, signal, owner } = context;
  const { keyset } = wave;
  const engine = context.engines[wave.engine];
  if (keyset === null) throw new ResealError('keyset-missing', 'the run has no keyset to seal with');
  const empty = wave.selected === 0;
  const batch = empty ? null : engine.batchId(idOf(wave));
  await bigquery.query(sql.markStaging, { run_id: wave.runId, owner, batch_id: batch ?? '' });
  if (empty) return NOTHING;
  return engine.stage({ ...wave, keyset, anew }, (now) => progress(described(now, wave)), signal);
}

function described(now: { rows?: number; deks?: number; message?: string }, wave: Wave): string {
  if (now.message !== undefined) return now.message;
  const rows = now.rows === undefined ? '' : `${now.rows} of ${wave.selected} rows`;
  const deks = now.deks === undefined ? '' : `${now.deks} of ${wave.distinctDeks} data keys`;
  return [rows, deks].filter((part) => part !== '').join(', ');
}
