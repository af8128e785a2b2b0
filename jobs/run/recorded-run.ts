import { ResealError } from '../contract/errors.ts';
import { changedSettings, keptSettings } from '../contract/kept-settings.ts';
import { type LedgerRow, ledgerRow, type Via } from '../contract/ledger.ts';
import { allIds } from '../contract/sql/index.ts';
import { endState } from '../contract/verdict.ts';
import type { HeldContext, Plan, ReadContext, RunContext } from './context.ts';
import { ensuredKeyset, keysetOfVersion } from './keyset.ts';

/** The run's row, or null where the ledger has none. */
export async function readRun({ bigquery, sql }: ReadContext, runId: string): Promise<LedgerRow | null> {
  const [row] = await bigquery.query(sql.readRun, { run_id: runId });
  return row === undefined ? null : ledgerRow(row);
}

/** The row of a run that the user names. Throws ResealError `run-unknown`. */
export async function knownRun(context: ReadContext, runId: string): Promise<LedgerRow> {
  const found = await readRun(context, runId);
  if (found !== null) return found;
  throw new ResealError('run-unknown', `the ledger has no run ${runId}`, {
    hint: '`npm run reseal -- history` lists the runs',
  });
}

/**
 * Sees to it that a run goes on under the settings that it began with.
 *
 * @throws ResealError `resume-changed`, which names those that are others now
 */
export function checkSettings({ deployment }: ReadContext, run: LedgerRow): void {
  const { sourceFormat, keying } = deployment;
  const changed = new Set(changedSettings(run.settings, deployment));
  // An older version kept no list, but these two.
  if (run.source_format !== sourceFormat) changed.add('sourceFormat');
  if (run.keying !== keying) changed.add('keying');
  if (changed.size === 0) return;
  const names = [...changed].map((name) => `reseal:${name}`).join(', ');
  throw new ResealError(
    'resume-changed',
    `run ${run.run_id} began with another value of ${names} than the stack has now`,
    {
      hint: `set it back and \`pulumi up\` to go on with the run; or \`npm run reseal -- abandon ${run.run_id}\` and start a new one`,
    },
  );
}

/** The plan of a run that was begun earlier, as the ledger fixed it. */
export async function planOf(context: RunContext, run: LedgerRow): Promise<Plan> {
  return {
    runId: run.run_id,
    mode: run.mode,
    engine: run.engine,
    snapshotMillis: String(run.snapshot),
    idFrom: run.id_from ?? allIds(context.deployment).id_from,
    idCutoff: run.id_cutoff ?? '',
    limit: run.row_limit,
    selected: run.selected ?? 0,
    distinctDeks: run.distinct_deks ?? 0,
    waves: run.waves ?? 1,
    unauthenticated: 0,
    erasable: 0,
    rewrappable: 0,
    sourceBytes: 0,
    statementMillis: run.statement_millis ?? 0,
    streamedRows: 0,
    wholePartitions: null,
    rowsWithoutId: 0,
    keysetNearBound: false,
    keyset: await keysetOfVersion(context, run.keyset_version),
  };
}

/**
 * Enters a planned run into the ledger with its owner, and sees to it that there is a keyset to seal with. If
 * somebody else was quicker with the same run id, the ledger keeps theirs.
 */
export async function openRun(context: HeldContext, planned: Plan, via: Via): Promise<Plan> {
  const { bigquery, sql, deployment } = context;
  const keyset = planned.keyset ?? (await ensuredKeyset(context));
  // Before anything is sealed with it, so that readers never meet a value that they cannot open.
  await bigquery.query(sql.replaceReadView, {});
  await bigquery.query(sql.openRun, {
    run_id: planned.runId,
    via,
    owner: context.owner,
    engine: planned.engine,
    mode: planned.mode,
    source_format: deployment.sourceFormat,
    keying: deployment.keying,
    settings: keptSettings(deployment),
    keyset_version: keyset?.version ?? null,
    snapshot: planned.snapshotMillis,
    row_limit: planned.limit ?? 0,
    id_from: planned.idFrom,
    id_cutoff: planned.idCutoff,
    selected: planned.selected,
    distinct_deks: planned.distinctDeks,
    waves: planned.waves,
    statement_millis: Math.round(planned.statementMillis),
  });
  return { ...planned, keyset };
}

/**
 * Records how a run broke off, in the words that its user reads; no value of a row is among them. Of a run that
 * somebody else drives by now nothing is changed.
 */
export async function endRun(
  { bigquery, sql, owner }: HeldContext,
  runId: string,
  { code, message }: ResealError,
): Promise<void> {
  const ending = { state: endState(code), error_code: code, error: message.slice(0, 2000) };
  await bigquery.query(sql.endRun, { run_id: runId, owner, ...ending });
}
