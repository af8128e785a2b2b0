import type { DuckDBValue } from '@duckdb/node-api';
import type { KeyFunctions } from '../duckdb/key-functions.ts';
import type { PartitionFilter } from '../duckdb/partition-filter.ts';
import type { Typed } from './values.ts';

/** A table as a statement names it. */
export interface TableRef {
  /** What stands for it in DuckDB. */
  sql: string;
  /** Its own name, the implicit alias. */
  name: string;
  columns: readonly string[];
  /** Where it takes no query without such a filter. */
  filter?: PartitionFilter | undefined;
  /** What a view's query binds. */
  bindings?: Readonly<Record<string, DuckDBValue>>;
}

/** What names in a statement stand for. */
export interface Names {
  parameter(name: string): Typed | undefined;
  positional(index: number): Typed | undefined;
  variable(name: string): Typed | undefined;
  system(name: string): Typed | undefined;
  /** @throws GoogleError notFound. `snapshot`: microseconds, for FOR SYSTEM_TIME AS OF. */
  table(parts: readonly string[], snapshot?: bigint): TableRef;
  /** The statement's CURRENT_TIMESTAMP, as text. */
  now: string;
  /** SESSION_USER(): the e-mail address of the job's caller. */
  user: string;
  keys: KeyFunctions;
}
