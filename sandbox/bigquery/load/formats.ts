import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { createGunzip } from 'node:zlib';
import type { DuckDBConnection } from '@duckdb/node-api';
import { GoogleError } from '../../errors/google-error.ts';
import { type Json, text } from '../../http/router.ts';
import { rows } from '../duckdb/engine.ts';
import { queryFailure, UNKNOWN } from '../duckdb/failures.ts';
import type { SchemaField } from '../duckdb/schema.ts';
import { literal, quote } from '../duckdb/types.ts';

export interface Input {
  connection: DuckDBConnection;
  file: string;
  /** The columns to fill, in the order of the file where that counts (CSV). */
  fields: SchemaField[];
  configuration: Json;
}

interface Reader {
  /** The query that reads the file as the fields. @throws GoogleError for a file that it cannot read */
  select(input: Input): Promise<string>;
  /** Finds the row that made the load fail. */
  explain(input: Input, error: unknown): Promise<GoogleError>;
}

/** A failed load, in BigQuery's words. https://cloud.google.com/bigquery/docs/error-messages */
function badRow(message: string, line?: number): GoogleError {
  const at = line === undefined ? '' : ` Line: ${line}.`;
  return new GoogleError('INVALID_ARGUMENT', `Error while reading data, error message: ${message}${at}`, {
    reason: 'invalid',
  });
}

/** RFC 1952 §2.3.1. */
const GZIP = [0x1f, 0x8b];
const GZIPPED = "'gzip'";

async function compression(file: string): Promise<string> {
  const handle = await open(file);
  try {
    const { buffer } = await handle.read(Buffer.alloc(2), 0, 2, 0);
    return buffer.equals(Buffer.from(GZIP)) ? GZIPPED : "'uncompressed'";
  } finally {
    await handle.close();
  }
}

/** A text cell as its column's type; BYTES are base64 in JSON and CSV. */
function fromText(sql: string, { duckdb }: SchemaField): string {
  if (duckdb === 'VARCHAR') return sql;
  if (duckdb === 'BLOB') return `from_base64(${sql})`;
  // A number is seconds since the epoch: "Loading JSON data", TIMESTAMP.
  if (duckdb === 'TIMESTAMP WITH TIME ZONE') {
    return `CASE WHEN TRY_CAST(${sql} AS DOUBLE) IS NULL THEN CAST(${sql} AS ${duckdb}) ELSE to_timestamp(CAST(${sql} AS DOUBLE)) END`;
  }
  return `CAST(${sql} AS ${duckdb})`;
}

const tryText = (sql: string, field: SchemaField): string =>
  field.duckdb === 'VARCHAR' ? sql : `TRY(${fromText(sql, field)})`;

/** Which row and column of text cells does not fit, by reading them again one by one. */
async function findBadCell(
  { connection, fields }: Input,
  source: string,
  firstLine: number,
): Promise<GoogleError | undefined> {
  for (const field of fields) {
    const cell = quote(field.name);
    const wrong = `${cell} IS NOT NULL AND ${tryText(cell, field)} IS NULL`;
    const missing = field.mode === 'REQUIRED' ? ` OR ${cell} IS NULL` : '';
    const sql = `SELECT line, ${cell} IS NULL FROM (SELECT *, row_number() OVER () AS line FROM ${source}) WHERE (${wrong})${missing} ORDER BY line LIMIT 1`;
    const [[line, isNull] = []] = await rows(connection, sql);
    if (line === undefined || line === null) continue;
    const number = Number(line) + firstLine - 1;
    return isNull
      ? badRow(`Missing required field: ${field.name}.`, number)
      : badRow(`Could not convert value to ${field.type}. Field: ${field.name};`, number);
  }
  return undefined;
}

const json: Reader = {
  async select(input) {
    const { connection, file, fields, configuration } = input;
    const source = await jsonSource(input);
    if (configuration.ignoreUnknownValues !== true) {
      const known = fields.map(({ name }) => literal(name.toLowerCase())).join(', ');
      const unknown = (keys: string) => `list_filter(${keys}, lambda k: lower(k) NOT IN (${known}))`;
      const objects = `read_ndjson_objects(${literal(file)}, compression = ${await compression(file)})`;
      try {
        // Whether there is one is found by all cores; on which line it stands, only by counting them.
        const any = `SELECT 1 FROM (SELECT DISTINCT json_keys(json) AS keys FROM ${objects}) WHERE len(${unknown('keys')}) > 0 LIMIT 1`;
        if ((await rows(connection, any)).length > 0) {
          const [[line, name] = []] = await rows(
            connection,
            `SELECT line, unknown[1] FROM (SELECT row_number() OVER () AS line, ${unknown('json_keys(json)')} AS unknown FROM ${objects}) WHERE len(unknown) > 0 LIMIT 1`,
          );
          throw badRow(`No such field: ${name}.`, Number(line));
        }
      } catch (error) {
        throw (await malformed(error, file)) ?? error;
      }
    }
    return `SELECT ${fields.map((field) => fromText(quote(field.name), field)).join(', ')} FROM ${source}`;
  },
  async explain(input, error) {
    const known = await malformed(error, input.file);
    if (known) return known;
    return (await findBadCell(input, await jsonSource(input), 1)) ?? queryFailure(error);
  },
};

async function jsonSource({ file, fields }: Input): Promise<string> {
  const columns = fields.map(({ name }) => `${literal(name)}: 'VARCHAR'`).join(', ');
  return `read_json(${literal(file)}, format = 'newline_delimited', columns = {${columns}}, compression = ${await compression(file)})`;
}

/** A row that is no JSON: DuckDB says that there is one, but is not sure of the line. */
async function malformed(error: unknown, file: string): Promise<GoogleError | undefined> {
  if (error instanceof GoogleError || !(error instanceof Error) || !/JSON/.test(error.message))
    return undefined;
  const plain = createReadStream(file);
  const input = (await compression(file)) === GZIPPED ? plain.pipe(createGunzip()) : plain;
  let line = 0;
  try {
    for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      line++;
      if (text.trim() !== '' && !isObject(text)) break;
    }
  } finally {
    plain.destroy();
  }
  return badRow('JSON parsing error: the row is not a JSON object.', line);
}

function isObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

const csv: Reader = {
  async select({ file, fields, configuration }) {
    const source = await csvSource({ file, fields, configuration });
    return `SELECT ${fields.map((field) => fromText(emptyToNull(field), field)).join(', ')} FROM ${source}`;
  },
  async explain(input, error) {
    const line = error instanceof Error ? /on Line: (\d+)/.exec(error.message)?.[1] : undefined;
    if (line) return badRow("the CSV row does not have the table's columns.", Number(line));
    const source = await csvSource(input);
    const cells = input.fields.map((field) => `${emptyToNull(field)} AS ${quote(field.name)}`);
    const skip = Number(input.configuration.skipLeadingRows ?? 0);
    return (
      (await findBadCell(input, `(SELECT ${cells.join(', ')} FROM ${source})`, 1 + skip)) ??
      queryFailure(error)
    );
  },
};

/** An empty CSV cell is NULL, but for STRING and BYTES the empty value. */
const emptyToNull = ({ name, duckdb }: SchemaField): string =>
  duckdb === 'VARCHAR' || duckdb === 'BLOB' ? quote(name) : `nullif(${quote(name)}, '')`;

async function csvSource({ file, fields, configuration }: Pick<Input, 'file' | 'fields' | 'configuration'>) {
  const columns = fields.map(({ name }) => `${literal(name)}: 'VARCHAR'`).join(', ');
  const options = [
    `columns = {${columns}}`,
    'auto_detect = false',
    'header = false',
    `skip = ${Number(configuration.skipLeadingRows ?? 0)}`,
    `delim = ${literal(delimiter(text(configuration.fieldDelimiter)))}`,
    `quote = ${literal(text(configuration.quote) ?? '"')}`,
    `escape = ${literal(text(configuration.quote) ?? '"')}`,
    `nullstr = ${literal(text(configuration.nullMarker) ?? '\\N')}`,
    `null_padding = ${configuration.allowJaggedRows === true}`,
    `compression = ${await compression(file)}`,
  ];
  return `read_csv(${literal(file)}, ${options.join(', ')})`;
}

const delimiter = (given: string | undefined): string =>
  given === undefined ? ',' : given === '\\t' || given.toLowerCase() === 'tab' ? '\t' : given;

const parquet: Reader = {
  async select({ connection, file, fields, configuration }) {
    const source = `read_parquet(${literal(file)})`;
    let described: unknown[][];
    try {
      described = await rows(connection, `DESCRIBE SELECT * FROM ${source}`);
    } catch {
      throw badRow('the file is not a Parquet file.');
    }
    const there = new Set(described.map(([name]) => String(name).toLowerCase()));
    for (const { name, mode } of fields) {
      if (mode === 'REQUIRED' && !there.has(name.toLowerCase())) {
        throw badRow(`Missing required field: ${name}.`);
      }
    }
    const columns = new Set(fields.map(({ name }) => name.toLowerCase()));
    const extra = [...there].find((name) => !columns.has(name));
    if (extra !== undefined && configuration.ignoreUnknownValues !== true)
      throw badRow(`No such field: ${extra}.`);
    const cells = fields.map(({ name, duckdb }) =>
      there.has(name.toLowerCase()) ? `CAST(${quote(name)} AS ${duckdb})` : `CAST(NULL AS ${duckdb})`,
    );
    return `SELECT ${cells.join(', ')} FROM ${source}`;
  },
  async explain(_input, error) {
    const failure = queryFailure(error);
    return failure.message.startsWith(UNKNOWN) ? badRow('the Parquet file is damaged.') : failure;
  },
};

export const readers: Record<string, Reader> = { NEWLINE_DELIMITED_JSON: json, CSV: csv, PARQUET: parquet };
