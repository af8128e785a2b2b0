import { GoogleError } from '../../errors/google-error.ts';
import { asObject, objectOr, required, text } from '../../http/router.ts';
import { duckdbType, quote, sqlType } from './types.ts';

/** A column of a table: the REST field, and DuckDB's type for it. */
export interface SchemaField {
  name: string;
  /** REST's name: INTEGER, STRING, … */
  type: string;
  mode: 'REQUIRED' | 'NULLABLE' | 'REPEATED';
  description?: string;
  policyTags?: unknown;
  duckdb: string;
}

const REST_NAMES: Record<string, string> = { INT64: 'INTEGER', FLOAT64: 'FLOAT', BOOL: 'BOOLEAN' };

/** Reads the fields of a REST schema. @throws GoogleError naming the field that is wrong */
export function columnsOf(fields: unknown): SchemaField[] {
  const seen = new Set<string>();
  return (Array.isArray(fields) ? fields : []).map((item) => {
    const field = asObject(item, 'A schema field');
    const name = required(field.name, 'schema.fields.name');
    if (!/^[\p{L}_][\p{L}\p{N}_-]{0,299}$/u.test(name)) {
      throw new GoogleError('INVALID_ARGUMENT', `Invalid field name "${name}".`);
    }
    if (seen.has(name.toLowerCase())) {
      throw new GoogleError('INVALID_ARGUMENT', `Duplicate field name: ${name}`);
    }
    seen.add(name.toLowerCase());
    const type = required(field.type, `schema field ${name}: type`).toUpperCase();
    if (type === 'RECORD' || type === 'STRUCT') {
      throw new GoogleError('UNIMPLEMENTED', `The sandbox has no columns of type ${type} (${name}).`);
    }
    const mode = (text(field.mode) ?? 'NULLABLE').toUpperCase();
    if (mode !== 'REQUIRED' && mode !== 'NULLABLE' && mode !== 'REPEATED') {
      throw new GoogleError('INVALID_ARGUMENT', `Invalid mode ${mode} of field ${name}`);
    }
    const canonical = sqlType(type);
    const description = text(field.description);
    return {
      name,
      type: REST_NAMES[canonical] ?? canonical,
      mode,
      ...(description === undefined ? {} : { description }),
      ...(field.policyTags === undefined ? {} : { policyTags: field.policyTags }),
      duckdb: duckdbType(type) + (mode === 'REPEATED' ? '[]' : ''),
    };
  });
}

/** The policy tags that guard a column. https://cloud.google.com/bigquery/docs/column-level-security-intro */
export function policyTagsOf({ policyTags }: Pick<SchemaField, 'policyTags'>): string[] {
  const { names } = objectOr(policyTags);
  return Array.isArray(names) ? names.map(String) : [];
}

/** The fields as REST shows them. */
export function restFields(schema: readonly SchemaField[]): object[] {
  return schema.map(({ duckdb: _, ...field }) => field);
}

/** The columns of a CREATE TABLE in DuckDB. */
export const columnsSql = (schema: readonly SchemaField[]): string =>
  schema
    .map(({ name, duckdb, mode }) => `${quote(name)} ${duckdb}${mode === 'REQUIRED' ? ' NOT NULL' : ''}`)
    .join(', ');
