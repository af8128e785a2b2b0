import type { JsonValue } from '../google/json-values.ts';
import { columnsOfStdout, fits, listing } from './listing.ts';
import { write } from './output.ts';

/** How a command prints rows. */
export type RowFormat = 'table' | 'ndjson' | 'csv';

export interface FormatOptions {
  readonly json?: boolean;
  readonly csv?: boolean;
}

export const formatOf = ({ json, csv }: FormatOptions): RowFormat =>
  json ? 'ndjson' : csv ? 'csv' : 'table';

/** A cell as text: arrays and objects as JSON, NULL as nothing. */
const textOf = (cell: JsonValue): string =>
  cell === null ? '' : typeof cell === 'object' ? JSON.stringify(cell) : String(cell);

/** RFC 4180 §2: fields with a comma, a quote or a line break are quoted, quotes doubled. */
function csvField(cell: JsonValue): string {
  const text = textOf(cell);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/**
 * A line of CSV.
 *
 * @example
 * csvLine(['1', 'a "b"']); // '1,"a ""b"""\r\n'
 */
export const csvLine = (cells: readonly JsonValue[]): string => `${cells.map(csvField).join(',')}\r\n`;

/** On a terminal a table is for people, who read no more than this. */
const MOST_SHOWN = 200;

/** Rows under the names of their columns, which are there without rows, too. */
export interface NamedRows {
  readonly names: readonly string[];
  readonly rows: readonly Readonly<Record<string, JsonValue>>[];
}

/**
 * Prints pages of rows as they come; returns how many rows there were. CSV has its head in any case. A table on a
 * terminal shows the first rows, and of a wide cell its beginning; in a pipe or a file it is whole.
 */
export async function printRows(pages: AsyncIterable<NamedRows>, format: RowFormat): Promise<number> {
  const columns = columnsOfStdout();
  let count = 0;
  let head: readonly string[] | undefined;
  const shown: (string | number)[][] = [];
  for await (const { names, rows } of pages) {
    if (head === undefined && format === 'csv' && names.length > 0) await write(csvLine(names));
    head ??= names;
    if (format === 'csv')
      await write(rows.map((row) => csvLine(names.map((name) => row[name] ?? null))).join(''));
    else if (format === 'ndjson') await write(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    else
      for (const row of columns === undefined ? rows : rows.slice(0, MOST_SHOWN - shown.length))
        shown.push(names.map((name) => lineOf(row[name] ?? null)));
    count += rows.length;
  }
  if (format !== 'table' || count === 0) return count;
  await write(onScreen(head ?? [], shown, columns));
  if (count > shown.length)
    await write(`… and ${count - shown.length} more rows; --json or --csv prints all\n`);
  return count;
}

/** Beside others a cell takes so much of a terminal: a keyset in base64 is longer than any is wide. */
const WIDEST = 64;

/** Side by side with wide cells cut, if the terminal is wide enough for that; else on end, and whole. */
function onScreen(
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  columns: number | undefined,
): string {
  if (columns === undefined) return listing(head, rows, columns);
  const cut = rows.map((row) => row.map(beginning));
  return fits(head, cut, columns) ? listing(head, cut, columns) : listing(head, rows, columns);
}

const beginning = (cell: string | number): string | number =>
  typeof cell === 'string' && cell.length > WIDEST ? `${cell.slice(0, WIDEST - 1)}…` : cell;

/** A cell of a table stays in its line, and tells a terminal nothing: control characters are escaped as in JSON. */
function lineOf(cell: JsonValue): string | number {
  if (typeof cell === 'number') return cell;
  const text = cell === null ? 'NULL' : textOf(cell);
  return text.replace(/\p{Cc}/gu, (control) => {
    const escaped = JSON.stringify(control).slice(1, -1);
    // JSON leaves DEL and what is behind it as they are.
    return escaped === control ? `\\u00${control.charCodeAt(0).toString(16)}` : escaped;
  });
}
