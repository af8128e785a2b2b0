import type { DuckDBConnection } from '@duckdb/node-api';
import type { Access } from '../access.ts';
import type { Backend } from '../duckdb/backend.ts';
import { isView, type Table, tableSql, viewQuery } from '../duckdb/catalog.ts';
import { rows } from '../duckdb/engine.ts';
import { requiredFilter } from '../duckdb/partitioning.ts';
import { quote } from '../duckdb/types.ts';
import { at, path } from '../translate/ranges.ts';
import { type Token, tokenize } from '../translate/tokens.ts';
import { columnsNamed, readColumns } from './columns.ts';
import { requireFilterOf } from './filter-of.ts';
import type { Statement } from './parse.ts';

/** What precedes a table's path. */
const BEFORE = new Set(['FROM', 'JOIN', 'USING', 'INTO', 'UPDATE', 'MERGE', 'TABLE']);
/** Logical bytes of a value. https://cloud.google.com/bigquery/pricing#data */
const FIXED: Readonly<Record<string, number>> = { BOOLEAN: 1, 'DECIMAL(38,9)': 16 };
const OF_TEXT = new Set(['VARCHAR', 'JSON']);

/**
 * The bytes that statements would process, as a dry run says them: of every table the columns that the statement
 * names, scan by scan, and of a changed table all its columns beside them.
 * https://cloud.google.com/bigquery/docs/estimate-costs#on-demand_query_size_calculation
 */
export async function bytesProcessed(
  backend: Backend,
  statements: readonly Statement[],
  access: Access,
): Promise<number> {
  return backend.engine.use(async (connection) => {
    let total = 0;
    for (const statement of statements)
      if (statement.kind === 'sql') total += await ofStatement(connection, backend, statement.tokens, access);
    return total;
  });
}

async function ofStatement(
  connection: DuckDBConnection,
  backend: Backend,
  tokens: readonly Token[],
  access: Access,
): Promise<number> {
  const { catalog } = backend;
  const verb = at(tokens, 0).upper;
  let total = 0;
  let isFirst = true;
  for (const [dataset, id, place] of tablesOf(tokens)) {
    const isTarget = isFirst && verb !== 'SELECT' && verb !== 'WITH';
    isFirst = false;
    if (isTarget) access.change(verb, dataset, id);
    else access.read(dataset, id);
    const table = catalog.table(dataset, id);
    if (isView(table)) {
      const query = tokenize(viewQuery(table));
      total += await access.through(dataset, () => ofStatement(connection, backend, query, access));
      continue;
    }
    const filter = requiredFilter(catalog.project, table);
    if (filter !== undefined) requireFilterOf(tokens, place, isTarget, filter);
    const isRead = !isTarget || verb !== 'INSERT';
    const named = isRead ? columnsNamed(tokens, table) : [];
    readColumns(access, table, named);
    total += await sizeOf(connection, table, named);
    if (isTarget && changesRows(verb, tokens))
      total += await sizeOf(
        connection,
        table,
        table.schema.map(({ name }) => name),
      );
  }
  return total;
}

/** Whether the target is rewritten: not by INSERT, nor by a MERGE that only inserts. */
const changesRows = (verb: string, tokens: readonly Token[]): boolean =>
  ['UPDATE', 'DELETE'].includes(verb) ||
  (verb === 'MERGE' &&
    tokens.some(({ upper }, index) => upper === 'THEN' && at(tokens, index + 1).upper !== 'INSERT'));

/** Dataset, id and place of each table that a statement names, as often as it does. */
function tablesOf(tokens: readonly Token[]): [string, string, number][] {
  const found: [string, string, number][] = [];
  for (const [index, { upper, kind }] of tokens.entries()) {
    const next = at(tokens, index + 1);
    if (kind !== 'word' || !BEFORE.has(upper) || (next.kind !== 'word' && next.kind !== 'quoted')) continue;
    const [dataset, id] = path(tokens, index + 1).parts.slice(-2);
    if (dataset !== undefined && id !== undefined) found.push([dataset, id, index + 1]);
  }
  return found;
}

/** Of NULL nothing is read. */
/** Rows of which the size of a table is told: a larger one is taken to be alike throughout. */
const TOLD_BY = 100_000;

/** The logical bytes of a table of so many rows, as tables.get shows them. */
export async function tableBytes(connection: DuckDBConnection, table: Table, count: number): Promise<number> {
  const columns = table.schema.map(({ name }) => name);
  if (count <= TOLD_BY) return sizeOf(connection, table, columns);
  const some = `(SELECT * FROM ${tableSql(table)} LIMIT ${TOLD_BY})`;
  return Math.round(((await sizeOf(connection, table, columns, some)) / TOLD_BY) * count);
}

async function sizeOf(
  connection: DuckDBConnection,
  table: Table,
  columns: readonly string[],
  from = tableSql(table),
): Promise<number> {
  const sizes = table.schema
    .filter(({ name }) => columns.includes(name))
    .map(({ name, duckdb }) => {
      const column = quote(name);
      if (OF_TEXT.has(duckdb)) return `sum(strlen(CAST(${column} AS VARCHAR)) + 2)`;
      if (duckdb === 'BLOB') return `sum(octet_length(${column}) + 2)`;
      return `count(${column}) * ${FIXED[duckdb] ?? 8}`;
    });
  if (sizes.length === 0) return 0;
  const sum = sizes.map((size) => `coalesce(${size}, 0)`).join(' + ');
  const [[bytes] = []] = await rows(connection, `SELECT ${sum} FROM ${from}`);
  return Number(bytes);
}
