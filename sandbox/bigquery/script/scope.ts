import { DuckDBBlobValue, DuckDBListValue, type DuckDBValue } from '@duckdb/node-api';
import { invalidQuery } from '../../errors/google-error.ts';
import type { Typed } from '../translate/values.ts';

/** Script variables of nested blocks, by name in lower case. */
export class Scope {
  readonly #outer: Scope | undefined;
  readonly #own = new Map<string, Typed>();

  constructor(outer?: Scope) {
    this.#outer = outer;
  }

  get empty(): boolean {
    return this.#own.size === 0 && (this.#outer?.empty ?? true);
  }

  get(name: string): Typed | undefined {
    return this.#own.get(name) ?? this.#outer?.get(name);
  }

  /** @throws GoogleError invalidQuery for a value that is too large */
  declare(name: string, typed: Typed): void {
    checkSize(name, typed.value);
    this.#own.set(name, typed);
  }

  /** False when there is no such variable. @throws GoogleError invalidQuery for a value that is too large */
  set(name: string, typed: Typed): boolean {
    checkSize(name, typed.value);
    if (this.#own.has(name)) {
      this.#own.set(name, typed);
      return true;
    }
    return this.#outer?.set(name, typed) ?? false;
  }
}

/** The size of a variable is limited to 1 MB: https://cloud.google.com/bigquery/docs/multi-statement-queries */
const MOST_BYTES = 1024 * 1024;

function checkSize(name: string, value: DuckDBValue): void {
  if (bytesOf(value) > MOST_BYTES)
    throw invalidQuery(`The value of the variable ${name} is larger than ${MOST_BYTES} bytes`);
}

function bytesOf(value: DuckDBValue): number {
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (value instanceof DuckDBBlobValue) return value.bytes.length;
  if (value instanceof DuckDBListValue)
    return value.items.reduce<number>((sum, item) => sum + bytesOf(item), 0);
  return 0;
}
