import { type LedgerJson, type LedgerRow, ledgerJson } from '../contract/ledger.ts';
import type { Plan, RunContext } from './context.ts';

/** At most so many merged values of a field are read back for the report. */
const READ_BACK_ROWS = 1000;

/** What a run did: its row of the ledger, under the ledger's names, and what the tables say beside it. */
export interface Report extends LedgerJson {
  readonly selected: number;
  readonly distinct_deks: number;
  readonly staged: number;
  readonly rejected: number;
  readonly merged: number;
  readonly changed_meanwhile: number;
  readonly unauthenticated: number;
  readonly erased: number;
  readonly cost_usd: number;
  /** Rejected values by reason. */
  readonly reasons: Readonly<Record<string, number>>;
  /** Merged values that were read back through the SQL of an analyst, and how many of them opened. */
  readonly read_back: { readonly checked: number; readonly readable: number };
  readonly seconds: number;
}

/** Puts the report of a merged run together, from the ledger and from the tables themselves. */
export async function report(context: RunContext, plan: Plan, run: LedgerRow): Promise<Report> {
  return {
    ...ledgerJson(run),
    selected: run.selected ?? 0,
    distinct_deks: run.distinct_deks ?? 0,
    staged: run.staged ?? 0,
    rejected: run.rejected ?? 0,
    merged: run.merged ?? 0,
    changed_meanwhile: run.changed_meanwhile ?? 0,
    unauthenticated: run.unauthenticated ?? 0,
    erased: run.erased ?? 0,
    cost_usd: Number((run.cost_usd ?? 0).toFixed(6)),
    reasons: await rejectedByReason(context, run),
    read_back: await readBack(context, plan, run),
    seconds: ((run.ended_at ?? Date.now()) - run.started_at) / 1000,
  };
}

async function rejectedByReason({ bigquery, sql }: RunContext, run: LedgerRow): Promise<Report['reasons']> {
  const counts = await bigquery.query(sql.rejectedCounts, { run_id: run.run_id });
  return Object.fromEntries(counts.map(({ reason, n }) => [reason ?? '', Number(n)]));
}

/** A jar's values are left out: only its owner knows their keys. */
async function readBack(
  { bigquery, sql, deployment }: RunContext,
  plan: Plan,
  run: LedgerRow,
): Promise<Report['read_back']> {
  if ((run.merged ?? 0) === 0 || deployment.batch.jarFile !== null) return { checked: 0, readable: 0 };
  const keyset = plan.keyset?.wrapped.toString('base64') ?? null;
  const values = { keyset, ended_millis: run.ended_at, row_limit: READ_BACK_ROWS };
  const fields = await bigquery.query(sql.proveMerged, values);
  const total = (name: 'checked' | 'readable'): number =>
    fields.reduce((sum, field) => sum + Number(field[name]), 0);
  return { checked: total('checked'), readable: total('readable') };
}
