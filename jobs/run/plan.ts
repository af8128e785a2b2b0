import { mostSeals } from '../contract/algorithms.ts';
import { ResealError } from '../contract/errors.ts';
import { allIds, rewraps, WHOLE } from '../contract/sql/index.ts';
import type { Value } from '../google/bigquery.ts';
import { chooseEngine } from './choose-engine.ts';
import type { Plan, RunContext, RunKeyset, RunOptions } from './context.ts';
import { newestKeyset } from './keyset.ts';
import { checkPartitionBound } from './partition-bound.ts';
import { sourceState } from './source-table.ts';
import { wavesOf } from './waves.ts';

/** Fixes what the run takes: the moment, the ids, the engine. Changes nothing. */
export async function plan(context: RunContext, options: RunOptions): Promise<Plan> {
  const { bigquery, sql, deployment } = context;
  const [clock] = await bigquery.query(sql.clock, {});
  const { source, bytes, streamed, wholePartitions, rowsWithoutId } = await sourceState(context);
  const snapshotMillis = streamed?.untilMillis ?? String(clock?.snapshot_millis);
  const limit = options.limit ?? deployment.readLimitRows;
  // Of a table of few rows, over a connection that is there: what every statement takes at least.
  const asked = performance.now();
  const keyset = await newestKeyset(context);
  const statementMillis = performance.now() - asked;
  const selection = {
    mode: options.mode,
    snapshot_millis: snapshotMillis,
    keyset_version: keyset?.version ?? 0,
    ...allIds(deployment),
    ...WHOLE,
    ...(limit === null ? {} : await range(context, options.mode, limit, snapshotMillis, keyset)),
  };
  const [counts] = await bigquery.query(sql.count, selection);
  const selected = Number(counts?.selected);
  const rewrappable = await countRewrappable(context, selection);
  const waves = wavesOf(Number(counts?.distinct_deks), waveDeks(context, options));
  // Waves are parts of the data keys, about as large as one another: what holds for the first holds for all.
  await checkPartitionBound(context, source, { ...selection, wave: 0, waves });
  const planned: Plan = {
    runId: options.runId,
    mode: options.mode,
    // Until all is known that the choice goes by.
    engine: 'dataproc',
    snapshotMillis,
    idFrom: selection.id_from,
    idCutoff: selection.id_cutoff,
    limit,
    selected,
    distinctDeks: Number(counts?.distinct_deks),
    waves,
    unauthenticated: Number(counts?.unauthenticated),
    erasable: Number(counts?.erasable),
    rewrappable,
    keyset,
    sourceBytes: bytes,
    statementMillis,
    streamedRows: streamed?.rows ?? 0,
    wholePartitions,
    rowsWithoutId,
    keysetNearBound: await nearBound(context, keyset, selected + rewrappable),
  };
  return { ...planned, engine: await chooseEngine(context, options, planned) };
}

/**
 * The ids of a run with a row limit: the next ones behind the last such run, and where there are none to take any
 * more, from the beginning.
 */
async function range(
  { bigquery, sql, deployment }: RunContext,
  mode: RunOptions['mode'],
  limit: number,
  snapshotMillis: string,
  keyset: RunKeyset | null,
): Promise<{ id_from: string; id_cutoff: string }> {
  const [next] = await bigquery.query(sql.firstId, { mode });
  const all = allIds(deployment);
  for (const id_from of new Set([next?.id_from ?? all.id_from, all.id_from])) {
    const [last] = await bigquery.query(sql.cutoff, {
      mode,
      snapshot_millis: snapshotMillis,
      keyset_version: keyset?.version ?? 0,
      id_from,
      id_cutoff: all.id_cutoff,
      ...WHOLE,
      row_limit: limit,
    });
    if (last?.id_cutoff != null) return { id_from, id_cutoff: last.id_cutoff };
  }
  return all;
}

/** How many row keysets the merge seals anew: those that only their version of the first-level keyset makes stale. */
async function countRewrappable(
  { bigquery, sql, deployment }: RunContext,
  selection: Record<keyof RunContext['sql']['countRewrappable']['params'], Value>,
): Promise<number> {
  if (selection.mode !== 'stale' || !rewraps(deployment)) return 0;
  const [row] = await bigquery.query(sql.countRewrappable, selection);
  return Number(row?.rewrappable);
}

/**
 * A run seals one item a value under the first-level key: the value itself, or its row's keyset. Equal values under
 * AES-SIV are the same item, so there the count is more than the key has sealed. Throws ResealError
 * `keyset-exhausted` where the run would cross the bound; returns whether it will have used half of it.
 */
async function nearBound(
  { bigquery, sql }: RunContext,
  keyset: RunKeyset | null,
  sealing: number,
): Promise<boolean> {
  if (keyset === null || sealing === 0) return false;
  const [row] = await bigquery.query(sql.sealsUnder, { version: keyset.version });
  const seals = Number(row?.seals) + sealing;
  const most = mostSeals(keyset.algorithm);
  if (seals > most.count)
    throw new ResealError(
      'keyset-exhausted',
      `version ${keyset.version} of the first-level keyset would have sealed ${seals} values, more than the ${most.text} that one key may`,
      { hint: 'make the next version: `npm run reseal -- keys rotate` (docs/runbook.md)' },
    );
  return seals > most.count / 2;
}

function waveDeks({ deployment }: RunContext, options: RunOptions): number | null {
  const given = options.waveDeks ?? null;
  if (given !== null && deployment.batch.jarFile !== null)
    throw new ResealError('engine-jar', "the stack's own jar chooses its rows by itself, not in waves", {
      hint: 'leave --wave out, or remove reseal:jarFile and reseal:mainClass',
    });
  return given ?? deployment.waveDeks;
}
