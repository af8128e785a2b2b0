import { type LedgerRow, ledgerJson, ledgerRow } from '../contract/ledger.ts';
import { besideOf } from './beside.ts';
import { listing } from './listing.ts';
import { type PageOptions, writablePage } from './page/file.ts';
import { type ReadingOptions, reading } from './reading.ts';

export interface HistoryOptions extends ReadingOptions, PageOptions {
  readonly limit: number;
  readonly json?: boolean;
}

/** Lists the ledger, newest run first. */
export async function history(options: HistoryOptions): Promise<void> {
  const page = await writablePage(options, 'history');
  await reading(options, async ({ bigquery, sql, deployment }) => {
    const { ALL_TIME } = await import('../contract/sql/index.ts');
    const rows = await bigquery.query(sql.history, { before_millis: ALL_TIME, row_limit: options.limit });
    const runs = rows.map(ledgerRow);
    if (options.json) process.stdout.write(`${JSON.stringify(runs.map(ledgerJson))}\n`);
    else process.stdout.write(runs.length === 0 ? 'no runs yet\n' : listed(runs));
    await page?.write(async ({ historyPage }) => historyPage(deployment, runs));
  });
}

function listed(runs: readonly LedgerRow[]): string {
  const beside = besideOf(runs);
  const cells = runs.map((run) => [
    run.run_id,
    run.state,
    run.engine,
    run.mode,
    run.selected ?? '–',
    run.merged ?? '–',
    run.rejected ?? '–',
    ...beside.map(({ column }) => run[column] ?? '–'),
    run.kms_calls ?? '–',
    new Date(run.started_at).toISOString().slice(0, 19).replace('T', ' '),
    run.error_code ?? '',
  ]);
  const counts = ['selected', 'merged', 'rejected', ...beside.map(({ name }) => name), 'KMS calls'];
  return listing(['run', 'state', 'engine', 'mode', ...counts, 'started', 'error'], cells);
}
