import { randomUUID } from 'node:crypto';
import type { DuckDBValue } from '@duckdb/node-api';
import { invalidQuery } from '../http/errors.ts';
import { type Table, tableSql } from './catalog.ts';
import { CATALOG, rows } from './engine.ts';
import type { Rewriter } from './rewrite.ts';
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
/** Rows of the target that are replaced at a time: a join of so many needs no disk. */
const BATCH_ROWS = 200_000;

export const matchedTwice = () =>
  invalidQuery('UPDATE/MERGE must match at most one source row for each target row');

/**
 * Carries out a MERGE of many rows in bounded memory: the new rows are inserted, which goes to the file as
 * it happens, and the old ones deleted, batch by batch in the one transaction. Returns the number of rows,
 * or undefined for a MERGE of fewer rows, which has a better way.
 */
export async function mergeLarge(
  session: Session,
  tokens: readonly Token[],
  table: Table,
  parts: (rewriter: Rewriter) => MatchedUpdate,
): Promise<number | undefined> {
  const { connection } = session;
  const target = tableSql(table);
  if ((await countOf(session, target)) <= LARGE_ROWS) return undefined;
  let update: MatchedUpdate | undefined;
  const compiled = await session.compile(tokens, (rewriter) => {
    update = parts(rewriter);
    return '';
  });
  try {
    const sourceAlias = /AS ("(?:[^"]|"")+")$/.exec(update?.source ?? '')?.[1] ?? sourceName(tokens);
    if (!update || sourceAlias === undefined) return undefined;
    const { alias, condition, test, set } = update;
    const source = `${homeOf(tokens)}.${quote(`merge_${randomUUID()}`)}`;
    const work = async (): Promise<number | undefined> => {
      await run(session, `CREATE TABLE ${source} AS SELECT * FROM ${update?.source}`, compiled.values);
      if ((await countOf(session, source)) <= LARGE_ROWS) return undefined;
      const join = `${target} AS ${quote(alias)} JOIN ${source} AS ${sourceAlias} ON (${condition})`;
      const changed = new Map(set.map(({ column, value }) => [column.toLowerCase(), value]));
      const columns = table.schema.map(({ name }) => quote(name));
      const cells = table.schema.map(
        ({ name }) => changed.get(name.toLowerCase()) ?? `${quote(alias)}.${quote(name)}`,
      );
      const rowid = `${quote(alias)}.rowid`;
      let total = 0;
      for (const [from, to] of await batches(session, target)) {
        const range = `${rowid} > ${from} AND ${rowid} <= ${to}`;
        const where = `WHERE ${range} AND (${test})`;
        const inserted = await run(
          session,
          `INSERT INTO ${target} (${columns.join(', ')}) SELECT ${cells.join(', ')} FROM ${join} ${where}`,
          compiled.values,
        );
        const deleted = await run(
          session,
          `DELETE FROM ${target} WHERE rowid > ${from} AND rowid <= ${to} AND rowid IN (SELECT ${rowid} FROM ${join} ${where})`,
          compiled.values,
        );
        if (inserted !== deleted) throw matchedTwice();
        total += inserted;
      }
      return total;
    };
    return await session.change(table, async () => {
      const total = await work();
      await connection.run(`DROP TABLE ${source}`);
      return total;
    });
  } finally {
    compiled.close();
  }
}

/** Where the source's rows are put down: in memory where they might be what a function decrypted. */
const homeOf = (tokens: readonly Token[]): string =>
  tokens.some(({ upper }) => upper === 'AEAD' || upper === 'KEYS') ? 'temp.main' : `${CATALOG}."_sandbox"`;

/** The alias behind a query in parentheses. */
function sourceName(tokens: readonly Token[]): string | undefined {
  const on = tokens.findIndex(({ upper }, index) => upper === 'ON' && index > 0);
  const name = tokens[on - 1];
  return name && (name.kind === 'word' || name.kind === 'quoted') ? quote(name.value) : undefined;
}

async function countOf(session: Session, table: string): Promise<number> {
  const [[count] = []] = await rows(session.connection, `SELECT count(*) FROM ${table}`);
  return Number(count);
}

/** Ranges of rowids `(from, to]` with so many rows each, as the table stands now. */
async function batches(session: Session, target: string): Promise<[DuckDBValue, DuckDBValue][]> {
  const found = await rows(
    session.connection,
    `SELECT r FROM (SELECT rowid AS r, row_number() OVER (ORDER BY rowid) AS n, count(*) OVER () AS c FROM ${target})
     WHERE n % ${BATCH_ROWS} = 0 OR n = c ORDER BY r`,
  );
  return found.map(([to], index) => [found[index - 1]?.[0] ?? -1n, to ?? 0n]);
}

/** Runs a statement with those of the values that it names; returns the rows that it changed. */
async function run(session: Session, sql: string, values: Record<string, DuckDBValue>): Promise<number> {
  const prepared = await session.connection.prepare(sql);
  try {
    const names = Array.from({ length: prepared.parameterCount }, (_, index) =>
      prepared.parameterName(index + 1),
    );
    if (names.length > 0)
      prepared.bind(Object.fromEntries(names.map((name) => [name, values[name] ?? null])));
    return (await prepared.run()).rowsChanged;
  } finally {
    prepared.destroySync();
  }
}
