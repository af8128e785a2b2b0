import { ResealError } from '../contract/errors.ts';
import type { StageOutcome } from '../engines/engine.ts';
import type { HeldContext, Plan, Progress } from './context.ts';

const NOTHING: StageOutcome = { kmsCalls: 0, attempt: '', batchId: null, milliDcuSeconds: null };

/**
 * Has the engine re-encrypt the selected values into the staging table. What an earlier attempt staged is taken, or
 * with `anew` left aside.
 */
export async function stage(
  context: HeldContext,
  plan: Plan,
  progress: Progress,
  anew: boolean,
): Promise<StageOutcome> {
  const { bigquery, sql, signal, owner } = context;
  const engine = context.engines[plan.engine];
  if (plan.keyset === null) throw new ResealError('keyset-missing', 'the run has no keyset to seal with');
  const empty = plan.selected === 0;
  const batch = empty ? null : engine.batchId(plan.runId);
  await bigquery.query(sql.markStaging, { run_id: plan.runId, owner, batch_id: batch ?? '' });
  if (empty) return NOTHING;
  return engine.stage(
    { ...plan, keyset: plan.keyset, anew },
    (now) => progress(described(now, plan)),
    signal,
  );
}

function described(now: { rows?: number; deks?: number; message?: string }, plan: Plan): string {
  if (now.message !== undefined) return now.message;
  const rows = now.rows === undefined ? '' : `${now.rows} of ${plan.selected} rows`;
  const deks = now.deks === undefined ? '' : `${now.deks} of ${plan.distinctDeks} data keys`;
  return [rows, deks].filter((part) => part !== '').join(', ');
}
