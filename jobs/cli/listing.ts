import { GAP, padded, widthsOf } from './table.ts';

/** How wide the terminal is that stdout writes to; undefined for a pipe or a file, which take lines of any length. */
export const columnsOfStdout = (): number | undefined =>
  process.stdout.isTTY ? process.stdout.columns || undefined : undefined;

/**
 * Rows under the names of their columns. On a terminal that is narrower than such a table each row is turned on end
 * instead, a cell a line beside the name of its column, as psql does with `\x auto`.
 *
 * @param columns of the terminal; undefined where lines may have any length
 */
export function listing(
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  columns = columnsOfStdout(),
): string {
  if (columns !== undefined && !fits(head, rows, columns)) return onEnd(head, rows);
  const widths = widthsOf([head, ...rows]);
  // A column of numbers stands to the right, its head and what is no number in it, too.
  const toRight = head.map((_, at) => rows.some((row) => typeof row[at] === 'number'));
  const line = (row: readonly (string | number)[]): string =>
    row
      .map((cell, at) => padded(cell, widths[at] ?? 0, toRight[at] ?? false))
      .join(GAP)
      .trimEnd();
  return [head, ...rows].map((row) => `${line(row)}\n`).join('');
}

/** Whether a table of these rows is no wider than a terminal of that many columns. */
export function fits(
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  columns: number,
): boolean {
  const widths = widthsOf([head, ...rows]);
  return widths.reduce((sum, one) => sum + one, GAP.length * (widths.length - 1)) <= columns;
}

function onEnd(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const width = Math.max(...widthsOf([head]));
  const line = (cell: string | number, at: number): string =>
    `${padded(head[at] ?? '', width, false)}${GAP}${cell}`.trimEnd();
  return rows.map((row) => `${row.map(line).join('\n')}\n`).join('\n');
}
