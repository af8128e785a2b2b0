import { checkRunId } from '../contract/ids.ts';
import { meaningOf, remedyOf } from '../contract/reasons.ts';
import type { Row } from '../google/bigquery.ts';
import type { ReadContext } from '../run/context.ts';
import { type FormatOptions, formatOf, type NamedRows, printRows } from './print-rows.ts';
import { prose } from './prose.ts';
import { type ReadingOptions, reading } from './reading.ts';

export interface RejectedOptions extends ReadingOptions, FormatOptions {
  readonly reason?: string;
}

/** Lists rejected values: a run's, or all that are rejected as they stand now. */
export async function rejected(runId: string | undefined, options: RejectedOptions): Promise<void> {
  if (runId !== undefined) checkRunId(runId);
  const format = formatOf(options);
  const met = new Set<string>();
  await reading(options, async (context) => {
    if (runId !== undefined) await (await import('../run/recorded-run.ts')).knownRun(context, runId);
    const count = await printRows(
      listed(context, runId, options.reason ?? '', met, format === 'table'),
      format,
    );
    if (format !== 'table') return;
    process.stdout.write(count === 0 ? 'no rejected values\n' : legend(met));
  });
}

async function* listed(
  { bigquery, sql }: ReadContext,
  runId: string | undefined,
  reason: string,
  met: Set<string>,
  short: boolean,
): AsyncGenerator<NamedRows> {
  const pages =
    runId === undefined
      ? bigquery.pages(sql.rejectedNow, { reason })
      : bigquery.pages(sql.rejectedByRun, { run_id: runId, reason });
  for await (const page of pages) {
    for (const name of page.column('reason')) met.add(name ?? '');
    const names = page.names.filter((name) => name !== MOMENT);
    yield {
      names: [...names, MOMENT, ...(short ? [] : ['what_to_do'])],
      rows: page.rows().map((row) => entry(row, short)),
    };
  }
}

/** The one column that is shown otherwise than it comes, and behind the others. */
const MOMENT = 'rejected_at';

/** A table says below itself what to do, once a reason; the other formats in each row. */
function entry({ [MOMENT]: millis, ...row }: Row, short: boolean): Row {
  const at = { [MOMENT]: new Date(Number(millis)).toISOString() };
  return short ? { ...row, ...at } : { ...row, ...at, what_to_do: remedyOf(row.reason ?? '') };
}

const legend = (reasons: ReadonlySet<string>): string =>
  [...reasons]
    .sort()
    .map(
      (reason) =>
        `\n${reason}\n${prose(meaningOf(reason), '  ')}${prose(`what to do: ${remedyOf(reason)}`, '  ')}`,
    )
    .join('');
