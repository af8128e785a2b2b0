import { ResealError } from '../contract/errors.ts';
import { type LedgerRow, ledgerRow, type RunState, type Via } from '../contract/ledger.ts';
import type { Plan, RunContext } from './context.ts';
import { ensuredKeyset, keysetOfVersion } from './keyset.ts';

/** The run's row, or null where the ledger has none. */
export async function readRun({ bigquery, sql }: RunContext, runId: string): Promise<LedgerRow | null> {
  const [row] = await bigquery.query(sql.readRun, { run_id: runId });
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

/** The plan of a run that was begun earlier, as the ledger fixed it. Throws ResealError `resume-changed`. */
export async function planOf(context: RunContext, run: LedgerRow): Promise<Plan> {
  const { sourceFormat, keying } = context.deployment;
  if (run.source_format !== sourceFormat || run.keying !== keying) {
    throw new ResealError(
      'resume-changed',
      `run ${run.run_id} began with ${run.source_format} and ${run.keying} keying; the stack now has ${sourceFormat} and ${keying}`,
      { hint: 'start a new run' },
    );
  }
  return {
    runId: run.run_id,
    mode: run.mode,
    engine: run.engine,
    snapshotMillis: String(run.snapshot),
    idCutoff: run.id_cutoff ?? '',
    limit: null,
    selected: run.selected ?? 0,
    distinctDeks: run.distinct_deks ?? 0,
    unauthenticated: 0,
    erasable: 0,
    streamedRows: 0,
    keysetNearBound: false,
    keyset: await keysetOfVersion(context, run.keyset_version),
  };
}

/** Enters a planned run into the ledger, and sees to it that there is a keyset to seal with. */
export async function openRun(context: RunContext, planned: Plan, via: Via): Promise<Plan> {
  const { bigquery, sql, deployment } = context;
  const keyset = planned.keyset ?? (await ensuredKeyset(context));
  await bigquery.query(sql.openRun, {
    run_id: planned.runId,
    via,
    engine: planned.engine,
    mode: planned.mode,
    source_format: deployment.sourceFormat,
    keying: deployment.keying,
    keyset_version: keyset?.version ?? null,
    snapshot: planned.snapshotMillis,
    id_cutoff: planned.idCutoff,
    selected: planned.selected,
    distinct_deks: planned.distinctDeks,
  });
  return { ...planned, keyset };
}

/** Records how a run broke off, in the words that its user reads; no value of a row is among them. */
export async function endRun(
  { bigquery, sql }: RunContext,
  runId: string,
  state: RunState,
  error: ResealError,
): Promise<void> {
  const values = { run_id: runId, state, error_code: error.code, error: error.message.slice(0, 2000) };
  await bigquery.query(sql.endRun, values);
}
