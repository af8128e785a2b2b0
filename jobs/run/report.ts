import type { Plan, RunContext } from './context.ts';
import type { LedgerRow } from './ledger.ts';

/** At most so many merged values of a field are read back for the report. */
const READ_BACK_ROWS = 1000;

/** What a run did. The names are those of the ledger's columns, so that scripts need to learn one set. */
export interface Report {
  readonly run_id: string;
  readonly state: string;
  readonly driver: string;
  readonly engine: string;
  readonly mode: string;
  readonly source_format: string;
  readonly keying: string;
  readonly keyset_version: number | null;
  readonly selected: number;
  readonly distinct_deks: number;
  readonly staged: number;
  readonly rejected: number;
  readonly reasons: Readonly<Record<string, number>>;
  readonly merged: number;
  readonly changed_meanwhile: number;
  readonly kms_calls: number | null;
  /** Merged values that were read back through the SQL of an analyst, and how many of them opened. */
  readonly read_back: { readonly checked: number; readonly readable: number };
  readonly started_at: string;
  readonly seconds: number;
  readonly batch_id: string | null;
  readonly cost_usd: number;
}

/** Puts the report of a merged run together, from the ledger and from the tables themselves. */
export async function report(context: RunContext, plan: Plan, run: LedgerRow): Promise<Report> {
  const { warehouse, sql, deployment } = context;
  const reasons: Record<string, number> = {};
  for (const { reason, n } of await warehouse.query(sql.rejectedCounts, { run_id: run.runId }))
    reasons[reason ?? ''] = Number(n);
  const readBack = { checked: 0, readable: 0 };
  if ((run.merged ?? 0) > 0 && deployment.batch.jarFile === null) {
    const keyset = plan.keyset?.wrapped.toString('base64') ?? null;
    const values = { keyset, ended_millis: run.endedMillis, row_limit: READ_BACK_ROWS };
    for (const { checked, readable } of await warehouse.query(sql.proveMerged, values)) {
      readBack.checked += Number(checked);
      readBack.readable += Number(readable);
    }
  }
  return {
    run_id: run.runId,
    state: run.state,
    driver: run.driver,
    engine: run.engine,
    mode: run.mode,
    source_format: run.sourceFormat,
    keying: run.keying,
    keyset_version: run.keysetVersion,
    selected: run.selected,
    distinct_deks: run.distinctDeks,
    staged: run.staged ?? 0,
    rejected: run.rejected ?? 0,
    reasons,
    merged: run.merged ?? 0,
    changed_meanwhile: run.changedMeanwhile ?? 0,
    kms_calls: run.kmsCalls,
    read_back: readBack,
    started_at: new Date(run.startedMillis).toISOString(),
    seconds: ((run.endedMillis ?? Date.now()) - run.startedMillis) / 1000,
    batch_id: run.batchId,
    cost_usd: Number((run.costUsd ?? 0).toFixed(6)),
  };
}
