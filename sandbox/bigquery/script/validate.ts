import { invalidQuery } from '../../errors/google-error.ts';
import { text } from '../../http/router.ts';
import type { Catalog } from '../duckdb/catalog.ts';
import { at } from '../translate/ranges.ts';
import { type Token, tokenize } from '../translate/tokens.ts';
import { parseScript, type Statement } from './parse.ts';

export const DML = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE', 'TRUNCATE']);
export const DDL = new Set(['CREATE', 'DROP', 'ALTER']);
/** https://cloud.google.com/bigquery/quotas#procedure_limits */
export const MAX_CALLS = 50;

/** A script that was found to be well-formed. */
export interface Script {
  statements: Statement[];
  /** Whether it may change a table: such scripts run one after another. */
  changes: boolean;
  /** Whether it has functions that decrypt. */
  decrypts: boolean;
}

/**
 * Parses a script, and the procedures that it calls, before any of it runs, so that a syntax error changes
 * nothing. @throws GoogleError invalidQuery
 */
export function validateScript(source: string, catalog: Catalog): Script {
  const tokens = tokenize(source);
  const statements = parseScript(tokens, source);
  if (statements.length === 0) throw invalidQuery('Syntax error: Unexpected end of statement');
  const texts: Token[][] = [[...tokens]];
  return {
    statements,
    changes: statements.some((statement) => mutates(statement, catalog, texts, 0)),
    decrypts: texts.some((text) => text.some((token) => token.upper === 'AEAD' || token.upper === 'KEYS')),
  };
}

/** Whether a statement, or a procedure that it calls, may change a table. `texts` collects their tokens. */
function mutates(statement: Statement, catalog: Catalog, texts: Token[][], depth: number): boolean {
  const any = (list: readonly Statement[]): boolean =>
    list.map((one) => mutates(one, catalog, texts, depth)).includes(true);
  switch (statement.kind) {
    case 'sql':
      return DML.has(at(statement.tokens, 0).upper) || DDL.has(at(statement.tokens, 0).upper);
    case 'procedure':
    // What it will be is not known yet.
    case 'execute':
      return true;
    case 'if':
      return [...statement.branches.map(({ body }) => any(body)), any(statement.otherwise)].includes(true);
    case 'while':
      return any(statement.body);
    case 'block':
      return [any(statement.body), any(statement.handler ?? [])].includes(true);
    case 'call': {
      const [dataset, name] = statement.path.slice(-2);
      if (depth > MAX_CALLS || !dataset || !name || !catalog.hasRoutine(dataset, name)) return false;
      const source = text(catalog.routine(dataset, name).body.definitionBody) ?? '';
      const tokens = tokenize(source);
      texts.push(tokens);
      return parseScript(tokens, source)
        .map((one) => mutates(one, catalog, texts, depth + 1))
        .includes(true);
    }
    default:
      return false;
  }
}
