import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { createInterface } from 'node:readline';
import type { Deployment } from '../../jobs/contract/deployment.ts';
import { ResealError } from '../../jobs/contract/errors.ts';
import { sourceColumns } from '../../jobs/contract/tables.ts';

/** A users file, as a load job takes it. */
export interface UsersFile {
  path: string;
  format: 'NEWLINE_DELIMITED_JSON' | 'CSV' | 'PARQUET';
  /** The columns to load: of a CSV file all of its header's, in their order. */
  schema: { name: string; type: string; mode: string }[];
}

const FORMATS: Record<string, UsersFile['format']> = {
  '.ndjson': 'NEWLINE_DELIMITED_JSON',
  '.jsonl': 'NEWLINE_DELIMITED_JSON',
  '.json': 'NEWLINE_DELIMITED_JSON',
  '.csv': 'CSV',
  '.parquet': 'PARQUET',
};

/** Looks a users file over. @throws ResealError users-file or users-columns */
export async function usersFile(path: string, deployment: Deployment): Promise<UsersFile> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile()) throw new ResealError('users-file', `there is no users file ${path}`);
  const format = FORMATS[extname(path).toLowerCase()];
  if (!format) {
    throw new ResealError('users-file', `${path} is of no known format`, {
      hint: 'name it .ndjson, .csv or .parquet',
    });
  }
  const wanted = new Set([
    deployment.idColumn,
    ...deployment.fields.flatMap(({ cipherText, dek }) => [cipherText, dek]),
  ]);
  const schema = sourceColumns(deployment)
    .filter(({ name }) => wanted.has(name))
    .map(({ name, type, mode }) => ({ name, type, mode }));
  if (format === 'PARQUET') return { path, format, schema };
  const first = await firstLine(path);
  if (first === undefined) throw new ResealError('users-file', `${path} is empty`);
  if (format === 'CSV') return { path, format, schema: ofHeader(path, first, schema) };
  requireColumns(path, keysOf(path, first), schema);
  return { path, format, schema };
}

async function firstLine(path: string): Promise<string | undefined> {
  const input = createReadStream(path);
  try {
    for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      if (line.trim() !== '') return line;
    }
    return undefined;
  } finally {
    input.destroy();
  }
}

function keysOf(path: string, line: string): string[] {
  try {
    return Object.keys(JSON.parse(line) as object);
  } catch {
    throw new ResealError('users-row', `${path} cannot be loaded: its first row is no JSON object. Line: 1.`);
  }
}

/** A CSV file's columns are known by place: its header says which is which, others are not taken. */
function ofHeader(path: string, line: string, schema: UsersFile['schema']): UsersFile['schema'] {
  const header = line.split(',').map((name) => name.trim().replace(/^"(.*)"$/, '$1'));
  requireColumns(path, header, schema);
  return header.map((name) => {
    const field = schema.find((one) => one.name === name);
    if (field) return field;
    throw new ResealError('users-columns', `${path} has a column ${name} that is not loaded`, {
      hint: `a CSV file of users has ${schema.map((one) => one.name).join(', ')} and nothing else`,
    });
  });
}

function requireColumns(path: string, columns: readonly string[], schema: UsersFile['schema']): void {
  const missing = schema.filter(({ name, mode }) => mode === 'REQUIRED' && !columns.includes(name));
  if (missing.length === 0) return;
  throw new ResealError('users-columns', `${path} has no ${missing.map(({ name }) => name).join(', ')}`, {
    hint: `a users file has the columns ${schema.map(({ name }) => name).join(', ')}`,
  });
}
