import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { ERROR_CODES } from '../../jobs/contract/error-codes.ts';
import { ResealError } from '../../jobs/contract/errors.ts';
import { loadUsers } from '../../sandbox/users/load.ts';
import { Application } from '../support/application.ts';
import type { TestSandbox } from '../support/sandbox.ts';
import type { Finding } from './findings.ts';
import { mutatedBytes, mutatedText, Random } from './mutations.ts';

const ROWS = 4;

/** Good files of every format, to start from. */
async function seedFiles(folder: string): Promise<{ name: string; bytes: Buffer }[]> {
  const key = new Application('gcm').newKey();
  const rows = Array.from({ length: ROWS }, (_, id) => ({
    id,
    cipher_text: key.encrypt(`${id}@x`),
    dek: key.dek,
  }));
  const instance = await DuckDBInstance.create();
  const connection = await instance.connect();
  const parquet = join(folder, 'seed.parquet');
  const values = rows
    .map(({ id, cipher_text, dek }) => `(${id}::BIGINT, '${cipher_text}', '${dek}')`)
    .join(', ');
  await connection.run(`COPY (SELECT * FROM (VALUES ${values}) AS t(id, cipher_text, dek)) TO '${parquet}'`);
  connection.closeSync();
  const { readFileSync } = await import('node:fs');
  const csv = [
    'id,cipher_text,dek',
    ...rows.map(({ id, cipher_text, dek }) => `${id},"${cipher_text}",${dek}`),
  ];
  return [
    { name: 'users.csv', bytes: Buffer.from(`${csv.join('\n')}\n`) },
    { name: 'users.ndjson', bytes: Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join('')) },
    { name: 'users.parquet', bytes: readFileSync(parquet) },
  ];
}

/** Users files with changes: each is loaded, or not loaded with an error of the table of codes. */
export async function fuzzFiles(box: TestSandbox, seed: number, count: number): Promise<Finding[]> {
  const random = new Random(seed, 'files');
  const findings: Finding[] = [];
  const seeds = await seedFiles(box.folder);
  for (let made = 0; made < count; made++) {
    const { name, bytes } = random.pick(seeds);
    const text = bytes.toString();
    const changed =
      name.endsWith('.parquet') || random.chance(0.3)
        ? mutatedBytes(random, bytes)
        : Buffer.from(mutatedText(random, text, text.split('\n')));
    const path = join(box.folder, name);
    writeFileSync(path, changed);
    // An empty table is filled by one load, another is merged into.
    if (random.chance(0.3)) await box.sql('TRUNCATE TABLE users');
    try {
      await loadUsers(box.sandbox.owner, box.deployment, path);
    } catch (error) {
      if (
        error instanceof ResealError &&
        error.code in ERROR_CODES &&
        !/The sandbox failed/.test(error.message)
      )
        continue;
      findings.push({ what: `files: ${name}: ${error}`, input: changed.toString('base64') });
    }
  }
  return findings;
}
