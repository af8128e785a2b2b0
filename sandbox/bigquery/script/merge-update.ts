import { randomUUID } from 'node:crypto';
import type { DuckDBConnection } from '@duckdb/node-api';
import { invalidQuery } from '../../errors/google-error.ts';
import { type Table, tableSql } from '../duckdb/catalog.ts';
import { CATALOG, rows } from '../duckdb/engine.ts';
import { checkModified, partitionSql } from '../duckdb/partitioning.ts';
import { columnsSql } from '../duckdb/schema.ts';
import { quote } from '../duckdb/types.ts';
import type { Rewriter } from '../translate/rewrite.ts';
import type { Token } from '../translate/tokens.ts';
import type { Session } from './session.ts';

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
/** Column of what the source gives: the row of the target that it is for. */
const ROW = '"reseal sandbox: row"';

export const matchedTwice = () =>
  invalidQuery('UPDATE/MERGE must match at most one source row for each target row');

/**
 * Carries out such a MERGE: the join is worked out once, into a table of its own, which shows whether a row of
 * the target was matched twice, and the target is updated from there. Where many rows of a large table change,
 * the table is written anew instead, which goes to the file as it happens, and takes the old one's place.
 * Returns the number of rows updated.
 */
export async function mergeUpdate(
  session: Session,
  tokens: readonly Token[],
  table: Table,
  parts: (rewriter: Rewriter) => MatchedUpdate,
): Promise<number> {
  const { connection } = session;
  const target = tableSql(table);
  const fresh = `${CATALOG}.${quote(table.dataset)}.${quote(`merge_${randomUUID()}`)}`;
  const [[count] = []] = await rows(connection, `SELECT count(*) FROM ${target}`);
  const large = Number(count) > LARGE_ROWS;
  let set: Assignment[] = [];
  const compiled = await session.compile(tokens, (rewriter) => {
    const { alias, into, source, condition, test, ...update } = parts(rewriter);
    set = update.set;
    checkColumns(table, set);
    const cells = large
      ? whole(table, alias, set)
      : set.map(({ column, value }) => `${value} AS ${quote(column)}`);
    const join = `SELECT ${[...cells, `${quote(alias)}.rowid AS ${ROW}`].join(', ')}
      FROM ${into} JOIN ${source} ON (${condition}) WHERE ${test}`;
    return large ? `INSERT INTO ${fresh} ${join}` : `CREATE TABLE ${fresh} AS ${join}`;
  });
  try {
    return await session.transaction.change(table, async () => {
      if (large) await rows(connection, `CREATE TABLE ${fresh} (${columnsSql(table.schema)}, ${ROW} BIGINT)`);
      await rows(connection, compiled.sql, compiled.values);
      const [[all, once] = []] = await rows(
        connection,
        `SELECT count(*), count(DISTINCT ${ROW}) FROM ${fresh}`,
      );
      if (all !== once) throw matchedTwice();
      const partition = partitionSql(table, 't');
      if (partition !== undefined) {
        const [[partitions] = []] = await rows(
          connection,
          `SELECT count(DISTINCT ${partition}) FROM ${target} AS t JOIN ${fresh} AS f ON t.rowid = f.${ROW}`,
        );
        checkModified(Number(partitions));
      }
      const updated = Number(all);
      if (updated > LARGE_ROWS) {
        await replace(connection, table, fresh);
      } else {
        const list = set.map(({ column }) => `${quote(column)} = f.${quote(column)}`).join(', ');
        await rows(
          connection,
          `UPDATE ${target} AS t SET ${list} FROM ${fresh} AS f WHERE t.rowid = f.${ROW}`,
        );
        await rows(connection, `DROP TABLE ${fresh}`);
      }
      return updated;
    });
  } finally {
    compiled.close();
  }
}

function checkColumns(table: Table, set: readonly Assignment[]): void {
  const known = new Set(table.schema.map(({ name }) => name.toLowerCase()));
  const other = set.find(({ column }) => !known.has(column.toLowerCase()));
  if (other)
    throw invalidQuery(`Column ${other.column} is not present in table ${table.dataset}.${table.id}`);
}

/** All columns of the table, the updated ones with their new values. */
function whole(table: Table, alias: string, set: readonly Assignment[]): string[] {
  const values = new Map(set.map(({ column, value }) => [column.toLowerCase(), value]));
  return table.schema.map(({ name }) => values.get(name.toLowerCase()) ?? `${quote(alias)}.${quote(name)}`);
}

/** Puts the updated rows in `fresh`, and those that stay as they are, in the table's place. */
async function replace(connection: DuckDBConnection, table: Table, fresh: string): Promise<void> {
  const target = tableSql(table);
  const columns = table.schema.map(({ name }) => quote(name)).join(', ');
  await rows(
    connection,
    `INSERT INTO ${fresh} SELECT ${columns}, NULL FROM ${target} AS t
     WHERE NOT EXISTS (SELECT 1 FROM ${fresh} AS f WHERE f.${ROW} = t.rowid)`,
  );
  await rows(connection, `ALTER TABLE ${fresh} DROP COLUMN ${ROW}`);
  await rows(connection, `DROP TABLE ${target}`);
  await rows(connection, `ALTER TABLE ${fresh} RENAME TO ${quote(table.id)}`);
}
