import type { DuckDBConnection } from '@duckdb/node-api';
import { GoogleError } from '../../errors/google-error.ts';
import { type Json, objectOr, text } from '../../http/router.ts';
import { CATALOG, type Engine, rows } from './engine.ts';
import { columnsOf, columnsSql, type SchemaField } from './schema.ts';
import { quote } from './types.ts';

/** A state of a table that a change ended. `copy` is null where it was too large to keep. */
interface Version {
  /** Milliseconds, first and last moment of it. */
  from: number;
  until: number;
  copy: string | null;
}

export interface Table {
  dataset: string;
  id: string;
  /** The REST resource as it was inserted: description, labels, clustering, timePartitioning, … */
  body: Json;
  schema: SchemaField[];
  createdMillis: number;
  changedMillis: number;
  versions: Version[];
  /** The streaming buffer: how many rows came by insertAll, and since when. */
  streamed?: { rows: number; sinceMillis: number };
}

/** A table's past, from the first change of a transaction to its end. */
export interface Kept {
  /** Records the past state in the transaction itself, so that a process killed at any moment leaves both or neither. */
  record(): Promise<void>;
  /** Shows it to readers, once the transaction is committed. */
  show(): void;
}

export interface Routine {
  dataset: string;
  id: string;
  body: Json;
  createdMillis: number;
}

export interface Dataset {
  id: string;
  body: Json;
  createdMillis: number;
}

interface Entry {
  dataset: Dataset;
  table: Table;
  routine: Routine;
}

/** Where the catalog lives beside the tables; no dataset id starts with an underscore and a letter. */
const HOME = `${CATALOG}."_sandbox"`;

/** What BigQuery knows of datasets, tables and routines beyond their rows. Kept in the same file. */
export class Catalog {
  /** The project of messages and references. A path's own project is not looked at: there is one set of datasets. */
  project: string;
  /** Is called for every routine whose body has changed, or that is gone. */
  onRoutineChange: (dataset: string, id: string) => void = () => {};
  readonly #datasets = new Map<string, Dataset>();
  readonly #tables = new Map<string, Table>();
  readonly #routines = new Map<string, Routine>();
  #committing: Promise<void> = Promise.resolve();
  /** Whether a transaction has changed what this process knows. There is one writer at a time. */
  #changed = false;

  private constructor(project: string) {
    this.project = project;
  }

  static async open(engine: Engine, project: string): Promise<Catalog> {
    const catalog = new Catalog(project);
    await engine.use(async (connection) => {
      await connection.run(`CREATE SCHEMA IF NOT EXISTS ${HOME}`);
      await connection.run(
        `CREATE TABLE IF NOT EXISTS ${HOME}.entries (kind VARCHAR, key VARCHAR, body VARCHAR)`,
      );
      await catalog.#read(connection);
    });
    return catalog;
  }

  async #read(connection: DuckDBConnection): Promise<void> {
    const entries = await rows(connection, `SELECT kind, key, body FROM ${HOME}.entries`);
    for (const known of [this.#datasets, this.#tables, this.#routines]) known.clear();
    for (const [kind, key, body] of entries)
      this.#map(kind as keyof Entry).set(String(key), JSON.parse(String(body)));
    this.#changed = false;
  }

  get datasets(): Dataset[] {
    return [...this.#datasets.values()];
  }

  tablesOf(dataset: string): Table[] {
    return [...this.#tables.values()].filter((table) => table.dataset === dataset);
  }

  routinesOf(dataset: string): Routine[] {
    return [...this.#routines.values()].filter((routine) => routine.dataset === dataset);
  }

  dataset(id: string): Dataset {
    const found = this.#datasets.get(id);
    if (found) return found;
    throw new GoogleError('NOT_FOUND', `Not found: Dataset ${this.project}:${id}`);
  }

  /**
   * Holds the location of a dataset, US unless it has one, against a job's. One that is not there passes: whoever reads
   * it says so.
   *
   * @throws GoogleError notFound for a dataset that is elsewhere
   */
  placed(id: string, location: string): void {
    const found = this.#datasets.get(id);
    const there = text(found?.body.location) ?? 'US';
    if (found === undefined || there.toLowerCase() === location.toLowerCase()) return;
    throw new GoogleError(
      'NOT_FOUND',
      `Not found: Dataset ${this.project}:${id} was not found in location ${location}`,
    );
  }

  findTable(dataset: string, id: string): Table | undefined {
    return this.#tables.get(`${dataset}.${id}`);
  }

  table(dataset: string, id: string): Table {
    this.dataset(dataset);
    const found = this.findTable(dataset, id);
    if (found) return found;
    throw new GoogleError('NOT_FOUND', `Not found: Table ${this.project}:${dataset}.${id}`);
  }

  routine(dataset: string, id: string): Routine {
    this.dataset(dataset);
    const found = this.#routines.get(`${dataset}.${id}`);
    if (found) return found;
    throw new GoogleError('NOT_FOUND', `Not found: Routine ${this.project}:${dataset}.${id}`);
  }

  async createDataset(connection: DuckDBConnection, id: string, body: Json): Promise<Dataset> {
    if (!/^[A-Za-z0-9][A-Za-z0-9_]{0,1023}$/.test(id)) {
      throw new GoogleError('INVALID_ARGUMENT', `Invalid dataset ID "${id}".`);
    }
    if (this.#datasets.has(id)) {
      throw new GoogleError('ALREADY_EXISTS', `Already Exists: Dataset ${this.project}:${id}`);
    }
    oneSpelling('Dataset', id, this.datasets);
    const dataset = { id, body, createdMillis: Date.now() };
    await connection.run(`CREATE SCHEMA IF NOT EXISTS ${CATALOG}.${quote(id)}`);
    await this.save(connection, 'dataset', id, dataset);
    return dataset;
  }

  async deleteDataset(connection: DuckDBConnection, id: string, contents: boolean): Promise<void> {
    this.dataset(id);
    const tables = this.tablesOf(id);
    if (tables.length > 0 && !contents) {
      throw new GoogleError('INVALID_ARGUMENT', `Dataset ${this.project}:${id} is still in use`, {
        reason: 'resourceInUse',
      });
    }
    for (const table of tables) await this.deleteTable(connection, id, table.id);
    for (const routine of this.routinesOf(id))
      await this.#forget(connection, 'routine', `${id}.${routine.id}`);
    await connection.run(`DROP SCHEMA ${CATALOG}.${quote(id)}`);
    await this.#forget(connection, 'dataset', id);
  }

  /** Creates a table from a REST body with a schema. */
  async createTable(connection: DuckDBConnection, dataset: string, id: string, body: Json): Promise<Table> {
    this.dataset(dataset);
    if (!/^[\p{L}\p{M}\p{N}\p{Pc}\p{Pd}\p{Zs}]{1,1024}$/u.test(id)) {
      throw new GoogleError('INVALID_ARGUMENT', `Invalid table ID "${id}".`);
    }
    if (this.findTable(dataset, id)) {
      throw new GoogleError('ALREADY_EXISTS', `Already Exists: Table ${this.project}:${dataset}.${id}`);
    }
    oneSpelling('Table', id, this.tablesOf(dataset));
    const schema = columnsOf(objectOr(body.schema).fields);
    if (schema.length === 0) {
      throw new GoogleError('INVALID_ARGUMENT', `The sandbox needs a schema for table ${dataset}.${id}.`);
    }
    const now = Date.now();
    const table: Table = {
      dataset,
      id,
      body,
      schema,
      createdMillis: now,
      changedMillis: now,
      versions: [],
    };
    await connection.run(`CREATE TABLE ${tableSql(table)} (${columnsSql(schema)})`);
    await this.save(connection, 'table', `${dataset}.${id}`, table);
    return table;
  }

  /** Makes a view, or replaces one. */
  async putView(
    connection: DuckDBConnection,
    dataset: string,
    id: string,
    body: Json,
    fields: Json[],
  ): Promise<void> {
    this.dataset(dataset);
    const now = Date.now();
    const createdMillis = this.findTable(dataset, id)?.createdMillis ?? now;
    const schema = columnsOf(fields);
    const view = { dataset, id, body, schema, createdMillis, changedMillis: now, versions: [] };
    await this.save(connection, 'table', `${dataset}.${id}`, view);
  }

  async deleteTable(connection: DuckDBConnection, dataset: string, id: string): Promise<void> {
    const table = this.table(dataset, id);
    if (isView(table)) return this.#forget(connection, 'table', `${dataset}.${id}`);
    for (const { copy } of table.versions) if (copy) await connection.run(`DROP TABLE IF EXISTS ${copy}`);
    await connection.run(`DROP TABLE ${tableSql(table)}`);
    await this.#forget(connection, 'table', `${dataset}.${id}`);
  }

  async putRoutine(connection: DuckDBConnection, dataset: string, id: string, body: Json): Promise<Routine> {
    this.dataset(dataset);
    const known = this.#routines.get(`${dataset}.${id}`);
    const routine = { dataset, id, body, createdMillis: known?.createdMillis ?? Date.now() };
    await this.save(connection, 'routine', `${dataset}.${id}`, routine);
    if (known && known.body.definitionBody !== body.definitionBody) this.onRoutineChange(dataset, id);
    return routine;
  }

  hasRoutine(dataset: string, id: string): boolean {
    return this.#routines.has(`${dataset}.${id}`);
  }

  async deleteRoutine(connection: DuckDBConnection, dataset: string, id: string): Promise<void> {
    this.routine(dataset, id);
    await this.#forget(connection, 'routine', `${dataset}.${id}`);
    this.onRoutineChange(dataset, id);
  }

  /** Adds columns, the only change of a schema that the sandbox makes. */
  async addColumns(connection: DuckDBConnection, table: Table, fields: SchemaField[]): Promise<void> {
    const known = new Map(table.schema.map((field) => [field.name.toLowerCase(), field]));
    for (const field of fields) {
      const old = known.get(field.name.toLowerCase());
      if (old && old.duckdb !== field.duckdb) {
        throw new GoogleError(
          'INVALID_ARGUMENT',
          `Provided Schema does not match Table ${this.project}:${table.dataset}.${table.id}. Field ${field.name} has changed type from ${old.type} to ${field.type}`,
        );
      }
      if (old) Object.assign(old, field);
      else {
        await connection.run(
          `ALTER TABLE ${tableSql(table)} ADD COLUMN ${quote(field.name)} ${field.duckdb}`,
        );
        table.schema.push(field);
      }
    }
    await this.saveTable(connection, table);
  }

  saveTable(connection: DuckDBConnection, table: Table): Promise<void> {
    return this.save(connection, 'table', `${table.dataset}.${table.id}`, table);
  }

  async save<K extends keyof Entry>(
    connection: DuckDBConnection,
    kind: K,
    key: string,
    entry: Entry[K],
  ): Promise<void> {
    await this.record(connection, kind, key, entry);
    this.#map(kind).set(key, entry);
    this.#changed = true;
  }

  /** Writes an entry to the file; what this process knows of it stays as it is. */
  async record<K extends keyof Entry>(
    connection: DuckDBConnection,
    kind: K,
    key: string,
    entry: Entry[K],
  ): Promise<void> {
    await connection.run(`DELETE FROM ${HOME}.entries WHERE kind = $kind AND key = $key`, { kind, key });
    await connection.run(`INSERT INTO ${HOME}.entries VALUES ($kind, $key, $body)`, {
      kind,
      key,
      body: JSON.stringify(entry),
    });
  }

  /**
   * Ends the transaction at hand, with the past of the tables that it changed. Whoever reads a past state waits for
   * that: the moment of a change is fixed before its commit, and a snapshot of that moment has to see it.
   */
  async commit(connection: DuckDBConnection, kept: Iterable<Kept>): Promise<void> {
    const all = [...kept];
    const work = async (): Promise<void> => {
      for (const one of all) await one.record();
      await connection.run('COMMIT');
      this.#changed = false;
      for (const one of all) one.show();
    };
    const committing = work();
    this.#committing = committing.catch(() => undefined);
    await committing;
  }

  /** Undoes the transaction at hand, and what this process knows of its changes. */
  async rollback(connection: DuckDBConnection): Promise<void> {
    await connection.run('ROLLBACK');
    if (this.#changed) await this.#read(connection);
  }

  /** Resolves when no commit is under way. */
  settled(): Promise<void> {
    return this.#committing;
  }

  async #forget(connection: DuckDBConnection, kind: keyof Entry, key: string): Promise<void> {
    await connection.run(`DELETE FROM ${HOME}.entries WHERE kind = $kind AND key = $key`, { kind, key });
    this.#map(kind).delete(key);
    this.#changed = true;
  }

  #map<K extends keyof Entry>(kind: K): Map<string, Entry[K]> {
    const maps = { dataset: this.#datasets, table: this.#tables, routine: this.#routines };
    return maps[kind] as unknown as Map<string, Entry[K]>;
  }
}

/** BigQuery tells names apart that differ in case alone; DuckDB, which holds the rows, does not. */
function oneSpelling(what: string, id: string, known: readonly { readonly id: string }[]): void {
  const like = known.find((one) => one.id.toLowerCase() === id.toLowerCase());
  if (like === undefined) return;
  throw new GoogleError(
    'UNIMPLEMENTED',
    `${what} ${id}: the sandbox has ${like.id} already, and no names that differ in case alone.`,
  );
}

/** Whether it is a view, which has no rows of its own. */
export const isView = ({ body }: Pick<Table, 'body'>): boolean => body.view !== undefined;

/** What a view shows. */
export const viewQuery = ({ body }: Pick<Table, 'body'>): string => text(objectOr(body.view).query) ?? '';

/** Throws GoogleError for a view, which only queries read. */
export function stored(table: Table, what: string): Table {
  if (!isView(table)) return table;
  throw new GoogleError('INVALID_ARGUMENT', `Cannot ${what} ${table.dataset}.${table.id}: it is a view.`);
}

/** A table's full name in DuckDB. */
export const tableSql = (table: Pick<Table, 'dataset' | 'id'>): string =>
  `${CATALOG}.${quote(table.dataset)}.${quote(table.id)}`;
