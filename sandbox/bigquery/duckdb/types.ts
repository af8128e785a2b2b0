import { GoogleError, invalidQuery } from '../../errors/google-error.ts';

/** A type of BigQuery beside DuckDB's name for it. */
interface Mapping {
  /** Names in SQL, the first is the canonical one. */
  sql: string[];
  /** The name in REST schemas. */
  rest: string;
  duckdb: string;
}

/** https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types */
const TYPES: Mapping[] = [
  {
    sql: ['INT64', 'INT', 'INTEGER', 'BIGINT', 'SMALLINT', 'TINYINT', 'BYTEINT'],
    rest: 'INTEGER',
    duckdb: 'BIGINT',
  },
  { sql: ['STRING'], rest: 'STRING', duckdb: 'VARCHAR' },
  { sql: ['BYTES'], rest: 'BYTES', duckdb: 'BLOB' },
  { sql: ['BOOL', 'BOOLEAN'], rest: 'BOOLEAN', duckdb: 'BOOLEAN' },
  { sql: ['FLOAT64', 'FLOAT'], rest: 'FLOAT', duckdb: 'DOUBLE' },
  { sql: ['TIMESTAMP'], rest: 'TIMESTAMP', duckdb: 'TIMESTAMP WITH TIME ZONE' },
  { sql: ['DATE'], rest: 'DATE', duckdb: 'DATE' },
  { sql: ['DATETIME'], rest: 'DATETIME', duckdb: 'TIMESTAMP' },
  { sql: ['NUMERIC', 'DECIMAL'], rest: 'NUMERIC', duckdb: 'DECIMAL(38,9)' },
  { sql: ['JSON'], rest: 'JSON', duckdb: 'JSON' },
];

/** DuckDB's type for a type name of GoogleSQL or of a REST schema. */
export function duckdbType(name: string): string {
  const upper = name.toUpperCase().trim();
  const array = /^ARRAY<(.+)>$/.exec(upper);
  if (array?.[1]) return `${duckdbType(array[1])}[]`;
  const plain = upper.replace(/\(.*\)$/, '').trim();
  const found = TYPES.find((type) => type.sql.includes(plain) || type.rest === plain);
  if (found) return found.duckdb;
  throw invalidQuery(`Type not found: ${name} (the sandbox has ${TYPES.map((t) => t.sql[0]).join(', ')})`);
}

/** The canonical SQL name (INT64) of a REST or SQL type name (INTEGER). */
export function sqlType(name: string): string {
  const duckdb = duckdbType(name);
  return TYPES.find((type) => type.duckdb === duckdb)?.sql[0] ?? name.toUpperCase();
}

/** The type of a result column in a REST schema. */
export function restType(duckdb: string): { type: string; mode: 'NULLABLE' | 'REPEATED' } {
  if (duckdb.endsWith('[]')) return { ...restType(duckdb.slice(0, -2)), mode: 'REPEATED' };
  const found = TYPES.find((type) => type.duckdb === widen(duckdb));
  if (found) return { type: found.rest, mode: 'NULLABLE' };
  throw new GoogleError('UNIMPLEMENTED', `The sandbox does not return values of DuckDB's type ${duckdb}.`);
}

/**
 * DuckDB has more numeric types than BigQuery: whole numbers of any width are INT64 there, and so is
 * what SUM over them gives (HUGEINT).
 */
export function widen(duckdb: string): string {
  if (/^(U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|INTEGER_LITERAL)$/.test(duckdb)) return 'BIGINT';
  if (duckdb === 'FLOAT') return 'DOUBLE';
  if (duckdb.startsWith('DECIMAL')) return 'DECIMAL(38,9)';
  if (duckdb === 'TIMESTAMP_S' || duckdb === 'TIMESTAMP_MS' || duckdb === 'TIMESTAMP_NS') return 'TIMESTAMP';
  // SELECT NULL is INT64 in GoogleSQL.
  if (duckdb === '"NULL"' || duckdb === 'NULL' || duckdb === 'SQLNULL') return 'BIGINT';
  return duckdb;
}

/** An identifier for DuckDB. */
export const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** A string literal for DuckDB. */
export const literal = (value: string): string => `'${value.replaceAll("'", "''")}'`;

/** A BLOB literal for DuckDB. */
export const blob = (bytes: Uint8Array): string =>
  bytes.length === 0 ? "''::BLOB" : `'${Buffer.from(bytes).toString('hex').replace(/../g, '\\x$&')}'::BLOB`;
