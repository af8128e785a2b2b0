import { selectionOf } from '../contract/sql/index.ts';
import type { Plan, ReadContext } from './context.ts';

/**
 * A wave of a run: the part of its plan that goes through stage, verify and merge at one time. Most runs have one,
 * which is all of the plan. `selected` and `distinctDeks` are the wave's own.
 */
export interface Wave extends Plan {
  /** From 0. */
  readonly wave: number;
}

/** In how many waves a run goes that has so many distinct data keys, of which a wave takes so many; null for all. */
export const wavesOf = (distinctDeks: number, waveDeks: number | null): number =>
  waveDeks === null ? 1 : Math.max(1, Math.ceil(distinctDeks / waveDeks));

/** The wave of that number, from 0, with its counts. */
export async function waveOf({ bigquery, sql }: ReadContext, plan: Plan, wave: number): Promise<Wave> {
  if (plan.waves === 1) return { ...plan, wave };
  const [counts] = await bigquery.query(sql.count, selectionOf(plan, { wave, waves: plan.waves }));
  return {
    ...plan,
    wave,
    selected: Number(counts?.selected),
    distinctDeks: Number(counts?.distinct_deks),
  };
}

/** What a run that breaks off before the merge of a wave leaves behind. */
export const untouched = ({ wave, waves }: Pick<Wave, 'wave' | 'waves'>): string =>
  wave === 0
    ? 'the source table is untouched'
    : `${wave} of ${waves} waves are merged, the rest of the source table is untouched`;
