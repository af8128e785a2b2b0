import { mkdirSync, rmSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Backend } from '../bigquery/duckdb/backend.ts';
import { tableSql } from '../bigquery/duckdb/catalog.ts';
import { rows } from '../bigquery/duckdb/engine.ts';
import { asOf } from '../bigquery/duckdb/history.ts';
import { literal } from '../bigquery/duckdb/types.ts';
import { load } from '../bigquery/load/load.ts';
import { argument } from './arguments.ts';

type Arguments = ReadonlyMap<string, string>;

/**
 * Puts the tables that the application reads into `folder` as Parquet: the users as of the run's snapshot,
 * the rejected rows and the wrapped keysets. In the cloud the BigQuery connector does this.
 */
export async function exportTables(
  { engine, catalog }: Backend,
  args: Arguments,
  folder: string,
): Promise<void> {
  const dataset = argument(args, 'dataset-id');
  const micros = BigInt(argument(args, 'snapshot-millis')) * 1000n;
  const source = catalog.table(dataset, argument(args, 'source-table'));
  const sources = {
    users: asOf(catalog, source, micros),
    users_rejected: tableSql(catalog.table(dataset, argument(args, 'rejected-table'))),
    keysets: tableSql(catalog.table(dataset, argument(args, 'keysets-table'))),
  };
  await engine.use(async (connection) => {
    for (const [name, from] of Object.entries(sources)) {
      mkdirSync(join(folder, name), { recursive: true, mode: 0o700 });
      const file = join(folder, name, 'part-0.parquet');
      // Row groups are what a local Spark's two tasks share between them.
      await connection.run(
        `COPY (SELECT * FROM ${from}) TO ${literal(file)} (FORMAT parquet, ROW_GROUP_SIZE 50000)`,
      );
    }
  });
}

/** Loads what the application wrote into the staging table, whole or not at all. */
export async function loadStaged(
  { engine, catalog }: Backend,
  args: Arguments,
  folder: string,
): Promise<void> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.parquet'));
  const destinationTable = {
    datasetId: argument(args, 'dataset-id'),
    tableId: argument(args, 'destination-table'),
  };
  const files = names.map((name) => join(folder, name));
  await load(engine, catalog, { destinationTable, sourceFormat: 'PARQUET' }, files);
}

/** The wrapped keyset of the batch's version. */
export async function wrappedKeyset({ engine, catalog }: Backend, args: Arguments): Promise<Buffer> {
  const table = tableSql(catalog.table(argument(args, 'dataset-id'), argument(args, 'keysets-table')));
  const sql = `SELECT to_base64(wrapped) FROM ${table} WHERE version = $version`;
  const version = BigInt(argument(args, 'keyset-version'));
  const [[wrapped] = []] = await engine.use((connection) => rows(connection, sql, { version }));
  if (wrapped === undefined) throw new Error(`there is no keyset of version ${version}`);
  return Buffer.from(String(wrapped), 'base64');
}

export const remove = (folder: string): void => rmSync(folder, { recursive: true, force: true });
