import { type LedgerJson, type LedgerRow, ledgerJson } from '../contract/ledger.ts';
import { DCU_USD_PER_HOUR, KMS_USD_PER_CALL } from '../contract/prices.ts';
import type { ReadContext } from './context.ts';
import { type Estimate, estimate } from './cost.ts';
import { chainValues, keysetOfVersion } from './keyset.ts';

/** At most so many values of a field, merged or with a row keyset sealed anew, are read back for the report. */
const READ_BACK_ROWS = 1000;

/**
 * What a run did: its row of the ledger, under the ledger's names, and what follows from it or stands in the tables
 * beside it. What the run did not come to is null.
 */
export interface Report extends LedgerJson {
  /** Rejected values by reason; a value that a later run has rejected again counts as that run's. */
  readonly reasons: Readonly<Record<string, number>>;
  /** Of them, those that the run has staged and not merged: no table has them for rejected yet. */
  readonly rejected_staged: number;
  /** Merged values that were read back through the SQL of an analyst, and how many of them opened. */
  readonly read_back: { readonly checked: number; readonly readable: number };
  /** From the moment that the run reads as of to its last written value; null while it is under way. */
  readonly seconds: number | null;
  /** What the plan expected of a run of this size; the cost without what BigQuery reads, as `cost_usd` is. */
  readonly planned: { readonly kms_calls: number; readonly minutes: number; readonly cost_usd: number };
  /** `cost_usd` by what it is paid for; null for what is not known. */
  readonly cost_parts: { readonly kms_usd: number | null; readonly dataproc_usd: number | null };
}

/** Puts the report of a run together, whichever way it ended, from the ledger and from the tables themselves. */
export async function report(context: ReadContext, run: LedgerRow): Promise<Report> {
  const expected = planned(context, run);
  const began = run.snapshot ?? run.started_at;
  const ended = run.merged_at ?? run.ended_at;
  return {
    ...ledgerJson(run),
    cost_usd: run.cost_usd === null ? null : rounded(run.cost_usd),
    ...(await rejectedByReason(context, run)),
    read_back: await readBack(context, run),
    seconds: ended === null ? null : Math.max(ended - began, 0) / 1000,
    planned: {
      kms_calls: expected.kmsCalls,
      minutes: expected.minutes,
      cost_usd: rounded(expected.costUsd),
    },
    cost_parts: costParts(run),
  };
}

function costParts(run: LedgerRow): Report['cost_parts'] {
  const { kms_calls: calls, milli_dcu_seconds: usage, batch_id: batch } = run;
  const unused = batch === null ? 0 : null;
  return {
    kms_usd: calls === null ? null : rounded(calls * KMS_USD_PER_CALL),
    dataproc_usd: usage === null ? unused : rounded((usage / 3_600_000) * DCU_USD_PER_HOUR),
  };
}

/** Millionths of a dollar: a KMS call costs three of them. */
const rounded = (usd: number): number => Number(usd.toFixed(6));

/** What the plan expected, but for the bytes that BigQuery reads: what a run cost does not have them either. */
function planned({ deployment: { batch } }: ReadContext, run: LedgerRow): Estimate {
  const work = {
    engine: run.engine,
    selected: run.selected ?? 0,
    distinctDeks: run.distinct_deks ?? 0,
    waves: run.waves ?? 1,
    statementMillis: run.statement_millis ?? 0,
    maxExecutors: batch.maxExecutors,
    kmsCallsPerSecond: batch.kmsCallsPerSecond,
  };
  return estimate(work, { bytes: 0, billed: 0 });
}

async function rejectedByReason(
  { bigquery, sql }: ReadContext,
  { run_id, attempt }: LedgerRow,
): Promise<Pick<Report, 'reasons' | 'rejected_staged'>> {
  const counts = await bigquery.query(sql.rejectedCounts, { run_id, attempt: attempt ?? '' });
  return {
    reasons: Object.fromEntries(counts.map(({ reason, n }) => [reason ?? '', Number(n)])),
    rejected_staged: counts.reduce((sum, { staged }) => sum + Number(staged), 0),
  };
}

/** A jar's values are left out: only its owner knows their keys. */
async function readBack(context: ReadContext, run: LedgerRow): Promise<Report['read_back']> {
  const { bigquery, sql, deployment } = context;
  if ((run.merged ?? 0) + (run.rewrapped ?? 0) === 0 || deployment.batch.jarFile !== null)
    return { checked: 0, readable: 0 };
  const keyset = await keysetOfVersion(context, run.keyset_version);
  if (keyset === null) return { checked: 0, readable: 0 };
  const values = { ...chainValues(keyset), resealed_millis: run.resealed_at, row_limit: READ_BACK_ROWS };
  const fields = await bigquery.query(sql.proveMerged, values);
  const total = (name: 'checked' | 'readable'): number =>
    fields.reduce((sum, field) => sum + Number(field[name]), 0);
  return { checked: total('checked'), readable: total('readable') };
}
