import type { TableResource } from '../google/bigquery.ts';
import { rowsWithoutId, withoutIdWords } from '../google/rows-without-id.ts';
import type { RunContext } from '../run/context.ts';
import { type Finding, ok, wrong } from './finding.ts';

/** Rows without an id, which a table of the application's own may have: no run takes their values. */
export async function checkRowIds(context: RunContext, source: TableResource): Promise<Finding> {
  const { deployment: d } = context;
  const check = `ids of ${d.dataset}.${d.tables.source}`;
  const rows = await rowsWithoutId(context, source);
  if (rows === 0) return ok(check, 'every row with a value has one');
  const remedy = `give each an id that no other row has, or delete them: WHERE ${d.idColumn} IS NULL finds them`;
  return wrong('warning', check, withoutIdWords(rows), remedy);
}
