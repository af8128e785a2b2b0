import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type DuckDBConnection, DuckDBInstance, type DuckDBValue } from '@duckdb/node-api';
import { registerAead } from './aead.ts';
import type { Keysets } from './keysets.ts';
import { BASE_MACROS, MACROS } from './macros.ts';
import { literal } from './types.ts';

/** The catalog name of the file database; tables are `bq.<dataset>.<table>`. */
export const CATALOG = 'bq';

const SETTINGS = {
  threads: '2',
  memory_limit: '288MB',
  // BigQuery's order: NULL is the smallest value.
  default_null_order: 'nulls_first_on_asc_last_on_desc',
  // What spills is a query's result, perhaps decrypted: unreadable without this process's key. DuckDB
  // calls its built-in cipher unsafe since its randomness is weak; OpenSSL's would have to be downloaded.
  temp_file_encryption: 'true',
  force_mbedtls_unsafe: 'true',
  // Most of what stands in these tables is ciphertext: choosing a compression for it takes three times as long
  // as writing it.
  force_compression: 'uncompressed',
};

/** DuckDB with the tables in a file, and results, macros and functions in memory. */
export class Engine {
  readonly #instance: DuckDBInstance;
  #writing: Promise<unknown> = Promise.resolve();

  private constructor(instance: DuckDBInstance) {
    this.#instance = instance;
  }

  static async open(folder: string, keysets: Keysets): Promise<Engine> {
    const instance = await DuckDBInstance.create(':memory:', {
      ...SETTINGS,
      temp_directory: join(folder, 'spill'),
    });
    const engine = new Engine(instance);
    const file = join(folder, 'bigquery.duckdb');
    await engine.use(async (connection) => {
      // Typed macros, and so the storage version that knows them: DuckDB 1.4.
      const version = existsSync(file) ? '' : " (STORAGE_VERSION 'v1.4.0')";
      await connection.run(`ATTACH ${literal(file)} AS ${CATALOG}${version}`);
      for (const macro of [...BASE_MACROS, ...MACROS]) await connection.run(`CREATE MACRO ${macro}`);
      await connection.run('CREATE SCHEMA results');
      registerAead(connection, keysets);
      // Whatever SQL comes in: files outside the state folder stay out of reach.
      await connection.run(`SET allowed_directories = [${literal(`${resolve(folder)}/`)}]`);
      await connection.run('SET enable_external_access = false');
      await connection.run("SET GLOBAL TimeZone = 'UTC'");
      await connection.run('SET lock_configuration = true');
    });
    return engine;
  }

  /** A connection of one's own, with transactions and temporary tables of its own. */
  connect(): Promise<DuckDBConnection> {
    return this.#instance.connect();
  }

  async use<T>(work: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
    const connection = await this.connect();
    try {
      return await work(connection);
    } finally {
      connection.closeSync();
    }
  }

  /**
   * One writer at a time: BigQuery queues mutating statements on a table, DuckDB would fail the later.
   * Readers go on beside it, on the last committed state.
   */
  async exclusively<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#writing;
    const mine = before.then(work, work);
    this.#writing = mine.catch(() => undefined);
    return mine;
  }

  /** Writes everything to the file and lets it go. */
  async close(): Promise<void> {
    await this.exclusively(() => this.use((connection) => connection.run(`CHECKPOINT ${CATALOG}`)));
    await this.use((connection) => connection.run(`DETACH ${CATALOG}`));
    this.#instance.closeSync();
  }
}

/** Parameters as DuckDB takes them: none are no object. */
export const bound = (values: Record<string, DuckDBValue>): Record<string, DuckDBValue> | undefined =>
  Object.keys(values).length > 0 ? values : undefined;

/** All rows of a small result. */
export async function rows(
  connection: DuckDBConnection,
  sql: string,
  values: Record<string, DuckDBValue> = {},
): Promise<DuckDBValue[][]> {
  const reader = await connection.runAndReadAll(sql, bound(values));
  return reader.getRows();
}
