import type { DuckDBConnection, DuckDBValue } from '@duckdb/node-api';
import { GoogleError, invalidQuery } from '../../errors/google-error.ts';
import type { Access } from '../access.ts';
import type { Backend } from '../duckdb/backend.ts';
import { isView, type Table, tableSql, viewQuery } from '../duckdb/catalog.ts';
import { bound, rows } from '../duckdb/engine.ts';
import { cancelled } from '../duckdb/failures.ts';
import { asOf } from '../duckdb/history.ts';
import { type KeyFunctions, NO_KEYS } from '../duckdb/key-functions.ts';
import { requiredFilter } from '../duckdb/partitioning.ts';
import { quote } from '../duckdb/types.ts';
import { snapshotRange } from '../translate/clauses.ts';
import type { Names, TableRef } from '../translate/names.ts';
import { Rewriter } from '../translate/rewrite.ts';
import { type Token, tokenize } from '../translate/tokens.ts';
import type { Parameters, Typed } from '../translate/values.ts';
import { viewSql } from '../translate/view-query.ts';
import { columnsNamed, readColumns } from './columns.ts';
import { Scope } from './scope.ts';
import { Transaction } from './transaction.ts';

/** What a job says about how its script runs. */
export interface ScriptOptions {
  location: string;
  parameters: Parameters;
  defaultDataset: string | undefined;
  jobId: string;
  /** What the job's caller may read and change. */
  access: Access;
  /** The table whose rows are in the streaming buffer, where a rule of faults says so. */
  streaming?: string | undefined;
}

/** A statement in DuckDB's SQL with what is bound to it. */
export interface Compiled {
  sql: string;
  values: Record<string, DuckDBValue>;
}

/**
 * As of when a statement reads each of its tables, in microseconds; undefined for now. "A single query statement can't
 * reference a single table at more than one point in time, including the current time."
 * https://cloud.google.com/bigquery/docs/reference/standard-sql/query-syntax#for_system_time_as_of
 */
type Reads = Map<Table, bigint | undefined>;

const TIMESTAMP = 'TIMESTAMP WITH TIME ZONE';
/** One script's connection, transaction and variables; it compiles the script's statements for DuckDB. */
export class Session {
  readonly backend: Backend;
  readonly options: ScriptOptions;
  readonly connection: DuckDBConnection;
  readonly transaction: Transaction;
  /** The variables in sight; a called procedure has its own. */
  scope = new Scope();
  parameters: Parameters;
  rowCount = 0;
  errorMessage: string | null = null;
  cancelled = false;
  readonly temporary = new Map<string, TableRef>();

  constructor(backend: Backend, options: ScriptOptions, connection: DuckDBConnection) {
    this.backend = backend;
    this.options = options;
    this.connection = connection;
    this.transaction = new Transaction(connection, backend.catalog);
    this.parameters = options.parameters;
  }

  /** Cancels the script: its running statement fails, or else its next one. */
  cancel(): void {
    this.cancelled = true;
    this.connection.interrupt();
  }

  checkCancelled(): void {
    if (this.cancelled) throw cancelled();
  }

  /** Compiles a statement's tokens; `write` turns the rewriter's ranges into the whole. */
  async compile(
    tokens: readonly Token[],
    write: (rewriter: Rewriter) => string,
  ): Promise<Compiled & { close: () => void }> {
    const moments = await this.#snapshots(tokens);
    const keys = this.backend.keysets.statement(this.options.location, this.options.access);
    try {
      const now = this.transaction.now;
      const reads: Reads = new Map();
      const make = (functions: KeyFunctions) =>
        new Rewriter(tokens, this.#names(now, functions, tokens, reads), moments);
      const rewriter = make(keys.functions);
      if (!this.scope.empty) {
        const scout = make(NO_KEYS);
        write(scout);
        rewriter.adopt(scout);
      }
      const sql = write(rewriter);
      return { sql, values: rewriter.bindings, close: keys.close };
    } catch (error) {
      keys.close();
      throw error;
    }
  }

  /** The value of an expression; `type` casts it. */
  async evaluate(tokens: readonly Token[], type?: string): Promise<Typed> {
    const [value] = await this.#values(tokens, (sql) => `SELECT (${sql}) AS v`, type ? [type] : undefined);
    return value ?? { type: type ?? 'BIGINT', value: null };
  }

  /** The columns of `(a, b)`, or of the single row of `(SELECT AS STRUCT a, b …)`. */
  async evaluateTuple(tokens: readonly Token[], types: string[]): Promise<Typed[]> {
    const words = tokens.slice(0, 4).map(({ upper }) => upper);
    const isQuery = words.join(' ') === '( SELECT AS STRUCT';
    // Without AS STRUCT the row's columns are the struct's members.
    const plain = isQuery ? [...tokens.slice(0, 2), ...tokens.slice(4)] : tokens;
    const inner = (sql: string): string => sql.trim().replace(/^\(([\s\S]*)\)$/, '$1');
    return this.#values(plain, (sql) => (isQuery ? inner(sql) : `SELECT ${inner(sql)}`), types);
  }

  async #values(
    tokens: readonly Token[],
    query: (sql: string) => string,
    types?: string[],
  ): Promise<Typed[]> {
    const compiled = await this.compile(tokens, (r) => r.rewrite({ from: 0, to: tokens.length - 1 }));
    try {
      const inner = query(compiled.sql);
      const reader = await this.connection.runAndReadAll(inner, bound(compiled.values));
      const found = types ?? reader.columnTypes().map(String);
      const [row] = reader.getRows();
      if (reader.columnCount !== found.length)
        throw invalidQuery('The numbers of variables and values differ');
      const values: Typed[] = [];
      for (const [index, type] of found.entries()) {
        values.push({ type, value: await this.#convert(row?.[index] ?? null, type) });
      }
      return values;
    } finally {
      compiled.close();
    }
  }

  /** Constants are kept as text, BLOB values and lists as they are. */
  async #convert(value: DuckDBValue, type: string): Promise<DuckDBValue> {
    if (value === null || type === 'BLOB' || type.endsWith('[]')) return value;
    const [[text] = []] = await rows(this.connection, `SELECT CAST(CAST($v AS ${type}) AS VARCHAR)`, {
      v: typeof value === 'bigint' ? String(value) : value,
    });
    return text ?? null;
  }

  /** What names stand for in a statement of this moment. */
  names(keys: KeyFunctions, tokens: readonly Token[]): Names {
    return this.#names(this.transaction.now, keys, tokens);
  }

  #names(now: string, keys: KeyFunctions, tokens: readonly Token[], reads: Reads = new Map()): Names {
    const { catalog } = this.backend;
    return {
      now,
      keys,
      user: this.options.access.user,
      parameter: (name) => this.parameters.named.get(name),
      positional: (index) => this.parameters.positional[index],
      variable: (name) => this.scope.get(name),
      system: (name) => this.#system(name),
      table: (parts, micros) => {
        const temporary = parts.length === 1 && this.temporary.get(parts[0]?.toLowerCase() ?? '');
        if (temporary) return temporary;
        const table = this.table(parts, (access, ...name) => access.read(...name));
        if (isView(table)) {
          if (micros !== undefined) throw invalidQuery('The sandbox has no past of views');
          return this.#view(table, now, keys, reads);
        }
        if (reads.has(table) && reads.get(table) !== micros)
          throw invalidQuery(
            `Table ${catalog.project}:${table.dataset}.${table.id} is read as of more than one moment, which a statement cannot`,
          );
        reads.set(table, micros);
        const sql = micros === undefined ? tableSql(table) : asOf(catalog, table, micros);
        readColumns(this.options.access, table, columnsNamed(tokens, table));
        const filter = requiredFilter(catalog.project, table);
        return { sql, name: table.id, columns: table.schema.map((field) => field.name), filter };
      },
    };
  }

  /**
   * What stands for a view in a statement that reads it. Its tables are asked for as its dataset's: a dataset that
   * authorises the views of another lets them in in their reader's place.
   */
  #view(view: Table, now: string, keys: KeyFunctions, reads: Reads): TableRef {
    const tokens = tokenize(viewQuery(view));
    const names = this.#names(now, keys, tokens, reads);
    const { sql, bindings } = this.options.access.through(view.dataset, () => viewSql(tokens, names));
    return { sql: `(${sql})`, name: view.id, columns: view.schema.map(({ name }) => name), bindings };
  }

  /** The catalog's table of a path, for what `ask` asks to be allowed. @throws GoogleError accessDenied, notFound */
  table(parts: readonly string[], ask: (access: Access, dataset: string, table: string) => void): Table {
    const { dataset, name } = this.qualify(parts, 'Table');
    ask(this.options.access, dataset, name);
    return this.backend.catalog.table(dataset, name);
  }

  /** Dataset and name of a path of two or three parts, or one where there is a default dataset. */
  qualify(parts: readonly string[], what: string): { dataset: string; name: string } {
    if (parts.some((part) => part.toUpperCase() === 'INFORMATION_SCHEMA')) {
      throw invalidQuery('The sandbox has no INFORMATION_SCHEMA');
    }
    const name = parts.at(-1) ?? '';
    const dataset = parts.at(-2) ?? this.options.defaultDataset;
    if (dataset === undefined || parts.length > 3) {
      throw invalidQuery(
        `${what} "${parts.join('.')}" must be qualified with a dataset (e.g. dataset.table).`,
      );
    }
    this.backend.catalog.placed(dataset, this.options.location);
    return { dataset, name };
  }

  #system(name: string): Typed | undefined {
    switch (name) {
      case 'row_count':
        return { type: 'BIGINT', value: String(this.rowCount) };
      case 'error.message':
        return { type: 'VARCHAR', value: this.errorMessage };
      case 'project_id':
        return { type: 'VARCHAR', value: this.backend.catalog.project };
      case 'script.job_id':
        return { type: 'VARCHAR', value: this.options.jobId };
      case 'time_zone':
        return { type: 'VARCHAR', value: 'UTC' };
      default:
        return undefined;
    }
  }

  /** Works out every FOR SYSTEM_TIME AS OF of a statement, by the place of its expression. */
  async #snapshots(tokens: readonly Token[]): Promise<Map<number, bigint>> {
    const moments = new Map<number, bigint>();
    for (let index = 0; index < tokens.length; index++) {
      const range = snapshotRange(tokens, index, tokens.length - 1);
      if (!range) continue;
      await this.backend.catalog.settled();
      const names = this.#names(this.transaction.now, NO_KEYS, tokens);
      const rewriter = new Rewriter(tokens, names);
      const sql = `SELECT epoch_us(CAST((${rewriter.rewrite(range)}) AS ${TIMESTAMP}))`;
      const [[micros] = []] = await rows(this.connection, sql, rewriter.bindings);
      if (typeof micros !== 'bigint') {
        throw invalidQuery('FOR SYSTEM_TIME AS OF expression must not be NULL');
      }
      this.transaction.checkSnapshot(micros);
      moments.set(range.from, micros);
    }
    return moments;
  }

  async close(): Promise<void> {
    try {
      await this.transaction.rollback(true);
    } finally {
      this.connection.closeSync();
    }
  }

  async createTemporary(name: string, compiled: Compiled, replace: boolean): Promise<void> {
    const key = name.toLowerCase();
    if (this.temporary.has(key) && !replace) {
      throw new GoogleError('ALREADY_EXISTS', `Already Exists: Table ${name}`);
    }
    const sql = `temp.main.${quote(name)}`;
    await this.connection.run(
      `CREATE OR REPLACE TEMP TABLE ${sql} AS ${compiled.sql}`,
      bound(compiled.values),
    );
    const described = await rows(this.connection, `DESCRIBE ${sql}`);
    this.temporary.set(key, { sql, name, columns: described.map(([column]) => String(column)) });
  }
}
