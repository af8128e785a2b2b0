import type { DuckDBConnection } from '@duckdb/node-api';
import { invalidQuery } from '../../errors/google-error.ts';
import type { Json } from '../../http/router.ts';
import { restType, widen } from '../duckdb/types.ts';

/** The columns of a query in DuckDB's SQL, as fields of a REST schema. It is prepared and not run. */
export async function fieldsOfQuery(
  connection: DuckDBConnection,
  sql: string,
  values: Readonly<Record<string, unknown>>,
): Promise<Json[]> {
  const prepared = await connection.prepare(sql);
  try {
    if (Object.keys(values).length > prepared.parameterCount) throw invalidQuery('Query parameter not found');
    return Array.from({ length: prepared.columnCount }, (_, index) => {
      const { type, mode } = restType(widen(prepared.columnType(index).toString()));
      return { name: prepared.columnName(index), type, mode };
    });
  } finally {
    prepared.destroySync();
  }
}
