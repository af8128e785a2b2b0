import type { DuckDBValue } from '@duckdb/node-api';
import { GoogleError, invalidQuery } from '../../errors/google-error.ts';
import type { Table } from '../duckdb/catalog.ts';
import type { KeyFunctions } from '../duckdb/key-functions.ts';
import type { PartitionFilter } from '../duckdb/partition-filter.ts';
import type { Names } from '../translate/names.ts';
import { requireFilterIn } from '../translate/partition-filter.ts';
import { Rewriter } from '../translate/rewrite.ts';
import { type Token, tokenize } from '../translate/tokens.ts';

/** A condition in DuckDB's SQL with what is bound to it. */
export interface Restriction {
  readonly sql: string;
  readonly values: Record<string, DuckDBValue>;
}

function noKeys(): never {
  throw invalidQuery('A row restriction calls no functions of keysets');
}
const NO_KEYS: KeyFunctions = { chain: noKeys, newWrapped: noKeys, rotateWrapped: noKeys, rewrap: noKeys };

const noSubquery = (): GoogleError =>
  new GoogleError('INVALID_ARGUMENT', 'A row restriction has no subqueries.');

const nothing = (): undefined => undefined;

/** What names stand for in a row restriction: columns of its table, and nothing else. */
const names = (): Names => ({
  now: new Date().toISOString(),
  keys: NO_KEYS,
  user: '',
  parameter: nothing,
  positional: nothing,
  variable: nothing,
  system: nothing,
  table() {
    throw noSubquery();
  },
});

/**
 * Translates a row restriction, "similar to a WHERE clause in a query", by the sandbox's own translator. An empty
 * one keeps every row.
 * https://cloud.google.com/bigquery/docs/reference/storage/rpc/google.cloud.bigquery.storage.v1#tablereadoptions
 */
export function restriction(text: string, table: Table, filter?: PartitionFilter): Restriction {
  const tokens = tokenize(text);
  requireFilter(tokens, table.id, filter);
  if (text.trim() === '') return { sql: 'TRUE', values: {} };
  if (tokens.some(({ kind, upper }) => kind === 'word' && upper === 'SELECT')) throw noSubquery();
  const rewriter = new Rewriter(tokens, names());
  const columns = table.schema.map(({ name }) => name);
  rewriter.learn({ sql: '', name: table.id, columns });
  const sql = rewriter.rewrite({ from: 0, to: tokens.length - 1 });
  return { sql: `(${sql})`, values: rewriter.bindings };
}

/** A session needs the filter that a query would. @throws GoogleError INVALID_ARGUMENT */
function requireFilter(tokens: readonly Token[], alias: string, filter: PartitionFilter | undefined): void {
  try {
    requireFilterIn(tokens, { from: 0, to: tokens.length - 1 }, alias, filter);
  } catch (error) {
    if (!(error instanceof GoogleError)) throw error;
    throw new GoogleError('INVALID_ARGUMENT', `request failed: ${error.message}`);
  }
}
