import type { DuckDBConnection } from '@duckdb/node-api';
import { GoogleError, invalidQuery } from '../../errors/google-error.ts';
import { type Json, objectOr } from '../../http/router.ts';
import { type Catalog, type Kept, type Table, tableSql } from './catalog.ts';
import { CATALOG, rows } from './engine.ts';
import { remember } from './history.ts';
import { literal, quote } from './types.ts';

/** DML does not change rows that are younger. https://cloud.google.com/bigquery/docs/data-manipulation-language#limitations */
const BUFFERED_MS = 30 * 60_000;

/** Where the rows of a table's streaming buffer stand once more, so that a change of one of them is seen. */
const bufferSql = ({ dataset, id }: Table): string =>
  `${CATALOG}."_sandbox".${quote(`streamed ${dataset}.${id}`)}`;

/**
 * tabledata.insertAll: the rows are in the table at once, and in its streaming buffer for half an hour. All of them
 * or none, as without skipInvalidRows. The table's past is to be shown once the transaction is committed.
 * https://cloud.google.com/bigquery/docs/reference/rest/v2/tabledata/insertAll
 */
export async function stream(
  connection: DuckDBConnection,
  catalog: Catalog,
  table: Table,
  body: Json,
): Promise<Kept> {
  const given = Array.isArray(body.rows) ? body.rows.map((row) => objectOr(objectOr(row).json)) : [];
  if (given.length === 0) throw new GoogleError('INVALID_ARGUMENT', 'No rows present in the request.');
  const now = Date.now();
  await flush(connection, table, now - BUFFERED_MS);
  const buffer = bufferSql(table);
  const remembered = await remember(connection, catalog, table);
  await connection.run(`CREATE TABLE IF NOT EXISTS ${buffer} AS SELECT * FROM ${tableSql(table)} LIMIT 0`);
  for (const row of given) {
    const cells = table.schema.map(({ name, duckdb }) => {
      const value = row[name];
      if (value === undefined || value === null) return 'NULL';
      return duckdb === 'BLOB'
        ? `from_base64(${literal(String(value))})`
        : `CAST(${literal(String(value))} AS ${duckdb})`;
    });
    for (const into of [tableSql(table), buffer])
      await connection.run(`INSERT INTO ${into} VALUES (${cells.join(', ')})`);
  }
  const { rows: before = 0, sinceMillis = now } = table.streamed ?? {};
  table.streamed = { rows: before + given.length, sinceMillis };
  await remembered.record();
  return remembered;
}

/** Empties the buffer if its oldest row came before the moment. */
export async function flush(connection: DuckDBConnection, table: Table, before: number): Promise<void> {
  if (table.streamed === undefined || table.streamed.sinceMillis > before) return;
  await connection.run(`DROP TABLE IF EXISTS ${bufferSql(table)}`);
  delete table.streamed;
}

/** After a change: every row of the buffer has to stand as it stood. @throws GoogleError invalidQuery */
export async function checkStreamed(connection: DuckDBConnection, table: Table): Promise<void> {
  if (table.streamed === undefined || table.streamed.sinceMillis < Date.now() - BUFFERED_MS) return;
  const missing = `SELECT * FROM ${bufferSql(table)} EXCEPT ALL SELECT * FROM ${tableSql(table)}`;
  const [[changed] = []] = await rows(connection, `SELECT count(*) FROM (${missing})`);
  if (Number(changed) === 0) return;
  throw inStreamingBuffer(table);
}

/** What DML fails with that would change a row of the buffer. https://cloud.google.com/bigquery/docs/data-manipulation-language#limitations */
export const inStreamingBuffer = ({ dataset, id }: Table): GoogleError =>
  invalidQuery(
    `UPDATE or DELETE statement over table ${dataset}.${id} would affect rows in the streaming buffer, which is not supported`,
  );

/** `streamingBuffer` of a table's resource. https://cloud.google.com/bigquery/docs/reference/rest/v2/tables#Streamingbuffer */
export const streamingBuffer = ({ streamed }: Table): Json =>
  streamed === undefined || streamed.sinceMillis < Date.now() - BUFFERED_MS
    ? {}
    : {
        streamingBuffer: {
          estimatedRows: String(streamed.rows),
          estimatedBytes: '0',
          oldestEntryTime: String(streamed.sinceMillis),
        },
      };
