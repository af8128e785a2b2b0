import { statements } from '../contract/sql/index.ts';
import { warehouse as connect } from '../google/bigquery.ts';
import { ledgerRow } from '../run/ledger.ts';
import { columns } from './print.ts';
import { openTarget } from './target.ts';

export interface HistoryOptions {
  readonly stack?: string;
  readonly state: string;
  readonly limit: number;
  readonly json?: boolean;
}

/** Lists the ledger, newest run first. */
export async function history(options: HistoryOptions): Promise<void> {
  const target = await openTarget(options, () => true);
  try {
    const warehouse = await connect(target.deployment, target.endpoints);
    const rows = await warehouse.query(statements(target.deployment).history, { row_limit: options.limit });
    const runs = rows.map(ledgerRow);
    if (options.json) process.stdout.write(`${JSON.stringify(runs)}\n`);
    else if (runs.length === 0) process.stdout.write('no runs yet\n');
    else {
      const head = [
        'run',
        'state',
        'engine',
        'mode',
        'selected',
        'merged',
        'refused',
        'KMS calls',
        'started',
        'error',
      ];
      const cells = runs.map((run) => [
        run.runId,
        run.state,
        run.engine,
        run.mode,
        run.selected,
        run.merged ?? '–',
        run.rejected ?? '–',
        run.kmsCalls ?? '–',
        new Date(run.startedMillis).toISOString().slice(0, 19).replace('T', ' '),
        run.errorCode ?? '',
      ]);
      process.stdout.write(columns([head, ...cells]));
    }
  } finally {
    await target.close();
  }
}
