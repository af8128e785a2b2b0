/** A cell as BigQuery's REST API has it: INT64 as decimal text, BYTES in base64. */
export type Cell = string | null;

/** One page of a query's result. */
export class Page {
  /** The columns of the result; none for a statement that has no result. */
  readonly names: readonly string[];
  private readonly cells: readonly (readonly Cell[])[];

  /** @param names the columns of the result, in the order of the cells of every row */
  constructor(names: readonly string[], cells: readonly (readonly Cell[])[]) {
    this.names = names;
    this.cells = cells;
  }

  get length(): number {
    return this.cells.length;
  }

  /** One column, row by row. Throws RangeError for a name that the result does not have. */
  column(name: string): Cell[] {
    const at = this.names.indexOf(name);
    if (at === -1) throw new RangeError(`the result has no column ${name}`);
    return this.cells.map((row) => row[at] ?? null);
  }

  /** The rows by column name. */
  rows(): Record<string, Cell>[] {
    return this.cells.map((row) => Object.fromEntries(this.names.map((name, at) => [name, row[at] ?? null])));
  }
}
