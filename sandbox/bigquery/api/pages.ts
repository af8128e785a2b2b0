import { DuckDBBlobValue, type DuckDBValue } from '@duckdb/node-api';
import { GoogleError } from '../../errors/google-error.ts';
import { type Engine, rows } from '../duckdb/engine.ts';
import type { Result, ResultColumn } from '../duckdb/results.ts';
import { quote } from '../duckdb/types.ts';

/** How TIMESTAMP values are written: formatOptions of tabledata.list and jobs.getQueryResults. */
export type TimestampFormat = 'float' | 'int64' | 'iso';

/** BigQuery's limit of a page: https://cloud.google.com/bigquery/docs/paging-results */
const PAGE_BYTES = 10_000_000;
const PAGE_ROWS = 50_000;
const SAMPLE_ROWS = 200;

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
}

/** The pages of a result. */
export const resultSource = ({ table, columns, count }: Result): PageSource => ({
  table,
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
  const { table, columns, total, dense } = source;
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
    // A page that is far too large would not fit into DuckDB's memory: a few rows tell how many fit.
    if (size > 1) {
      const sample = Math.min(size, SAMPLE_ROWS);
      const bytes = Number(await selected(sample, 'sum(strlen(j))'));
      size = Math.max(1, Math.min(size, Math.floor((PAGE_BYTES * sample) / Math.max(bytes, 1))));
    }
    // The bytes go out unchanged; as a string they would be decoded here and encoded again.
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
