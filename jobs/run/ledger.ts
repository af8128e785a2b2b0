import { ResealError } from '../contract/errors.ts';
import type { Mode, RunState } from '../contract/sql/index.ts';
import type { Row } from '../google/bigquery.ts';
import type { Plan, RunContext } from './context.ts';
import { keysetOf } from './plan.ts';

/** A run as the ledger has it. */
export interface LedgerRow {
  readonly runId: string;
  readonly state: RunState;
  readonly driver: string;
  readonly engine: Plan['engine'];
  readonly mode: Mode;
  readonly sourceFormat: string;
  readonly keying: string;
  readonly keysetVersion: number | null;
  readonly snapshotMillis: string;
  readonly idCutoff: string;
  readonly selected: number;
  readonly distinctDeks: number;
  readonly staged: number | null;
  readonly rejected: number | null;
  readonly merged: number | null;
  readonly changedMeanwhile: number | null;
  readonly kmsCalls: number | null;
  readonly startedMillis: number;
  readonly endedMillis: number | null;
  readonly batchId: string | null;
  readonly milliDcuSeconds: number | null;
  readonly costUsd: number | null;
  readonly errorCode: string | null;
  readonly error: string | null;
}

const number = (text: string | null | undefined): number | null => (text == null ? null : Number(text));

export function ledgerRow(row: Row): LedgerRow {
  return {
    runId: row.run_id ?? '',
    state: row.state as RunState,
    driver: row.driver ?? '',
    engine: row.engine as Plan['engine'],
    mode: row.mode as Mode,
    sourceFormat: row.source_format ?? '',
    keying: row.keying ?? '',
    keysetVersion: number(row.keyset_version),
    snapshotMillis: row.snapshot_millis ?? '',
    idCutoff: row.id_cutoff ?? '',
    selected: number(row.selected) ?? 0,
    distinctDeks: number(row.distinct_deks) ?? 0,
    staged: number(row.staged),
    rejected: number(row.rejected),
    merged: number(row.merged),
    changedMeanwhile: number(row.changed_meanwhile),
    kmsCalls: number(row.kms_calls),
    startedMillis: number(row.started_millis) ?? 0,
    endedMillis: number(row.ended_millis),
    batchId: row.batch_id ?? null,
    milliDcuSeconds: number(row.milli_dcu_seconds),
    costUsd: number(row.cost_usd),
    errorCode: row.error_code ?? null,
    error: row.error ?? null,
  };
}

/** The run's row, or null where the ledger has none. */
export async function readRun({ warehouse, sql }: RunContext, runId: string): Promise<LedgerRow | null> {
  const [row] = await warehouse.query(sql.readRun, { run_id: runId });
  return row === undefined ? null : ledgerRow(row);
}

/** The row of a run that the user names. Throws ResealError `run-unknown`. */
export async function knownRun(context: RunContext, runId: string): Promise<LedgerRow> {
  const found = await readRun(context, runId);
  if (found !== null) return found;
  throw new ResealError('run-unknown', `the ledger has no run ${runId}`, {
    hint: '`npm run reseal -- history` lists the runs',
  });
}

/** The plan of a run that was begun earlier, as the ledger fixed it. Throws ResealError. */
export async function planOf(context: RunContext, run: LedgerRow): Promise<Plan> {
  const { deployment, warehouse, sql } = context;
  if (run.sourceFormat !== deployment.sourceFormat || run.keying !== deployment.keying) {
    throw new ResealError(
      'resume-changed',
      `run ${run.runId} began with ${run.sourceFormat} and ${run.keying} keying; the stack now has ${deployment.sourceFormat} and ${deployment.keying}`,
      { hint: 'start a new run' },
    );
  }
  const { runId, mode, engine, snapshotMillis, idCutoff, selected, distinctDeks } = run;
  const keyset = keysetOf(await warehouse.query(sql.keysetVersion, { version: run.keysetVersion }));
  return { runId, mode, engine, snapshotMillis, idCutoff, limit: null, selected, distinctDeks, keyset };
}

/** Records how a run broke off. The ledger is told as much as the user; no value of a row is in it. */
export async function endRun(
  context: RunContext,
  runId: string,
  state: RunState,
  error: ResealError,
): Promise<void> {
  const { warehouse, sql } = context;
  const values = { run_id: runId, state, error_code: error.code, error: error.message.slice(0, 2000) };
  await warehouse.query(sql.endRun, values);
}
