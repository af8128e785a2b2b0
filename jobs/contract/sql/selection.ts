import type { Deployment } from '../deployment.ts';
import { boundType, type IdBounds } from './row-ids.ts';
import type { ParamType } from './statement.ts';

/** What the rows of a run are chosen by: parameters of every statement that selects them. */
export const CHOSEN = {
  mode: 'STRING',
  snapshot_millis: 'INT64',
  id_from: 'INT64',
  id_cutoff: 'INT64',
  keyset_version: 'INT64',
} as const;

/** The same for values, which go in waves of data keys. */
export const SELECTION = { ...CHOSEN, wave: 'INT64', waves: 'INT64' } as const;
/** Something for each parameter of a selection: the job has values, the workflow expressions. */
export type Selection<V> = Readonly<Record<keyof typeof SELECTION, V>>;

/**
 * The parameters of a selection in a stack, whose ids have their own type of bounds.
 *
 * @example
 * statement('plan', typed(deployment, SELECTION), `SELECT COUNT(*) FROM (${selectedValues(deployment)})`);
 */
export const typed = <P extends Readonly<Record<string, ParamType>> & IdBounds<ParamType>>(
  d: Pick<Deployment, 'idType'>,
  params: P,
): Readonly<Record<keyof P, ParamType>> => ({ ...params, id_from: boundType(d), id_cutoff: boundType(d) });

/** All values at once, in place of one wave of several. */
export const WHOLE = { wave: 0, waves: 1 } as const;

/** What a plan fixed of the values that its run takes. */
interface Planned {
  readonly mode: string;
  readonly snapshotMillis: string;
  readonly idFrom: string;
  readonly idCutoff: string;
  /** Null where the stack has none yet. */
  readonly keyset: { readonly version: number } | null;
}

/**
 * What the statements that select a run's values are bound to: all of them, or those of one wave.
 *
 * @example
 * await bigquery.query(sql.count, selectionOf(plan));
 * await bigquery.query(sql.count, selectionOf(plan, { wave: 0, waves: 3 }));
 */
export const selectionOf = (
  plan: Planned,
  { wave, waves }: { readonly wave: number; readonly waves: number } = WHOLE,
): Selection<string | number> => ({
  mode: plan.mode,
  snapshot_millis: plan.snapshotMillis,
  id_from: plan.idFrom,
  id_cutoff: plan.idCutoff,
  keyset_version: plan.keyset?.version ?? 0,
  wave,
  waves,
});
