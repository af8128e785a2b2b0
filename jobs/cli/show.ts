import { ResealError } from '../contract/errors.ts';
import { checkRunId } from '../contract/ids.ts';
import { type LedgerRow, ledgerRow } from '../contract/ledger.ts';
import type { ReadContext } from '../run/context.ts';
import { linksOf } from './console-links.ts';
import { type PageOptions, writablePage } from './page/file.ts';
import { type ReadingOptions, reading } from './reading.ts';
import { linkLines, reportLines } from './words.ts';

export interface ShowOptions extends ReadingOptions, PageOptions {
  readonly json?: boolean;
}

/** The report of a run that the ledger has, whichever way it ended; the newest where none is named. */
export async function show(runId: string | undefined, options: ShowOptions): Promise<void> {
  if (runId !== undefined) checkRunId(runId);
  const page = await writablePage(options, runId ?? 'newest');
  await reading(options, async (context, target) => {
    const { report } = await import('../run/report.ts');
    const shown = await report(context, await namedRun(context, runId));
    if (options.json) process.stdout.write(`${JSON.stringify(shown)}\n`);
    else process.stdout.write(`${reportLines(shown)}${linkLines(target, shown)}`);
    await page?.write(({ runPage }) => runPage(context, shown, linksOf(target, shown)));
  });
}

async function namedRun(context: ReadContext, runId: string | undefined): Promise<LedgerRow> {
  if (runId !== undefined) return (await import('../run/recorded-run.ts')).knownRun(context, runId);
  const { ALL_TIME } = await import('../contract/sql/index.ts');
  const [newest] = await context.bigquery.query(context.sql.history, {
    before_millis: ALL_TIME,
    row_limit: 1,
  });
  if (newest !== undefined) return ledgerRow(newest);
  throw new ResealError('run-unknown', 'the ledger has no run yet', { hint: 'run `npm run trigger` first' });
}
