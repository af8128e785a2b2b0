import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { loadSettings } from '../../infra/settings.ts';
import { type InitOptions, init } from '../../jobs/cli/init.ts';
import { SOURCE_FORMATS } from '../../jobs/contract/settings/choices.ts';
import { sourceShape } from '../../jobs/setup/source-shape.ts';
import { Application } from '../support/application.ts';
import { type TestSandbox, testSandbox } from '../support/sandbox.ts';

/** `reseal init`: a stack's file that the program takes, made from what the application's table looks like. */

let box: TestSandbox;
let folder: string;
beforeAll(async () => {
  box = await testSandbox({}, 'direct');
});
afterAll(() => box.close());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'reseal-init-'));
  return () => rmSync(folder, { recursive: true, force: true });
});

const KEK = 'projects/example-app/locations/us-central1/keyRings/app/cryptoKeys/users';
let said: string;
const made = (stack: string, options: InitOptions, typed?: string[]) => {
  said = '';
  return init(stack, options, {
    folder,
    terminal: typed === undefined ? null : { question: async () => typed.shift() ?? '' },
    say: (text) => {
      said += text;
    },
    endpoints: box.sandbox.owner,
  });
};

/** The settings that the program makes of the file. */
function settings(stack: string) {
  const { config } = parse(readFileSync(join(folder, `Pulumi.${stack}.yaml`), 'utf8'));
  const texts = Object.entries(config as Record<string, unknown>).map(([key, value]) => [
    key,
    typeof value === 'string' ? value : JSON.stringify(value),
  ]);
  return loadSettings(Object.fromEntries(texts), stack);
}

describe('a stack without a table of its own', () => {
  it.each(['try-out', 'eu-prod'])('gets a file that the program takes: %s', async (stack) => {
    const result = await made(stack, { project: box.deployment.project, dataset: 'new_one' });
    expect(result).toMatchObject({ shape: null, alter: null });
    expect(settings(stack)).toMatchObject({
      project: box.deployment.project,
      dataset: 'new_one',
      sourceTable: 'users',
      createSourceTable: true,
      sourceFormat: 'gcm',
      keying: 'row',
      storePlaintext: false,
      fields: [{ name: 'email', cipherText: 'cipher_text', dek: 'dek' }],
    });
    expect(said).toContain('has no table users: the stack creates it');
    const comments = readFileSync(result.file, 'utf8')
      .split('\n')
      .filter((line) => /^ *#/.test(line));
    expect(comments.length).toBeGreaterThan(10);
  });

  it('needs the project alone, and says which option gives it', async () => {
    await expect(made('dev-two', {})).rejects.toMatchObject({
      code: 'init-setting',
      message: '--project is needed: the Google Cloud project',
    });
  });
});

describe('a stack for a table that an application has', () => {
  const application = new Application('dotted');
  beforeAll(async () => {
    await box.sql(
      `CREATE TABLE \`${box.deployment.project}.${box.deployment.dataset}.people\` (person_id INT64 NOT NULL, cipher STRING, wrapped_dek STRING, bq_encrypted_email BYTES)`,
    );
    const key = application.newKey();
    const rows = Array.from({ length: 30 }, (_, at) => `(${at}, '${key.encrypt(`u${at}`)}', '${key.dek}')`);
    await box.sql(
      `INSERT INTO \`${box.deployment.project}.${box.deployment.dataset}.people\` (person_id, cipher, wrapped_dek) VALUES ${rows.join(', ')}`,
    );
  });
  const where = () => ({
    project: box.deployment.project,
    dataset: box.deployment.dataset,
    table: 'people',
  });

  it('goes by its columns and by what its values look like, and adds what it lacks', async () => {
    const { alter, shape } = await made('people', { ...where(), sourceKek: KEK });
    expect(shape).toMatchObject({ format: 'dotted', fitting: 20, specimens: 20, dekEncoding: 'base64' });
    expect(settings('people')).toMatchObject({
      location: box.deployment.location,
      createSourceTable: false,
      idColumn: 'person_id',
      sourceFormat: 'dotted',
      sourceKek: KEK,
      fields: [{ cipherText: 'cipher', dek: 'wrapped_dek' }],
    });
    expect(said).toContain('20 of 20 values look like dotted, data keys like base64');
    expect(alter).toContain('ADD COLUMN IF NOT EXISTS resealed_from BYTES');
    expect(alter).not.toContain('bq_encrypted_email');
    await box.sql(String(alter));
  });

  it('takes ids of another type as they are, and none that cannot be one', async () => {
    const table = (name: string) => `\`${box.deployment.project}.${box.deployment.dataset}.${name}\``;
    await box.sql(
      `CREATE TABLE ${table('clients')} (client_id STRING NOT NULL, score FLOAT64, cipher_text STRING, dek STRING)`,
    );
    const options = { ...where(), table: 'clients', sourceKek: KEK };
    await made('clients', options);
    expect(settings('clients')).toMatchObject({ idColumn: 'client_id', idType: 'STRING' });
    await expect(made('scored', { ...options, idColumn: 'score' })).rejects.toMatchObject({
      code: 'init-setting',
      message: expect.stringMatching(
        /^score is FLOAT64; an id must be one of INT64, STRING, .* NaN equals nothing$/,
      ),
    });
  });

  it('has to name the key that wrapped the data keys', async () => {
    await expect(made('people', where())).rejects.toMatchObject({
      code: 'init-setting',
      hint: expect.stringContaining('--source-kek'),
    });
  });

  it('is asked for on a terminal, again where an answer is wrong', async () => {
    const typed = ['', '', 'not a column', '', '', '', 'deterministic', 'no key', KEK];
    await made('people', where(), typed);
    expect(said).toContain('must be letters, digits and underscores');
    expect(said).toContain('must be the full name of a CryptoKey');
    expect(settings('people')).toMatchObject({ keying: 'deterministic' });
    expect(settings('people')).toMatchObject({ idColumn: 'person_id', sourceKek: KEK });
  });

  it('says which columns there are where one is not', async () => {
    await expect(made('people', { ...where(), dek: 'nowhere', sourceKek: KEK })).rejects.toMatchObject({
      message: 'people has no column nowhere',
      hint: expect.stringContaining('person_id, cipher, wrapped_dek'),
    });
  });
});

it('no file is overwritten unless told to', async () => {
  const options = { project: box.deployment.project };
  await made('twice', options);
  await expect(made('twice', options)).rejects.toMatchObject({ code: 'init-exists' });
  await made('twice', { ...options, force: true, dataset: 'another' });
  expect(settings('twice')).toMatchObject({ dataset: 'another' });
  await expect(made('No Stack', options)).rejects.toMatchObject({ code: 'init-stack' });
});

it.each(SOURCE_FORMATS)('values of the format %s look like it', (format) => {
  const application = new Application(format);
  const specimens = Array.from({ length: 20 }, (_, at) => {
    const key = application.newKey();
    return { cipherText: key.encrypt(`user${at}@example.com`), dek: key.dek };
  });
  expect(sourceShape(specimens)).toMatchObject({ format, fitting: 20 });
});

it('values of no format look like none', () => {
  const none = { format: null, fitting: 0, specimens: 1, dekEncoding: 'hex' };
  expect(sourceShape([{ cipherText: 'in the clear', dek: '00ff' }])).toEqual(none);
  expect(sourceShape([])).toMatchObject({ format: null, dekEncoding: null });
});
