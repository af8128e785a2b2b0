import type { DuckDBConnection } from '@duckdb/node-api';
import { invalidQuery } from '../../errors/google-error.ts';
import type { Catalog, Kept, Table } from '../duckdb/catalog.ts';
import { queryFailure } from '../duckdb/failures.ts';
import { remember } from '../duckdb/history.ts';
import { checkStreamed } from '../duckdb/streamed.ts';

/**
 * The transaction of a script, and the rules for what may happen in it.
 * https://cloud.google.com/bigquery/docs/transactions
 */
export class Transaction {
  readonly #connection: DuckDBConnection;
  readonly #catalog: Catalog;
  #state: 'none' | 'open' | 'aborted' = 'none';
  #start = new Date(0);
  /** Whether it is that of a single statement, which the script has put into none. */
  #isOwn = false;
  /** Tables whose past the open transaction has kept. */
  readonly #remembered = new Map<Table, Kept>();

  constructor(connection: DuckDBConnection, catalog: Catalog) {
    this.#connection = connection;
    this.#catalog = catalog;
  }

  /** An aborted transaction stays active until the script rolls it back. */
  get isActive(): boolean {
    return this.#state !== 'none';
  }

  /** What CURRENT_TIMESTAMP() is now: in a transaction the moment of its start. */
  get now(): string {
    return (this.isActive ? this.#start : new Date()).toISOString();
  }

  /** `own`: of a single statement that the script has put into none. */
  async begin(own = false): Promise<void> {
    if (this.isActive) throw invalidQuery('Cannot begin a nested transaction');
    await this.#connection.run('BEGIN TRANSACTION');
    this.#start = new Date();
    this.#isOwn = own;
    this.#state = 'open';
  }

  async commit(): Promise<void> {
    if (this.#state !== 'open') {
      throw invalidQuery(this.isActive ? 'Transaction is aborted' : 'No active transaction to commit');
    }
    await this.#catalog.commit(this.#connection, this.#remembered.values());
    this.#state = 'none';
    this.#remembered.clear();
  }

  /** Undoes the open transaction. Without one: an error, as in BigQuery, unless `quiet`. */
  async rollback(quiet = false): Promise<void> {
    if (this.#state === 'none' && !quiet) throw invalidQuery('No active transaction to roll back');
    if (this.#state === 'open') await this.#catalog.rollback(this.#connection);
    this.#state = 'none';
    this.#remembered.clear();
  }

  /** A failed statement undoes its transaction; a handler may still say ROLLBACK TRANSACTION. */
  async abort(): Promise<void> {
    if (this.#state !== 'open') return;
    await this.#catalog.rollback(this.#connection);
    this.#state = 'aborted';
    this.#remembered.clear();
  }

  /** @throws GoogleError in a transaction that an error has ended */
  check(): void {
    if (this.#state === 'aborted') throw invalidQuery('Transaction is aborted; roll it back first');
  }

  /**
   * A transaction sees what was there at its start, and may go back from it, not forward.
   *
   * @throws GoogleError for a later moment, in microseconds
   */
  checkSnapshot(micros: bigint): void {
    if (this.isActive && !this.#isOwn && micros / 1000n > BigInt(this.#start.getTime()))
      throw invalidQuery(
        'FOR SYSTEM_TIME AS OF in a transaction cannot be after the start of the transaction',
      );
  }

  /** Changes a table: its past is kept, and what `work` does is done whole or not at all. */
  async change<T>(table: Table | undefined, work: () => Promise<T>): Promise<T> {
    const own = !this.isActive;
    if (own) await this.begin(true);
    try {
      if (table && !this.#remembered.has(table)) {
        this.#remembered.set(table, await remember(this.#connection, this.#catalog, table));
      }
      const result = await work();
      if (table) await checkStreamed(this.#connection, table);
      if (own) await this.commit();
      return result;
    } catch (error) {
      if (own) await this.rollback(true);
      throw queryFailure(error);
    }
  }

  /** A DDL statement's work; transactions take none but on temporary tables. */
  async define<T>(work: () => Promise<T>): Promise<T> {
    if (this.isActive) {
      throw invalidQuery(
        'DDL statements are not supported in a transaction, except for those creating or dropping temporary tables.',
      );
    }
    return this.change(undefined, work);
  }
}
