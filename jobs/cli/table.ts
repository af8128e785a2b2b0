import stringWidth from 'string-width';

/** Rows of cells, aligned: numbers to the right, words to the left. */
export function table(rows: readonly (readonly (string | number)[])[]): string {
  const widths = widthsOf(rows);
  const cell = (value: string | number, at: number): string =>
    padded(value, widths[at] ?? 0, typeof value === 'number');
  return rows.map((row) => `${row.map(cell).join(GAP).trimEnd()}\n`).join('');
}

/** Between two columns. */
export const GAP = '  ';

/** How many columns of a terminal each column takes: a letter of East Asia takes two. */
export function widthsOf(rows: readonly (readonly (string | number)[])[]): number[] {
  const last = rows.reduce((most, row) => Math.max(most, row.length), 0);
  const width = (at: number): number =>
    rows.reduce((most, row) => Math.max(most, stringWidth(String(row[at] ?? ''))), 0);
  return Array.from({ length: last }, (_, at) => width(at));
}

/** A cell of that width, its text to the right or to the left. */
export function padded(value: string | number, width: number, toRight: boolean): string {
  const text = String(value);
  const room = ' '.repeat(Math.max(0, width - stringWidth(text)));
  return toRight ? room + text : text + room;
}
