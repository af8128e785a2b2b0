import { ALGORITHMS } from '../../../jobs/contract/algorithms.ts';
import { invalidQuery } from '../../errors/google-error.ts';
import type { KeyFunctions } from '../duckdb/key-functions.ts';
import { blob } from '../duckdb/types.ts';
import { at, closing, commas, type Range } from './ranges.ts';
import type { Token } from './tokens.ts';
import type { Typed } from './values.ts';

/** What a call's arguments are translated with. It is an interface, so that the rewriter can import this file. */
export interface ArgumentWriter {
  readonly tokens: readonly Token[];
  rewrite(range: Range): string;
  /** The constant that a range consists of, if it is one. */
  constant(range: Range): Typed | undefined;
}

/**
 * Whether a function with a simple name is one of keysets.
 *
 * @example
 * isKeyFunction('DETERMINISTIC_ENCRYPT'); // true
 */
export const isKeyFunction = (name: string): boolean => name.startsWith('DETERMINISTIC_');

/**
 * AEAD.*, DETERMINISTIC_* and KEYS.*: https://cloud.google.com/bigquery/docs/reference/standard-sql/aead_encryption_functions
 * An unwrapped first-level keyset never becomes part of DuckDB's SQL: a handle stands for it.
 *
 * @param safe whether SAFE. stands before the name: what does not open is NULL then, and not an error
 * https://cloud.google.com/bigquery/docs/reference/standard-sql/functions-reference#safe_prefix
 */
export function writeKeyCall(
  rewriter: ArgumentWriter,
  keys: KeyFunctions,
  name: string,
  range: Range,
  safe = false,
): string {
  const { tokens } = rewriter;
  const args = commas(tokens, range);
  const write = (index: number): string => {
    const arg = args[index];
    if (!arg) throw invalidQuery(`No matching signature for function ${name}: too few arguments`);
    return rewriter.rewrite(arg);
  };
  const constant = <T extends 'VARCHAR' | 'BLOB'>(index: number, type: T) => {
    const arg = args[index];
    const typed = arg && rewriter.constant(arg);
    if (!typed) {
      throw invalidQuery(`Argument ${index + 1} to ${name} must be a literal or query parameter`);
    }
    if (typed.value === null) throw invalidQuery(`Argument ${index + 1} to ${name} must not be NULL`);
    if (typed.type !== type) throw invalidQuery(`No matching signature for function ${name}`);
    return typed.value;
  };
  const string = (index: number): string => String(constant(index, 'VARCHAR'));
  const bytes = (index: number): Uint8Array => {
    const value = constant(index, 'BLOB');
    return typeof value === 'object' && value !== null && 'bytes' in value ? value.bytes : new Uint8Array();
  };

  /** The type of a key: a literal that is not NULL, or a parameter that may be anything until the function runs. */
  const keyType = (index: number, place: string, known?: readonly string[]): string => {
    const arg = args[index];
    const typed = arg && rewriter.constant(arg);
    if (arg === undefined || typed?.type !== 'VARCHAR')
      throw invalidQuery(`${place} in function ${name} must be a string literal or query parameter`);
    const { kind, value } = at(tokens, arg.from);
    if (known !== undefined && kind === 'string' && !known.includes(value))
      throw invalidQuery(
        `${place} in function ${name} must be one of '${known.join("', '")}', but is '${value}'`,
      );
    return rewriter.rewrite(arg);
  };

  /** The first argument: a handle for KEYSET_CHAIN, else an expression of BYTES. */
  const keyset = (): { handle: string } | { chain: string[] } | { sql: string } => {
    const arg = args[0];
    if (!arg) throw invalidQuery(`No matching signature for function ${name}: too few arguments`);
    const inner = callOf(rewriter, arg);
    if (inner?.name === 'KEYS.KEYSET_CHAIN') {
      const handle = writeKeyCall(rewriter, keys, inner.name, inner.args);
      return { handle };
    }
    // Under SAFE. the row keyset is opened by itself, so that one that does not open is NULL.
    if (inner?.name === 'AEAD.DECRYPT_BYTES' && !safe) {
      const parts = commas(tokens, inner.args);
      const outer = parts[0] && callOf(rewriter, parts[0]);
      if (outer?.name === 'KEYS.KEYSET_CHAIN' && parts.length === 3) {
        const handle = writeKeyCall(rewriter, keys, outer.name, outer.args);
        const [sealed, aad] = parts.slice(1).map((part) => rewriter.rewrite(part));
        return { chain: [handle, `${sealed}`, `bq_bytes(${aad})`] };
      }
    }
    return { sql: rewriter.rewrite(arg) };
  };

  if (safe && !SAFE_CALLS.includes(name))
    throw invalidQuery(`Function not found: SAFE.${name} (the sandbox has no such function)`);
  const suffix = safe ? '_safe' : '';
  switch (name) {
    case 'KEYS.KEYSET_CHAIN':
      return `'${keys.chain(string(0), bytes(1))}'`;
    case 'KEYS.NEW_WRAPPED_KEYSET':
      return blob(keys.newWrapped(string(0), string(1)));
    case 'KEYS.ROTATE_WRAPPED_KEYSET':
      return blob(keys.rotateWrapped(string(0), bytes(1), string(2)));
    case 'KEYS.REWRAP_KEYSET':
      return blob(keys.rewrap(string(0), string(1), bytes(2)));
    case 'KEYS.KEYSET_LENGTH':
    case 'KEYS.KEYSET_TO_JSON': {
      // Google's own analyzer has no signature for a KEYSET_CHAIN: these two take a keyset in the clear.
      if ('handle' in keyset()) throw invalidQuery(`No matching signature for function ${name}`);
      return `${name === 'KEYS.KEYSET_LENGTH' ? 'keyset_length' : 'keyset_to_json'}${suffix}(${write(0)})`;
    }
    case 'KEYS.NEW_KEYSET':
      return `keyset_new${suffix}(${keyType(0, 'First argument (key type)', ALGORITHMS)})`;
    case 'KEYS.ADD_KEY_FROM_RAW_BYTES': {
      const type = keyType(1, 'Second argument (key type)');
      return `keyset_add_raw${suffix}(${write(0)}, ${type}, ${write(2)})`;
    }
    case 'AEAD.DECRYPT_STRING':
    case 'AEAD.DECRYPT_BYTES':
    case 'AEAD.ENCRYPT':
    case 'DETERMINISTIC_DECRYPT_STRING':
    case 'DETERMINISTIC_DECRYPT_BYTES':
    case 'DETERMINISTIC_ENCRYPT': {
      const [, family, kind] = /^(AEAD|DETERMINISTIC)[._](.*)$/.exec(name) as unknown as [
        string,
        string,
        string,
      ];
      const called = `${family === 'AEAD' ? 'aead' : 'daead'}_${kind.toLowerCase()}${suffix}`;
      // Plaintext and AAD are bound as bytes: a STRING is its UTF-8.
      const rest = `${kind === 'ENCRYPT' ? `bq_bytes(${write(1)})` : write(1)}, bq_bytes(${write(2)})`;
      const set = keyset();
      if ('handle' in set) return `${called}_of_handle(${set.handle}, ${rest})`;
      if ('chain' in set) return `${called}_of_chain(${set.chain.join(', ')}, ${rest})`;
      return `${called}(${set.sql}, ${rest})`;
    }
    default:
      throw invalidQuery(`Function not found: ${name} (the sandbox has no such function)`);
  }
}

/** The functions that the sandbox has under SAFE.: all that look at values row by row. */
const SAFE_CALLS: readonly string[] = [
  'AEAD.DECRYPT_STRING',
  'AEAD.DECRYPT_BYTES',
  'AEAD.ENCRYPT',
  'DETERMINISTIC_DECRYPT_STRING',
  'DETERMINISTIC_DECRYPT_BYTES',
  'DETERMINISTIC_ENCRYPT',
  'KEYS.NEW_KEYSET',
  'KEYS.ADD_KEY_FROM_RAW_BYTES',
  'KEYS.KEYSET_LENGTH',
  'KEYS.KEYSET_TO_JSON',
];

/** `A.B(…)` when a range is nothing else. */
function callOf({ tokens }: ArgumentWriter, { from, to }: Range): { name: string; args: Range } | undefined {
  if (at(tokens, from + 1).text !== '.' || at(tokens, from + 3).text !== '(') return undefined;
  if (closing(tokens, from + 3) !== to - 1) return undefined;
  return {
    name: `${at(tokens, from).upper}.${at(tokens, from + 2).upper}`,
    args: { from: from + 4, to: to - 1 },
  };
}
