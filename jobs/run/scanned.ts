import { LEAST_QUERY_BYTES } from '../contract/prices.ts';
import type { EngineName } from '../contract/settings/choices.ts';
import { mergeScans, rewrapScans, type Statements, selectionOf } from '../contract/sql/index.ts';
import type { Plan, RunContext, RunKeyset } from './context.ts';
import { chainValues } from './keyset.ts';

/** What BigQuery reads for a run, and bills on demand, in bytes. */
export interface Scanned {
  readonly bytes: number;
  /** At least 10 MiB a statement. */
  readonly billed: number;
}

/**
 * What an engine has BigQuery read of the source table. What seals inside BigQuery reads the columns of `values`; a dry
 * run says nothing of a script.
 */
const READS = {
  direct: ['values'],
  dataproc: [],
  bigquery: ['dataKeyNames', 'values'],
} as const satisfies Readonly<Record<EngineName, readonly (keyof Statements)[]>>;

/**
 * What a run's statements over the source table would process, by one dry run of each, with each of the engines: the
 * plan's own, the engine's reads, those of the merge, which come about even if nothing is selected, and the read of what was merged.
 * What each wave of a run reads again is in it as often.
 * Not in it are the rows that the run has yet to stage. A batch reads through the Storage Read API, which has a price
 * of its own.
 */
export async function scanned<Name extends EngineName>(
  { bigquery, sql, deployment }: RunContext,
  plan: Plan,
  engines: readonly Name[],
): Promise<Record<Name, Scanned>> {
  const selection = selectionOf(plan);
  const change = {
    run_id: plan.runId,
    reseal_time: plan.snapshotMillis,
    reseal_attempt: '',
    reseal_keyset: '',
  };
  const rewrapped = ({ snapshotMillis, idFrom, idCutoff }: Plan, keyset: RunKeyset): Promise<number>[] =>
    rewrapScans(deployment).map((statement) =>
      bigquery.bytes(statement, {
        ...chainValues(keyset),
        time_millis: snapshotMillis,
        id_from: idFrom,
        id_cutoff: idCutoff,
        keyset_version: keyset.version,
      }),
    );
  const once = await Promise.all([
    bigquery.bytes(sql.count, selection),
    ...(plan.limit === null ? [] : [bigquery.bytes(sql.cutoff, { ...selection, row_limit: plan.limit })]),
    ...(plan.rewrappable === 0 || plan.keyset === null
      ? []
      : [bigquery.bytes(sql.countRewrappable, selection), ...rewrapped(plan, plan.keyset)]),
    ...(plan.keyset === null
      ? []
      : [
          bigquery.bytes(sql.proveMerged, {
            ...chainValues(plan.keyset),
            resealed_millis: plan.snapshotMillis,
            row_limit: plan.selected,
          }),
        ]),
  ]);
  const eachWave = await Promise.all([
    ...(plan.waves > 1 ? [bigquery.bytes(sql.count, selection)] : []),
    ...mergeScans(deployment).map((statement) => bigquery.bytes(statement, change)),
  ]);
  // Two engines may read alike.
  const names = plan.selected === 0 ? [] : new Set(engines.flatMap((engine) => READS[engine]));
  const reads = new Map(
    await Promise.all(
      [...names].map(async (name) => [name, await bigquery.bytes(sql[name], selection)] as const),
    ),
  );
  const total = (engine: EngineName): Scanned => {
    const wave = [...eachWave, ...READS[engine].flatMap((name) => reads.get(name) ?? [])];
    const sizes = [...once, ...Array.from({ length: plan.waves }, () => wave).flat()];
    return { bytes: sum(sizes), billed: sum(sizes.map((size) => Math.max(size, LEAST_QUERY_BYTES))) };
  };
  return Object.fromEntries(engines.map((engine) => [engine, total(engine)])) as Record<Name, Scanned>;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
