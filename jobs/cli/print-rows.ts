import type { Cell } from '../google/page.ts';
import { write } from './output.ts';
import { table } from './table.ts';

/** How a command prints rows. */
export type RowFormat = 'table' | 'ndjson' | 'csv';

export interface FormatOptions {
  readonly json?: boolean;
  readonly csv?: boolean;
}

export const formatOf = ({ json, csv }: FormatOptions): RowFormat =>
  json ? 'ndjson' : csv ? 'csv' : 'table';

/** RFC 4180 §2: fields with a comma, a quote or a line break are quoted, quotes doubled. */
const csvField = (text: Cell): string =>
  text === null ? '' : /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;

/**
 * A line of CSV.
 *
 * @example
 * csvLine(['1', 'a "b"']); // '1,"a ""b"""\r\n'
 */
export const csvLine = (cells: readonly Cell[]): string => `${cells.map(csvField).join(',')}\r\n`;

/** A table is for people, who read no more than this; the other formats have every row. */
const MOST_SHOWN = 200;

/** Prints pages of rows as they come; returns how many rows there were. */
export async function printRows(
  pages: AsyncIterable<readonly Readonly<Record<string, Cell>>[]>,
  format: RowFormat,
): Promise<number> {
  let count = 0;
  let head: string[] | undefined;
  const shown: string[][] = [];
  for await (const rows of pages) {
    head ??= Object.keys(rows[0] ?? {});
    if (count === 0 && format === 'csv' && rows.length > 0) await write(csvLine(head));
    const names = head;
    if (format === 'csv')
      await write(rows.map((row) => csvLine(names.map((name) => row[name] ?? null))).join(''));
    else if (format === 'ndjson') await write(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    else
      for (const row of rows.slice(0, MOST_SHOWN - shown.length))
        shown.push(names.map((name) => oneLine(row[name] ?? null)));
    count += rows.length;
  }
  if (format !== 'table' || count === 0) return count;
  await write(table([head ?? [], ...shown]));
  if (count > shown.length)
    await write(`… and ${count - shown.length} more rows; --json or --csv prints all\n`);
  return count;
}

/** Cells of a table stay in their line: a keyset in base64 is longer than any terminal is wide. */
const WIDEST = 64;
function oneLine(cell: Cell): string {
  const text = (cell ?? 'NULL').replace(/\s+/g, ' ');
  return text.length > WIDEST ? `${text.slice(0, WIDEST - 1)}…` : text;
}
