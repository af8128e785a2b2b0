import { randomUUID } from 'node:crypto';
import type { DuckDBValue } from '@duckdb/node-api';
import { invalidQuery } from '../http/errors.ts';
import { type Table, tableSql } from './catalog.ts';
import { CATALOG, rows } from './engine.ts';
import type { Rewriter } from './rewrite.ts';
import { columnsSql } from './schema.ts';
import type { Session } from './session.ts';
import type { Token } from './tokens.ts';
import { quote } from './types.ts';

export interface Assignment {
  column: string;
  /** DuckDB's SQL. */
  value: string;
}

/** A MERGE whose only clause is WHEN MATCHED THEN UPDATE, in DuckDB's SQL. */
interface MatchedUpdate {
  into: string;
  alias: string;
  /** A table or a query with its alias behind it. */
  source: string;
  condition: string;
  test: string;
  set: Assignment[];
}

/** DuckDB keeps what a transaction updates in memory, about 0.5 kB a row of users. */
const LARGE_ROWS = 250_000;
/** Column of the table written anew: the row of the old table that it takes the place of. */
const ROW = '"reseal sandbox: row"';

export const matchedTwice = () =>
  invalidQuery('UPDATE/MERGE must match at most one source row for each target row');

/**
 * Carries out a MERGE into a large table in bounded memory. Where it updates many rows, the table is written
 * anew, which goes to the file as it happens, and takes the old one's place. Returns the number of rows
 * updated, or undefined for a smaller table.
 */
export async function mergeLarge(
  session: Session,
  tokens: readonly Token[],
  table: Table,
  parts: (rewriter: Rewriter) => MatchedUpdate,
): Promise<number | undefined> {
  const { connection } = session;
  const target = tableSql(table);
  const [[count] = []] = await rows(connection, `SELECT count(*) FROM ${target}`);
  if (Number(count) <= LARGE_ROWS) return undefined;
  let update: MatchedUpdate | undefined;
  const compiled = await session.compile(tokens, (rewriter) => {
    update = parts(rewriter);
    return '';
  });
  try {
    if (!update) return undefined;
    const { alias, into, source, condition, test, set } = update;
    const columns = table.schema.map(({ name }) => quote(name));
    const changed = new Map(set.map(({ column, value }) => [column.toLowerCase(), value]));
    const cells = table.schema.map(
      ({ name }) => changed.get(name.toLowerCase()) ?? `${quote(alias)}.${quote(name)}`,
    );
    const name = quote(`merge_${randomUUID()}`);
    const fresh = `${CATALOG}.${quote(table.dataset)}.${name}`;
    return await session.change(table, async () => {
      await run(session, `CREATE TABLE ${fresh} (${columnsSql(table.schema)}, ${ROW} BIGINT)`);
      const updated = await run(
        session,
        `INSERT INTO ${fresh} SELECT ${cells.join(', ')}, ${quote(alias)}.rowid
         FROM ${into} JOIN ${source} ON (${condition}) WHERE ${test}`,
        compiled.values,
      );
      const [[once] = []] = await rows(connection, `SELECT count(DISTINCT ${ROW}) FROM ${fresh}`);
      if (Number(once) !== updated) throw matchedTwice();
      if (updated <= LARGE_ROWS) {
        const list = set.map(({ column }) => `${quote(column)} = f.${quote(column)}`).join(', ');
        await run(session, `UPDATE ${target} AS t SET ${list} FROM ${fresh} AS f WHERE t.rowid = f.${ROW}`);
        await run(session, `DROP TABLE ${fresh}`);
        return updated;
      }
      await run(
        session,
        `INSERT INTO ${fresh} SELECT ${columns.join(', ')}, NULL FROM ${target} AS t
         WHERE NOT EXISTS (SELECT 1 FROM ${fresh} AS f WHERE f.${ROW} = t.rowid)`,
      );
      await run(session, `ALTER TABLE ${fresh} DROP COLUMN ${ROW}`);
      await run(session, `DROP TABLE ${target}`);
      await run(session, `ALTER TABLE ${fresh} RENAME TO ${quote(table.id)}`);
      return updated;
    });
  } finally {
    compiled.close();
  }
}

/** Runs a statement; returns the rows that it changed. */
async function run(session: Session, sql: string, values: Record<string, DuckDBValue> = {}): Promise<number> {
  const bound = named(sql, values);
  const result = await session.connection.run(sql, Object.keys(bound).length > 0 ? bound : undefined);
  return result.rowsChanged;
}

/** Those of the values that a statement names: DuckDB refuses any other. */
function named(sql: string, values: Record<string, DuckDBValue>): Record<string, DuckDBValue> {
  const plain = sql.replace(/'(?:[^']|'')*'/g, "''");
  return Object.fromEntries(
    Object.entries(values).filter(([name]) => new RegExp(`\\$${name}\\b`).test(plain)),
  );
}
