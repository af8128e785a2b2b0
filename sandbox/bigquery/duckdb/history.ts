import type { DuckDBConnection } from '@duckdb/node-api';
import { GoogleError, invalidQuery } from '../../errors/google-error.ts';
import { type Catalog, type Kept, type Table, tableSql } from './catalog.ts';
import { CATALOG, rows } from './engine.ts';
import { quote } from './types.ts';

/** A larger table is not copied before a change: its past cannot be read. */
const KEPT_ROWS = 100_000;
/** The fewest and the most states of a table that are kept for FOR SYSTEM_TIME AS OF, besides the present one. */
const FEWEST = 3;
const MOST = 200;

/** DuckDB holds some 24 KB for each column of a table, however few rows it has; all columns of a table's states. */
const COLUMNS = 600;

/** How many: as many of a small table as an application that writes beside a run makes, few of a large or wide one. */
export function keptStates(rows: number, columns: number): number {
  const fitting = Math.min(MOST, (FEWEST * KEPT_ROWS) / Math.max(1, rows), COLUMNS / columns);
  return Math.max(FEWEST, Math.floor(fitting));
}

const HOME = `${CATALOG}."_history"`;

/**
 * Keeps the state of a table that the transaction at hand is about to change. Moments are milliseconds,
 * as Reseal's snapshots are: a snapshot of the millisecond in which a table changed sees the change.
 */
export async function remember(connection: DuckDBConnection, catalog: Catalog, table: Table): Promise<Kept> {
  const [[counted] = []] = await rows(connection, `SELECT count(*) FROM ${tableSql(table)}`);
  const count = Number(counted);
  let copy: string | null = null;
  if (count <= KEPT_ROWS) {
    await connection.run(`CREATE SCHEMA IF NOT EXISTS ${HOME}`);
    copy = `${HOME}.${quote(`${table.dataset}.${table.id}.${crypto.randomUUID()}`)}`;
    await connection.run(`CREATE TABLE ${copy} AS SELECT * FROM ${tableSql(table)}`);
  }
  let recorded: Pick<Table, 'changedMillis' | 'versions'> = table;
  return {
    async record() {
      const now = Date.now();
      const versions = [...table.versions, { from: table.changedMillis, until: now, copy }];
      for (const old of versions.splice(0, versions.length - keptStates(count, table.schema.length))) {
        if (old.copy) await connection.run(`DROP TABLE IF EXISTS ${old.copy}`);
      }
      recorded = { versions, changedMillis: now };
      await catalog.record(connection, 'table', `${table.dataset}.${table.id}`, { ...table, ...recorded });
    },
    show: () => void Object.assign(table, recorded),
  };
}

/** What to read for a table as of a moment (microseconds). */
export function asOf(catalog: Catalog, table: Table, micros: bigint): string {
  const millis = Number(micros / 1000n);
  const name = `${catalog.project}:${table.dataset}.${table.id}`;
  if (millis > Date.now()) {
    throw invalidQuery(`Invalid snapshot time ${millis} for table ${name}. Cannot be in the future.`);
  }
  if (millis >= table.changedMillis) return tableSql(table);
  if (millis < table.createdMillis) {
    throw new GoogleError('NOT_FOUND', `Not found: Table ${name} was not found at snapshot time ${millis}.`);
  }
  const version = table.versions.find((one) => millis >= one.from && millis < one.until);
  if (version?.copy) return version.copy;
  throw invalidQuery(
    `Invalid snapshot time ${millis} for table ${name}. The sandbox keeps no older states of a table as large and wide as this one, and none of more than ${KEPT_ROWS} rows.`,
  );
}
