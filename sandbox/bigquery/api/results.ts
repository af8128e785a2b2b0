import { randomUUID } from 'node:crypto';
import {
  DuckDBBlobValue,
  type DuckDBConnection,
  type DuckDBResult,
  DuckDBTypeId,
  type DuckDBValue,
} from '@duckdb/node-api';
import { GoogleError, invalidQuery } from '../../http/errors.ts';
import { bound, type Engine, rows } from '../duckdb/engine.ts';
import { quote, restType } from '../duckdb/types.ts';

/** How TIMESTAMP values are written: formatOptions of tabledata.list and jobs.getQueryResults. */
export type TimestampFormat = 'float' | 'int64' | 'iso';

export interface ResultColumn {
  name: string;
  duckdb: string;
}

/** A query's rows, kept in memory (spilling encrypted) until they were read and are of no more use. */
export interface Result {
  columns: ResultColumn[];
  count: number;
  /** What the rows are read from: a table with columns c0, c1, … */
  table: string;
  /** No row takes more bytes in a page. */
  widest: number;
}

/** BigQuery's limit of a page: https://cloud.google.com/bigquery/docs/paging-results */
const PAGE_BYTES = 10_000_000;
const PAGE_ROWS = 50_000;
const SAMPLE_ROWS = 200;

/** Runs a query and keeps its rows, in their order. */
export async function keep(
  engine: Engine,
  connection: DuckDBConnection,
  sql: string,
  values: Record<string, DuckDBValue>,
  inTransaction: boolean,
): Promise<Result> {
  const parameters = bound(values);
  const described = inTransaction ? undefined : await describe(connection, sql);
  const stream = described ? undefined : await connection.stream(sql, parameters);
  const columns = nameColumns(described ?? columnsOf(stream));
  for (const { duckdb } of columns) restType(duckdb);
  const name = randomUUID();
  const table = `results.${quote(name)}`;
  const create = `CREATE TABLE ${table} (${columns.map(({ duckdb }, index) => `c${index} ${duckdb}`).join(', ')})`;
  return engine.use(async (writer) => {
    await writer.run(create);
    try {
      const count = stream
        ? await copy(writer, name, stream)
        : (await connection.run(`INSERT INTO ${table} ${sql}`, parameters)).rowsChanged;
      const width = `SELECT max(${columns.map(({ duckdb }, index) => cellBytes(`c${index}`, duckdb)).join(' + ')}) FROM ${table}`;
      const [[widest] = []] = await rows(writer, width);
      return { columns, count, table, widest: Number(widest) };
    } catch (error) {
      await writer.run(`DROP TABLE ${table}`);
      throw error;
    }
  });
}

/** A query's columns; undefined where DuckDB cannot tell them before it has the parameters. */
async function describe(connection: DuckDBConnection, sql: string): Promise<ResultColumn[] | undefined> {
  const prepared = await connection.prepare(sql);
  try {
    const types = Array.from({ length: prepared.columnCount }, (_, index) => prepared.columnTypeId(index));
    if (types.includes(DuckDBTypeId.INVALID)) return undefined;
    return types.map((_, index) => ({
      name: prepared.columnName(index),
      duckdb: prepared.columnType(index).toString(),
    }));
  } finally {
    prepared.destroySync();
  }
}

const columnsOf = (stream: DuckDBResult | undefined): ResultColumn[] =>
  (stream?.columnNames() ?? []).map((name, index) => ({
    name,
    duckdb: String(stream?.columnType(index)),
  }));

/**
 * DuckDB's transactions write to one database each, so what a query finds inside one goes through this
 * process to another connection.
 */
async function copy(writer: DuckDBConnection, name: string, stream: DuckDBResult): Promise<number> {
  const appender = await writer.createAppender(name, 'results', 'memory');
  let count = 0;
  for (;;) {
    const chunk = await stream.fetchChunk();
    if (!chunk || chunk.rowCount === 0) break;
    count += chunk.rowCount;
    appender.appendDataChunk(chunk);
  }
  appender.closeSync();
  return count;
}

export async function drop(engine: Engine, result: Result): Promise<void> {
  await engine.use((connection) => connection.run(`DROP TABLE IF EXISTS ${result.table}`));
}

/** BigQuery's names: f0_, f1_, … for what has none; none twice. */
function nameColumns(columns: ResultColumn[]): ResultColumn[] {
  let anonymous = 0;
  const seen = new Set<string>();
  return columns.map(({ name, duckdb }) => {
    const known = /^[\p{L}_][\p{L}\p{N}_]*$/u.test(name) ? name : `f${anonymous++}_`;
    if (seen.has(known.toLowerCase())) {
      throw invalidQuery(
        `Duplicate column names in the result are not supported. Found duplicate(s): ${known}`,
      );
    }
    seen.add(known.toLowerCase());
    return { name: known, duckdb };
  });
}

/** A cell's bytes in a page, at the most: what stands around it, and six for each of a text's (`\u0000`). */
function cellBytes(value: string, duckdb: string): string {
  if (duckdb === 'BLOB') return `coalesce(octet_length(${value}) * 4 // 3, 0) + 24`;
  return `coalesce(strlen(CAST(${value} AS VARCHAR)) * 6, 0) + 24`;
}

export interface Page {
  /** The rows as JSON in UTF-8, without the brackets around them. */
  json: Buffer;
  /** Rows in it. */
  count: number;
}

/** What pages are read from. In a `dense` table no row was ever deleted: rowids count them. */
export interface PageSource {
  table: string;
  columns: readonly ResultColumn[];
  total: number;
  dense: boolean;
  /** As a result's, where it is known. */
  widest?: number;
}

/** The pages of a result. */
export const resultSource = ({ table, columns, count, widest }: Result): PageSource => ({
  table,
  widest,
  columns: columns.map(({ duckdb }, index) => ({ name: `c${index}`, duckdb })),
  total: count,
  dense: true,
});

/** Rows from `start` as JSON of `{"f":[{"v":…},…]}` objects, written by DuckDB itself. */
export async function page(
  engine: Engine,
  source: PageSource,
  start: number,
  limit: number | undefined,
  format: TimestampFormat,
): Promise<Page> {
  const { table, columns, total, dense, widest = Number.POSITIVE_INFINITY } = source;
  const row = rowJson(columns, format);
  return engine.use(async (connection) => {
    let size = Math.max(0, Math.min(limit ?? PAGE_ROWS, PAGE_ROWS, total - start));
    if (size === 0) return { json: Buffer.alloc(0), count: 0 };
    const selected = async (count: number, what: string): Promise<DuckDBValue> => {
      const range = dense
        ? `WHERE rowid >= ${start} AND rowid < ${start + count}`
        : `LIMIT ${count} OFFSET ${start}`;
      const sql = `SELECT ${what} FROM (SELECT ${row} AS j, r FROM (SELECT *, rowid AS r FROM ${table} ${range}))`;
      return (await rows(connection, sql))[0]?.[0] ?? null;
    };
    // A page that is far too large would not fit into DuckDB's memory: where it might be, a few rows tell how many fit.
    if (widest * size > PAGE_BYTES) {
      const sample = Math.min(size, SAMPLE_ROWS);
      const bytes = Number(await selected(sample, 'sum(strlen(j))'));
      size = Math.max(1, Math.min(size, Math.floor((PAGE_BYTES * sample) / Math.max(bytes, 1))));
    }
    // As bytes they go out as they are; a text would be decoded here and encoded again.
    const json = await selected(size, "encode(string_agg(j, ',' ORDER BY r))");
    if (!(json instanceof DuckDBBlobValue)) {
      throw new GoogleError('INTERNAL', 'The sandbox lost rows of a result.');
    }
    return { json: Buffer.from(json.bytes.buffer, json.bytes.byteOffset, json.bytes.length), count: size };
  });
}

function rowJson(columns: readonly ResultColumn[], format: TimestampFormat): string {
  const cells = columns.map(
    ({ name, duckdb }) => `coalesce(${cellJson(quote(name), duckdb, format)}, 'null')`,
  );
  return `concat('{"f":[{"v":', ${cells.join(`, '},{"v":', `)}, '}]}')`;
}

/** A cell as JSON text: every scalar is a string there. NULL for NULL. */
function cellJson(value: string, duckdb: string, format: TimestampFormat): string {
  if (duckdb.endsWith('[]')) {
    const item = cellJson('x', duckdb.slice(0, -2), format);
    return `'[' || coalesce(array_to_string(list_transform(${value}, lambda x: '{"v":' || coalesce(${item}, 'null') || '}'), ','), '') || ']'`;
  }
  const quoted = (sql: string): string => `'"' || ${sql} || '"'`;
  switch (duckdb) {
    case 'VARCHAR':
      return `CAST(to_json(${value}) AS VARCHAR)`;
    case 'JSON':
      return `CAST(to_json(CAST(${value} AS VARCHAR)) AS VARCHAR)`;
    case 'BLOB':
      return quoted(`to_base64(${value})`);
    case 'DOUBLE':
    case 'FLOAT':
      return quoted(
        `CASE WHEN isnan(${value}) THEN 'NaN' WHEN isinf(${value}) THEN CASE WHEN ${value} > 0 THEN 'Infinity' ELSE '-Infinity' END ELSE CAST(${value} AS VARCHAR) END`,
      );
    case 'TIMESTAMP WITH TIME ZONE':
      if (format === 'int64') return quoted(`epoch_us(${value})`);
      if (format === 'iso') return quoted(`strftime(bq_utc(${value}), '%Y-%m-%dT%H:%M:%S.%fZ')`);
      return quoted(`printf('%d.%06d', epoch_us(${value}) // 1000000, epoch_us(${value}) % 1000000)`);
    case 'TIMESTAMP':
      return quoted(`strftime(${value}, '%Y-%m-%dT%H:%M:%S.%f')`);
    default:
      if (duckdb.startsWith('DECIMAL')) {
        return quoted(`regexp_replace(CAST(${value} AS VARCHAR), '\\.?0+$', '')`);
      }
      return quoted(`CAST(${value} AS VARCHAR)`);
  }
}
