import { randomUUID } from 'node:crypto';
import { type DuckDBConnection, type DuckDBResult, DuckDBTypeId, type DuckDBValue } from '@duckdb/node-api';
import { invalidQuery } from '../../errors/google-error.ts';
import { bound, type Engine } from './engine.ts';
import { quote, restType } from './types.ts';

export interface ResultColumn {
  name: string;
  duckdb: string;
}

/** The rows of a query, kept in DuckDB's memory (and spilled under encryption) until newer results replace them. */
export interface Result {
  columns: ResultColumn[];
  count: number;
  /** What the rows are read from: a table with columns c0, c1, … */
  table: string;
}

/** Runs a query and keeps its rows, in their order. */
export async function keep(
  engine: Engine,
  connection: DuckDBConnection,
  sql: string,
  values: Record<string, DuckDBValue>,
  inTransaction: boolean,
): Promise<Result> {
  const parameters = bound(values);
  const described = inTransaction ? undefined : await columnsBefore(connection, sql);
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
      return { columns, count, table };
    } catch (error) {
      await writer.run(`DROP TABLE ${table}`);
      throw error;
    }
  });
}

/** A query's columns; undefined where DuckDB cannot tell them before it has the parameters. */
async function columnsBefore(connection: DuckDBConnection, sql: string): Promise<ResultColumn[] | undefined> {
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

/** Deletes the rows of a result. */
export async function dropResult(engine: Engine, result: Result): Promise<void> {
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
