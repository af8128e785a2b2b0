import { blobValue, type DuckDBValue, listValue } from '@duckdb/node-api';
import { invalidQuery } from '../../errors/google-error.ts';
import { asObject, type Json, objectOr, text } from '../../http/router.ts';
import { duckdbType } from '../duckdb/types.ts';

/**
 * A typed constant: a query parameter or a script variable. All but BYTES are bound as text and cast in
 * SQL, so that no number passes through a JavaScript double.
 */
export interface Typed {
  /** DuckDB's type. */
  type: string;
  value: DuckDBValue;
}

/** The parameters of a statement: by name in lower case, or by position. */
export interface Parameters {
  named: Map<string, Typed>;
  positional: Typed[];
}

export const NO_PARAMETERS: Parameters = { named: new Map(), positional: [] };

/** https://cloud.google.com/bigquery/docs/reference/rest/v2/QueryParameter */
export function readParameters(list: unknown): Parameters {
  const parameters: Parameters = { named: new Map(), positional: [] };
  for (const item of Array.isArray(list) ? list : []) {
    const one = asObject(item, 'A query parameter');
    const typed = readValue(objectOr(one.parameterType), objectOr(one.parameterValue), text(one.name) ?? '?');
    const name = text(one.name);
    if (name === undefined || name === '') parameters.positional.push(typed);
    else parameters.named.set(name.toLowerCase(), typed);
  }
  return parameters;
}

function readValue(type: Json, given: Json, name: string): Typed {
  const kind = text(type.type)?.toUpperCase() ?? 'STRING';
  if (kind === 'ARRAY') {
    const element = objectOr(type.arrayType);
    const items = Array.isArray(given.arrayValues) ? given.arrayValues : [];
    const values = items.map((item) => readValue(element, objectOr(item), name).value);
    return { type: `${duckdbType(text(element.type) ?? 'STRING')}[]`, value: listValue(values) };
  }
  const duckdb = duckdbType(kind);
  if (given.value === undefined || given.value === null) return { type: duckdb, value: null };
  const value = text(given.value) ?? (typeof given.value === 'boolean' ? String(given.value) : undefined);
  if (value === undefined) {
    throw invalidQuery(`Invalid value for parameter ${name}: its value must be a JSON string`);
  }
  return { type: duckdb, value: duckdb === 'BLOB' ? blobValue(Buffer.from(value, 'base64')) : value };
}
