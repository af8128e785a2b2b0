import { invalidQuery } from '../../http/errors.ts';
import type { Table } from '../duckdb/catalog.ts';
import { tableSql } from '../duckdb/catalog.ts';
import { bound } from '../duckdb/engine.ts';
import { quote } from '../duckdb/types.ts';
import type { TableRef } from '../translate/names.ts';
import { at, closing, commas, findTop, path, type Range } from '../translate/ranges.ts';
import type { Rewriter } from '../translate/rewrite.ts';
import type { Token } from '../translate/tokens.ts';
import { type Assignment, matchedTwice, mergeUpdate } from './merge-update.ts';
import type { Compiled, Session } from './session.ts';

/** Rows changed, in the terms of statistics.query.dmlStats. */
export interface Changes {
  inserted: number;
  updated: number;
  deleted: number;
}

const NONE: Changes = { inserted: 0, updated: 0, deleted: 0 };

/** INSERT, UPDATE, DELETE, MERGE and TRUNCATE TABLE. */
export async function runDml(session: Session, tokens: readonly Token[]): Promise<Changes> {
  switch (at(tokens, 0).upper) {
    case 'INSERT':
      return insert(session, tokens);
    case 'UPDATE':
      return update(session, tokens);
    case 'DELETE':
      return remove(session, tokens);
    case 'MERGE':
      return merge(session, tokens);
    default:
      return truncate(session, tokens);
  }
}

interface Target {
  table: Table | undefined;
  ref: TableRef;
  alias: string;
  /** The index after the target and its alias. */
  to: number;
}

function target(session: Session, tokens: readonly Token[], from: number): Target {
  const { parts, to } = path(tokens, from);
  const temporary = parts.length === 1 ? session.temporary.get(parts[0]?.toLowerCase() ?? '') : undefined;
  const verb = at(tokens, 0).upper;
  const table = temporary
    ? undefined
    : session.table(parts, (access, ...name) => access.change(verb, ...name));
  if (table && verb !== 'INSERT' && table.id === session.options.streaming)
    throw inStreamingBuffer(session, table);
  const ref = temporary ?? {
    sql: table ? tableSql(table) : '',
    name: table?.id ?? '',
    columns: table?.schema.map((field) => field.name) ?? [],
  };
  const as = at(tokens, to).upper === 'AS';
  const next = at(tokens, as ? to + 1 : to);
  const stops = ['SET', 'WHERE', 'USING', 'VALUES', 'SELECT', 'WITH', 'FROM'];
  if (as || next.kind === 'quoted' || (next.kind === 'word' && !stops.includes(next.upper))) {
    return { table, ref, alias: next.value, to: as ? to + 2 : to + 1 };
  }
  return { table, ref, alias: ref.name, to };
}

/** https://cloud.google.com/bigquery/docs/data-manipulation-language#limitations */
function inStreamingBuffer({ backend: { catalog } }: Session, { dataset, id }: Table) {
  const name = `${catalog.project}.${dataset}.${id}`;
  return invalidQuery(
    `UPDATE or DELETE statement over table ${name} would affect rows in the streaming buffer, which is not supported`,
  );
}

const ending = (tokens: readonly Token[]): number => tokens.length - 1;
const keyword = (tokens: readonly Token[], range: Range, ...words: string[]): number =>
  findTop(tokens, range, (index) => words.includes(at(tokens, index).upper));

/** Runs a compiled change; returns the rows that it changed. */
async function execute(
  session: Session,
  table: Table | undefined,
  compiled: Compiled & { close: () => void },
) {
  try {
    return await session.transaction.change(table, async () => {
      return (await session.connection.run(compiled.sql, bound(compiled.values))).rowsChanged;
    });
  } finally {
    compiled.close();
  }
}

async function insert(session: Session, tokens: readonly Token[]): Promise<Changes> {
  const from = at(tokens, 1).upper === 'INTO' ? 2 : 1;
  const { parts, to } = path(tokens, from);
  const found = target(session, tokens.slice(0, to).concat(at(tokens, ending(tokens))), from);
  let columns = '';
  let rest = to;
  if (
    at(tokens, to).text === '(' &&
    at(tokens, to + 1).upper !== 'SELECT' &&
    at(tokens, to + 1).upper !== 'WITH'
  ) {
    const end = closing(tokens, to);
    columns = ` (${names(tokens, { from: to + 1, to: end })
      .map(quote)
      .join(', ')})`;
    rest = end + 1;
  }
  if (rest === ending(tokens)) throw invalidQuery(`Syntax error: INSERT into ${parts.join('.')} has no rows`);
  const compiled = await session.compile(tokens, (rewriter) => {
    const body = rewriter.rewrite({ from: rest, to: ending(tokens) });
    return `INSERT INTO ${found.ref.sql}${columns} ${body}`;
  });
  return { ...NONE, inserted: await execute(session, found.table, compiled) };
}

const names = (tokens: readonly Token[], { from, to }: Range): string[] =>
  tokens
    .slice(from, to)
    .filter(({ kind }) => kind === 'word' || kind === 'quoted')
    .map(({ value }) => value);

/** `col = expr, …` where BigQuery lets the table stand before the column and DuckDB does not. */
function assignments(rewriter: Rewriter, { from, to }: Range): Assignment[] {
  const { tokens } = rewriter;
  return commas(tokens, { from, to }).map((range) => {
    const name = path(tokens, range.from);
    if (at(tokens, name.to).text !== '=') throw invalidQuery('Syntax error: Expected "=" in SET');
    const isDefault = at(tokens, name.to + 1).upper === 'DEFAULT';
    const value = isDefault ? 'NULL' : rewriter.rewrite({ from: name.to + 1, to: range.to });
    return { column: name.parts.at(-1) ?? '', value };
  });
}

const setList = (list: readonly Assignment[]): string =>
  list.map(({ column, value }) => `${quote(column)} = ${value}`).join(', ');

async function update(session: Session, tokens: readonly Token[]): Promise<Changes> {
  const found = target(session, tokens, 1);
  const end = ending(tokens);
  if (at(tokens, found.to).upper !== 'SET') throw invalidQuery('Syntax error: Expected keyword SET');
  const where = keyword(tokens, { from: found.to, to: end }, 'WHERE');
  if (where === end) throw invalidQuery('UPDATE must have a WHERE clause');
  const from = keyword(tokens, { from: found.to, to: where }, 'FROM');
  const compiled = await session.compile(tokens, (rewriter) => {
    rewriter.learn(found.ref);
    const sources = from < where ? rewriter.rewrite({ from, to: where }) : '';
    const set = setList(assignments(rewriter, { from: found.to + 1, to: from }));
    const condition = rewriter.rewrite({ from: where, to: end });
    return `UPDATE ${found.ref.sql} AS ${quote(found.alias)} SET ${set} ${sources} ${condition}`;
  });
  return { ...NONE, updated: await execute(session, found.table, compiled) };
}

async function remove(session: Session, tokens: readonly Token[]): Promise<Changes> {
  const found = target(session, tokens, at(tokens, 1).upper === 'FROM' ? 2 : 1);
  const end = ending(tokens);
  const where = keyword(tokens, { from: found.to, to: end }, 'WHERE');
  if (where === end) throw invalidQuery('DELETE must have a WHERE clause');
  const compiled = await session.compile(tokens, (rewriter) => {
    rewriter.learn(found.ref);
    const condition = rewriter.rewrite({ from: where, to: end });
    return `DELETE FROM ${found.ref.sql} AS ${quote(found.alias)} ${condition}`;
  });
  return { ...NONE, deleted: await execute(session, found.table, compiled) };
}

async function truncate(session: Session, tokens: readonly Token[]): Promise<Changes> {
  const found = target(session, tokens, 2);
  if (session.transaction.isActive) throw invalidQuery('TRUNCATE TABLE is not supported in a transaction');
  const sql = `DELETE FROM ${found.ref.sql}`;
  return {
    ...NONE,
    deleted: await execute(session, found.table, { sql, values: {}, close: () => undefined }),
  };
}

async function merge(session: Session, tokens: readonly Token[]): Promise<Changes> {
  const found = target(session, tokens, at(tokens, 1).upper === 'INTO' ? 2 : 1);
  const end = ending(tokens);
  if (at(tokens, found.to).upper !== 'USING') throw invalidQuery('Syntax error: Expected keyword USING');
  const on = keyword(tokens, { from: found.to, to: end }, 'ON');
  const clauses = whenClauses(tokens, on, end);
  const parts = (rewriter: Rewriter) => {
    rewriter.learn(found.ref);
    const source = rewriter.rewrite({ from: found.to + 1, to: on }, { expectTable: true });
    const condition = rewriter.rewrite({ from: on + 1, to: clauses[0]?.from ?? end });
    const into = `${found.ref.sql} AS ${quote(found.alias)}`;
    return { source, condition, into };
  };
  const kinds = new Set(clauses.map((clause) => clause.action));
  const [only] = clauses;
  const { table } = found;
  if (table && only && clauses.length === 1 && only.matched && only.action === 'updated') {
    const updated = await mergeUpdate(session, tokens, table, (rewriter) => ({
      ...parts(rewriter),
      alias: found.alias,
      test: only.test ? rewriter.rewrite(only.test) : 'TRUE',
      set: assignments(rewriter, { from: only.body.from + 1, to: only.body.to }),
    }));
    return { ...NONE, updated };
  }
  const compiled = await session.compile(tokens, (rewriter) => {
    const { source, condition, into } = parts(rewriter);
    const actions = clauses.map((clause) => writeClause(rewriter, clause)).join('\n');
    const returning = kinds.size > 1 ? ' RETURNING merge_action' : '';
    return `MERGE INTO ${into} USING ${source} ON (${condition}) ${actions}${returning}`;
  });
  // DuckDB would apply one of several source rows; BigQuery rejects the statement.
  const matched = clauses.filter((clause) => clause.matched);
  const check = await session.compile(tokens, (rewriter) => {
    const { source, condition, into } = parts(rewriter);
    const applies = matched.map(({ test }) => (test ? `(${rewriter.rewrite(test)})` : 'TRUE'));
    return `SELECT 1 FROM ${into} JOIN ${source} ON (${condition}) WHERE ${applies.join(' OR ')} GROUP BY ${quote(found.alias)}.rowid HAVING count(*) > 1 LIMIT 1`;
  });
  try {
    return await session.transaction.change(found.table, async () => {
      const { connection } = session;
      if (matched.length > 0) {
        const twice = await connection.runAndReadAll(check.sql, bound(check.values));
        if (twice.currentRowCount > 0) {
          throw matchedTwice();
        }
      }
      if (kinds.size === 1) {
        const count = (await connection.run(compiled.sql, bound(compiled.values))).rowsChanged;
        const [kind] = kinds;
        return { ...NONE, [kind ?? 'updated']: count };
      }
      return count(await connection.runAndReadAll(compiled.sql, bound(compiled.values)));
    });
  } finally {
    compiled.close();
    check.close();
  }
}

function count(reader: { getRows(): unknown[][] }): Changes {
  const changes = { ...NONE };
  for (const [action] of reader.getRows()) {
    if (action === 'INSERT') changes.inserted++;
    else if (action === 'DELETE') changes.deleted++;
    else changes.updated++;
  }
  return changes;
}

interface WhenClause extends Range {
  matched: boolean;
  bySource: boolean;
  test: Range | undefined;
  action: keyof Changes;
  /** What follows THEN and the action's keyword. */
  body: Range;
}

function whenClauses(tokens: readonly Token[], from: number, end: number): WhenClause[] {
  const clauses: WhenClause[] = [];
  let index = keyword(tokens, { from, to: end }, 'WHEN');
  while (index < end) {
    const next = keyword(tokens, { from: index + 1, to: end }, 'WHEN');
    const then = keyword(tokens, { from: index, to: next }, 'THEN');
    const words = tokens.slice(index, then).map((token) => token.upper);
    const and = keyword(tokens, { from: index, to: then }, 'AND');
    const verb = at(tokens, then + 1).upper;
    const action = ({ UPDATE: 'updated', INSERT: 'inserted', DELETE: 'deleted' } as const)[verb];
    if (!action) throw invalidQuery('Syntax error: Expected UPDATE, INSERT or DELETE in MERGE');
    clauses.push({
      from: index,
      to: next,
      matched: words[1] === 'MATCHED',
      bySource: words.includes('BY') && words.includes('SOURCE'),
      test: and < then ? { from: and + 1, to: then } : undefined,
      action,
      body: { from: then + 2, to: next },
    });
    index = next;
  }
  if (clauses.length === 0) throw invalidQuery('Syntax error: Expected keyword WHEN in MERGE');
  return clauses;
}

function writeClause(rewriter: Rewriter, clause: WhenClause): string {
  const { tokens } = rewriter;
  const kind = clause.matched ? 'MATCHED' : clause.bySource ? 'NOT MATCHED BY SOURCE' : 'NOT MATCHED';
  const test = clause.test ? ` AND (${rewriter.rewrite(clause.test)})` : '';
  return `WHEN ${kind}${test} THEN ${action()}`;

  function action(): string {
    const { body } = clause;
    if (clause.action === 'deleted') return 'DELETE';
    if (clause.action === 'updated') {
      return `UPDATE SET ${setList(assignments(rewriter, { from: body.from + 1, to: body.to }))}`;
    }
    if (at(tokens, body.from).upper === 'ROW') return 'INSERT *';
    let values = body.from;
    let columns = '';
    if (at(tokens, values).text === '(') {
      const end = closing(tokens, values);
      columns = `(${names(tokens, { from: values + 1, to: end })
        .map(quote)
        .join(', ')}) `;
      values = end + 1;
    }
    if (at(tokens, values).upper === 'ROW') return `INSERT ${columns}*`;
    return `INSERT ${columns}${rewriter.rewrite({ from: values, to: body.to })}`;
  }
}
