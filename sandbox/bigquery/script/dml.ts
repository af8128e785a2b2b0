import { invalidQuery } from '../../errors/google-error.ts';
import { quote } from '../duckdb/types.ts';
import { requireFilterIn } from '../translate/partition-filter.ts';
import { at, closing, path } from '../translate/ranges.ts';
import type { Token } from '../translate/tokens.ts';
import {
  assignments,
  type Changes,
  ending,
  keyword,
  NONE,
  names,
  runChange,
  setList,
  target,
} from './dml-target.ts';
import { merge } from './merge.ts';
import type { Session } from './session.ts';

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
  return { ...NONE, inserted: await runChange(session, found.table, compiled) };
}

async function update(session: Session, tokens: readonly Token[]): Promise<Changes> {
  const found = target(session, tokens, 1);
  const end = ending(tokens);
  if (at(tokens, found.to).upper !== 'SET') throw invalidQuery('Syntax error: Expected keyword SET');
  const where = keyword(tokens, { from: found.to, to: end }, 'WHERE');
  if (where === end) throw invalidQuery('UPDATE must have a WHERE clause');
  requireFilterIn(tokens, { from: where + 1, to: end }, found.alias, found.ref.filter);
  const from = keyword(tokens, { from: found.to, to: where }, 'FROM');
  const compiled = await session.compile(tokens, (rewriter) => {
    rewriter.learn(found.ref);
    const sources = from < where ? rewriter.rewrite({ from, to: where }) : '';
    const set = setList(assignments(rewriter, { from: found.to + 1, to: from }));
    const condition = rewriter.rewrite({ from: where, to: end });
    return `UPDATE ${found.ref.sql} AS ${quote(found.alias)} SET ${set} ${sources} ${condition}`;
  });
  return { ...NONE, updated: await runChange(session, found.table, compiled) };
}

async function remove(session: Session, tokens: readonly Token[]): Promise<Changes> {
  const found = target(session, tokens, at(tokens, 1).upper === 'FROM' ? 2 : 1);
  const end = ending(tokens);
  const where = keyword(tokens, { from: found.to, to: end }, 'WHERE');
  if (where === end) throw invalidQuery('DELETE must have a WHERE clause');
  requireFilterIn(tokens, { from: where + 1, to: end }, found.alias, found.ref.filter);
  const compiled = await session.compile(tokens, (rewriter) => {
    rewriter.learn(found.ref);
    const condition = rewriter.rewrite({ from: where, to: end });
    return `DELETE FROM ${found.ref.sql} AS ${quote(found.alias)} ${condition}`;
  });
  return { ...NONE, deleted: await runChange(session, found.table, compiled) };
}

async function truncate(session: Session, tokens: readonly Token[]): Promise<Changes> {
  const found = target(session, tokens, 2);
  if (session.transaction.isActive) throw invalidQuery('TRUNCATE TABLE is not supported in a transaction');
  const sql = `DELETE FROM ${found.ref.sql}`;
  return {
    ...NONE,
    deleted: await runChange(session, found.table, { sql, values: {}, close: () => undefined }),
  };
}
