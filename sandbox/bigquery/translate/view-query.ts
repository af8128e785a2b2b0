import type { DuckDBValue } from '@duckdb/node-api';
import type { Names } from './names.ts';
import { Rewriter } from './rewrite.ts';
import type { Token } from './tokens.ts';

const nothing = (): undefined => undefined;

/** A view's query in DuckDB's SQL, and what it binds. It sees neither parameters nor variables. */
export function viewSql(
  tokens: readonly Token[],
  names: Names,
): { sql: string; bindings: Readonly<Record<string, DuckDBValue>> } {
  const own = { ...names, parameter: nothing, positional: nothing, variable: nothing, system: nothing };
  const rewriter = new Rewriter(tokens, own);
  return { sql: rewriter.rewrite({ from: 0, to: tokens.length - 1 }), bindings: rewriter.bindings };
}
