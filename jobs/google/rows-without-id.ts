import type { Deployment } from '../contract/deployment.ts';
import type { Statements } from '../contract/sql/index.ts';
import type { BigQueryService, TableResource } from './bigquery.ts';

interface Asked {
  readonly deployment: Deployment;
  readonly bigquery: Pick<BigQueryService, 'query'>;
  readonly sql: Pick<Statements, 'rowsWithoutId'>;
}

/**
 * How many rows of the source table have a value and no id, which no run takes. Reads nothing where the column of ids is
 * REQUIRED, as in every table that a stack makes; else that column and those of the cipher texts.
 */
export async function rowsWithoutId(
  { deployment, bigquery, sql }: Asked,
  { schema }: TableResource,
): Promise<number> {
  const name = deployment.idColumn.toLowerCase();
  const ids = schema?.fields?.find((column) => column.name?.toLowerCase() === name);
  if (ids?.mode === 'REQUIRED') return 0;
  const [row] = await bigquery.query(sql.rowsWithoutId, {});
  return Number(row?.n);
}

/** What to tell people of such rows. */
export const withoutIdWords = (rows: number): string =>
  rows === 1
    ? '1 row has a value and no id: no run takes it'
    : `${rows} rows have a value and no id: no run takes them`;
