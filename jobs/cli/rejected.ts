import { checkRunId } from '../contract/ids.ts';
import { type LedgerRow, ledgerRow } from '../contract/ledger.ts';
import { meaningOf, remedyOf } from '../contract/reasons.ts';
import type { Row } from '../google/bigquery.ts';
import type { ReadContext } from '../run/context.ts';
import { aimed } from './aim.ts';
import { type FormatOptions, formatOf, type NamedRows, printRows } from './print-rows.ts';
import { prose } from './prose.ts';
import { type ReadingOptions, reading } from './reading.ts';

export interface RejectedOptions extends ReadingOptions, FormatOptions {
  readonly reason?: string;
}

/** Lists rejected values: a run's, merged or not, or all that are rejected as they stand now. */
export async function rejected(runId: string | undefined, options: RejectedOptions): Promise<void> {
  if (runId !== undefined) checkRunId(runId);
  const format = formatOf(options);
  const { reason = '' } = options;
  const listing: Listing = { short: format === 'table', met: new Set(), staged: 0 };
  await reading(options, async (context) => {
    const run = await listedRun(context, runId);
    const stopped = runId === undefined ? await stoppedNote(context, run) : '';
    const pages = runId === undefined ? rejectedNow(context, reason) : rejectedBy(context, run, reason);
    const count = await printRows(listed(pages, listing), format);
    if (format !== 'table') {
      process.stderr.write(stopped);
      return;
    }
    const none = stopped === '' ? 'no rejected values\n' : '';
    const notes = `${stopped}${listing.staged > 0 ? stagedNote(listing.staged) : ''}`;
    process.stdout.write(`${count === 0 ? none : legend(listing.met)}${notes}`);
  });
}

interface Listing {
  /** A table says below itself what to do, once a reason; the other formats in each row. */
  readonly short: boolean;
  /** The reasons that were listed. */
  readonly met: Set<string>;
  /** How many of the values their run has not merged. */
  staged: number;
}

/** The run of that id, or the newest; null where there is none yet. */
async function listedRun(context: ReadContext, runId: string | undefined): Promise<LedgerRow | null> {
  if (runId !== undefined) return (await import('../run/recorded-run.ts')).knownRun(context, runId);
  const { ALL_TIME } = await import('../contract/sql/index.ts');
  const newest = { before_millis: ALL_TIME, row_limit: 1 };
  const [row] = await context.bigquery.query(context.sql.history, newest);
  return row === undefined ? null : ledgerRow(row);
}

const rejectedNow = ({ bigquery, sql }: ReadContext, reason: string) =>
  bigquery.pages(sql.rejectedNow, { reason });

const rejectedBy = ({ bigquery, sql }: ReadContext, run: LedgerRow | null, reason: string) =>
  bigquery.pages(sql.rejectedByRun, { run_id: run?.run_id ?? '', attempt: run?.attempt ?? '', reason });

async function* listed(pages: ReturnType<typeof rejectedNow>, listing: Listing): AsyncGenerator<NamedRows> {
  const { short, met } = listing;
  for await (const page of pages) {
    for (const name of page.column('reason')) met.add(name ?? '');
    for (const at of page.column(MOMENT)) if (at === null) listing.staged += 1;
    const names = page.names.filter((name) => name !== MOMENT);
    yield {
      names: [...names, MOMENT, ...(short ? [] : ['what_to_do'])],
      rows: page.rows().map((row) => entry(row, short)),
    };
  }
}

/** The one column that is shown otherwise than it comes, and behind the others. */
const MOMENT = 'rejected_at';

function entry({ [MOMENT]: millis, ...row }: Row, short: boolean): Row {
  const known = typeof millis === 'string' ? new Date(Number(millis)).toISOString() : null;
  if (short) return { ...row, [MOMENT]: known ?? 'not merged' };
  return { ...row, [MOMENT]: known, what_to_do: remedyOf(row.reason ?? '') };
}

const legend = (reasons: ReadonlySet<string>): string =>
  [...reasons]
    .sort()
    .map(
      (reason) =>
        `\n${reason}\n${prose(meaningOf(reason), '  ')}${prose(`what to do: ${remedyOf(reason)}`, '  ')}`,
    )
    .join('');

const stagedNote = (count: number): string =>
  `\nnot merged: ${count} of them. They are staged, and no table has them for rejected yet\n`;

/** That the newest run stopped because of rejected values, none of which is rejected by now. */
async function stoppedNote({ bigquery, sql }: ReadContext, newest: LedgerRow | null): Promise<string> {
  if (newest?.error_code !== 'rejected-share' || newest.state !== 'failed') return '';
  const { run_id: id, attempt } = newest;
  const counts = await bigquery.query(sql.rejectedCounts, { run_id: id, attempt: attempt ?? '' });
  const staged = counts.reduce((sum, one) => sum + Number(one.staged), 0);
  return aimed(
    staged === 0
      ? `run ${id} stopped because of rejected values, and what it staged is no longer there\n`
      : `run ${id} stopped before its merge because of ${staged} rejected values: \`npm run reseal -- rejected ${id}\` lists them\n`,
  );
}
