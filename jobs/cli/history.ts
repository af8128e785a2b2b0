import { type LedgerRow, ledgerJson, ledgerRow } from '../contract/ledger.ts';
import { statements } from '../contract/sql/index.ts';
import { bigQueryService } from '../google/bigquery.ts';
import { openTarget } from './open-target.ts';
import { table } from './table.ts';

export interface HistoryOptions {
  readonly stack?: string;
  readonly state: string;
  readonly limit: number;
  readonly json?: boolean;
}

/** Lists the ledger, newest run first. */
export async function history(options: HistoryOptions): Promise<void> {
  const target = await openTarget({ ...options, mustExist: true }, () => true);
  try {
    const bigquery = await bigQueryService(target.deployment, target.endpoints);
    const rows = await bigquery.query(statements(target.deployment).history, { row_limit: options.limit });
    const runs = rows.map(ledgerRow);
    if (options.json) process.stdout.write(`${JSON.stringify(runs.map(ledgerJson))}\n`);
    else process.stdout.write(runs.length === 0 ? 'no runs yet\n' : listed(runs));
  } finally {
    await target.close();
  }
}

const HEAD = [
  'run',
  'state',
  'engine',
  'mode',
  'selected',
  'merged',
  'rejected',
  'KMS calls',
  'started',
  'error',
];

function listed(runs: readonly LedgerRow[]): string {
  const cells = runs.map((run) => [
    run.run_id,
    run.state,
    run.engine,
    run.mode,
    run.selected ?? '–',
    run.merged ?? '–',
    run.rejected ?? '–',
    run.kms_calls ?? '–',
    new Date(run.started_at).toISOString().slice(0, 19).replace('T', ' '),
    run.error_code ?? '',
  ]);
  return table([HEAD, ...cells]);
}
