import { invalidQuery } from '../../errors/google-error.ts';
import type { Table } from '../duckdb/catalog.ts';
import { stored, tableSql } from '../duckdb/catalog.ts';
import { bound } from '../duckdb/engine.ts';
import { checkModified, partitionSql, requiredFilter } from '../duckdb/partitioning.ts';
import { inStreamingBuffer } from '../duckdb/streamed.ts';
import { quote } from '../duckdb/types.ts';
import type { TableRef } from '../translate/names.ts';
import { at, commas, findTop, path, type Range } from '../translate/ranges.ts';
import type { Rewriter } from '../translate/rewrite.ts';
import type { Token } from '../translate/tokens.ts';
import { columnsNamed, readColumns } from './columns.ts';
import type { Assignment } from './merge-update.ts';
import type { Compiled, Session } from './session.ts';

/** Rows changed, in the terms of statistics.query.dmlStats. */
export interface Changes {
  inserted: number;
  updated: number;
  deleted: number;
}

export const NONE: Changes = { inserted: 0, updated: 0, deleted: 0 };

/** What a statement of DML changes. */
export interface Target {
  /** Undefined for a temporary table. */
  table: Table | undefined;
  ref: TableRef;
  alias: string;
  /** The index after the target and its alias. */
  to: number;
}

/** Reads the target with its alias, and asks whether the caller may change it. @throws GoogleError */
export function target(session: Session, tokens: readonly Token[], from: number): Target {
  const { parts, to } = path(tokens, from);
  const temporary = parts.length === 1 ? session.temporary.get(parts[0]?.toLowerCase() ?? '') : undefined;
  const verb = at(tokens, 0).upper;
  const table = temporary
    ? undefined
    : session.table(parts, (access, ...name) => access.change(verb, ...name));
  if (table) stored(table, `change with ${verb}`);
  if (table && !['INSERT', 'TRUNCATE'].includes(verb))
    readColumns(session.options.access, table, columnsNamed(tokens, table));
  if (table && verb !== 'INSERT' && table.id === session.options.streaming) throw inStreamingBuffer(table);
  const ref = temporary ?? {
    sql: table ? tableSql(table) : '',
    name: table?.id ?? '',
    columns: table?.schema.map((field) => field.name) ?? [],
    filter: table && requiredFilter(session.backend.catalog.project, table),
  };
  const as = at(tokens, to).upper === 'AS';
  const next = at(tokens, as ? to + 1 : to);
  const stops = ['SET', 'WHERE', 'USING', 'VALUES', 'SELECT', 'WITH', 'FROM'];
  if (as || next.kind === 'quoted' || (next.kind === 'word' && !stops.includes(next.upper))) {
    return { table, ref, alias: next.value, to: as ? to + 2 : to + 1 };
  }
  return { table, ref, alias: ref.name, to };
}

/** The index of the end token. */
export const ending = (tokens: readonly Token[]): number => tokens.length - 1;
/** The index of the first of some keywords in a range, outside brackets; else the range's end. */
export const keyword = (tokens: readonly Token[], range: Range, ...words: string[]): number =>
  findTop(tokens, range, (index) => words.includes(at(tokens, index).upper));

/** Runs a compiled change; returns the rows that it changed. */
export async function runChange(
  session: Session,
  table: Table | undefined,
  compiled: Compiled & { close: () => void },
) {
  const partition = table && partitionSql(table);
  try {
    return await session.transaction.change(table, async () => {
      const values = bound(compiled.values);
      if (partition === undefined) return (await session.connection.run(compiled.sql, values)).rowsChanged;
      const returning = `${compiled.sql} RETURNING ${partition}`;
      const changed = (await session.connection.runAndReadAll(returning, values)).getRowsJson();
      checkModified(new Set(changed.map(([one]) => one)).size);
      return changed.length;
    });
  } finally {
    compiled.close();
  }
}

/** The names of a list of columns. */
export const names = (tokens: readonly Token[], { from, to }: Range): string[] =>
  tokens
    .slice(from, to)
    .filter(({ kind }) => kind === 'word' || kind === 'quoted')
    .map(({ value }) => value);

/** `col = expr, …` where BigQuery lets the table stand before the column and DuckDB does not. */
export function assignments(rewriter: Rewriter, { from, to }: Range): Assignment[] {
  const { tokens } = rewriter;
  return commas(tokens, { from, to }).map((range) => {
    const name = path(tokens, range.from);
    if (at(tokens, name.to).text !== '=') throw invalidQuery('Syntax error: Expected "=" in SET');
    const isDefault = at(tokens, name.to + 1).upper === 'DEFAULT';
    const value = isDefault ? 'NULL' : rewriter.rewrite({ from: name.to + 1, to: range.to });
    return { column: name.parts.at(-1) ?? '', value };
  });
}

/** Assignments as DuckDB takes them behind SET. */
export const setList = (list: readonly Assignment[]): string =>
  list.map(({ column, value }) => `${quote(column)} = ${value}`).join(', ');
