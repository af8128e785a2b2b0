/** Rows of cells, aligned: numbers to the right, words to the left. */
export function table(rows: readonly (readonly (string | number)[])[]): string {
  if (rows.length === 0) return '';
  const width = (at: number): number => Math.max(...rows.map((row) => String(row[at] ?? '').length));
  const last = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: last }, (_, at) => width(at));
  const cell = (value: string | number, at: number): string =>
    typeof value === 'number' ? String(value).padStart(widths[at] ?? 0) : value.padEnd(widths[at] ?? 0);
  return rows.map((row) => `${row.map(cell).join('  ').trimEnd()}\n`).join('');
}
