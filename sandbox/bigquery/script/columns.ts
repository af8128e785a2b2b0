import type { Access } from '../access.ts';
import type { Table } from '../duckdb/catalog.ts';
import { policyTagsOf } from '../duckdb/schema.ts';
import { at } from '../translate/ranges.ts';
import type { Token } from '../translate/tokens.ts';

/** Which columns of a table a statement names, or all of them where it selects `*`. */
export function columnsNamed(tokens: readonly Token[], { schema }: Table): string[] {
  const names = tokens.filter(({ kind }) => kind === 'word' || kind === 'quoted');
  const named = new Set(names.map(({ value }) => value.toLowerCase()));
  const everything = tokens.some(
    ({ text }, index) => text === '*' && ['SELECT', '.'].includes(at(tokens, index - 1).upper),
  );
  return schema.map(({ name }) => name).filter((name) => everything || named.has(name.toLowerCase()));
}

/**
 * Asks whether the caller may read the columns with a policy tag that a statement names. BigQuery asks it of what a
 * statement scans; here a column that an UPDATE or a MERGE only writes counts as well.
 * https://cloud.google.com/bigquery/docs/column-level-security-writes
 *
 * @throws GoogleError accessDenied
 */
export function readColumns(access: Access, table: Table, names: readonly string[]): void {
  for (const field of table.schema)
    if (names.includes(field.name))
      for (const tag of policyTagsOf(field)) access.column(tag, table.dataset, table.id, field.name);
}
