import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { loadSettings } from '../../infra/settings.ts';
import { type InitOptions, init } from '../../jobs/cli/init.ts';
import { SOURCE_FORMATS } from '../../jobs/contract/settings/choices.ts';
import { bigQueryClient } from '../../jobs/google/clients.ts';
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
const made = (
  stack: string,
  options: InitOptions,
  typed?: (string | null)[],
  endpoints = box.sandbox.owner,
) => {
  said = '';
  return init(stack, options, {
    folder,
    terminal: typed === undefined ? null : { question: async () => typed.shift() ?? null },
    say: (text) => {
      said += text;
    },
    endpoints,
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
    expect(said).toContain('has no dataset new_one: the stack creates it, with the table users');
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
      `CREATE TABLE \`${box.deployment.project}.${box.deployment.dataset}.people\` (person_id INT64 NOT NULL, cipher STRING, wrapped_dek STRING, bq_encrypted_email BYTES, many ARRAY<STRING>)`,
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
        /^--id-column names score, which is FLOAT64; an id must be one of INT64, STRING, .* NaN equals nothing$/,
      ),
    });
  });

  it('has to name the key that wrapped the data keys', async () => {
    await expect(made('people', where())).rejects.toMatchObject({
      code: 'init-setting',
      hint: expect.stringContaining('--source-kek'),
    });
  });

  it('is told to have rows without an id, where a few of its rows show it', async () => {
    const table = `\`${box.deployment.project}.${box.deployment.dataset}.members\``;
    await box.sql(`CREATE TABLE ${table} (member_id STRING, cipher_text STRING, dek STRING)`);
    const options = { ...where(), table: 'members', sourceKek: KEK };
    const key = application.newKey();
    const row = (id: string) => `(${id}, '${key.encrypt('a@example.com')}', '${key.dek}')`;
    await box.sql(`INSERT INTO ${table} (member_id, cipher_text, dek) VALUES ${row("''")}`);
    await made('members', options);
    expect(said).not.toContain('NULL');
    await box.sql(`INSERT INTO ${table} (member_id, cipher_text, dek) VALUES ${row('NULL')}`);
    await made('members', { ...options, force: true });
    expect(said).toContain(
      '1 of 2 values are in rows whose member_id is NULL: no run takes them, and `reseal doctor` counts them all',
    );
  });

  it('is asked for on a terminal, again where an answer is wrong', async () => {
    const typed = ['nobody', 'people', '', 'not a column', 'CIPHER', '', '', 'deterministic', 'no key', KEK];
    const { table: _, ...inside } = where();
    await made('people', inside, typed);
    expect(said).toContain('is there, but has no table nobody: it has ');
    expect(said).toContain('it must be a column of the table, which has person_id, cipher, wrapped_dek');
    expect(said).toContain('must be the full name of a CryptoKey');
    expect(settings('people')).toMatchObject({ keying: 'deterministic' });
    expect(settings('people')).toMatchObject({ idColumn: 'person_id', sourceKek: KEK });
  });

  it('writes nothing where the answers end', async () => {
    await expect(made('people', where(), ['', '', null])).rejects.toMatchObject({
      code: 'cancelled',
      message: 'cancelled; no file was written',
    });
    expect(readdirSync(folder)).toEqual([]);
  });

  it.each([
    { dek: 'nowhere', says: '--dek must be a column of the table, which has person_id, cipher, wrapped_dek' },
    { idColumn: 'persn_id', says: '--id-column must be a column of the table, which has person_id, cipher' },
    { dek: 'Cipher', says: '--dek must be another column: cipher stands for something else' },
    { idColumn: 'wrapped_dek', dek: 'wrapped_dek', says: '--dek must be another column' },
    { cipherText: 'bq_encrypted_email', says: '--cipher-text names bq_encrypted_email, which is BYTES' },
    { cipherText: 'many', says: '--cipher-text names many, which is ARRAY<STRING>' },
    { field: 'e mail', says: '--field must be letters, digits and underscores' },
    { location: 'europe-west1', says: '--location must be us-central1, where the table is' },
  ])('says so where an option does not fit: $says', async ({ says, ...options }) => {
    await expect(made('people', { ...where(), sourceKek: KEK, ...options })).rejects.toMatchObject({
      code: 'init-setting',
      message: expect.stringContaining(says),
    });
    expect(readdirSync(folder)).toEqual([]);
  });

  it('takes the columns in any case, and writes them as the table has them', async () => {
    const named = { idColumn: 'PERSON_ID', cipherText: 'Cipher', dek: 'WRAPPED_DEK' };
    const { alter } = await made('people', { ...where(), sourceKek: KEK, ...named });
    expect(settings('people')).toMatchObject({
      idColumn: 'person_id',
      fields: [{ cipherText: 'cipher', dek: 'wrapped_dek' }],
    });
    expect(alter ?? '').not.toMatch(/person_id|cipher|wrapped_dek/i);
  });

  it('has to be told the id that is called like none, and adds no column for it', async () => {
    const table = `\`${box.deployment.project}.${box.deployment.dataset}.accounts\``;
    await box.sql(`CREATE TABLE ${table} (customer_no STRING, cipher_text STRING, dek STRING)`);
    const options = { ...where(), table: 'accounts', sourceKek: KEK };
    await expect(made('accounts', options)).rejects.toMatchObject({
      code: 'init-setting',
      message: '--id-column is needed: the column that identifies a row',
      hint: 'the table has customer_no, cipher_text, dek: name the right one with --id-column',
    });
    const { alter } = await made('accounts', { ...options, idColumn: 'customer_no' });
    expect(settings('accounts')).toMatchObject({ idColumn: 'customer_no', idType: 'STRING' });
    expect(alter).not.toContain('customer_no');
  });
});

describe('a dataset that is there', () => {
  const created = async (dataset: string, location: string) => {
    const client = await bigQueryClient({ project: box.deployment.project }, box.sandbox.owner);
    await client.createDataset(dataset, { location });
    const columns = ['id:INTEGER', 'cipher_text:STRING', 'dek:STRING'].join(',');
    await client.dataset(dataset).createTable('customers', { schema: columns });
    return { project: box.deployment.project, dataset, sourceKek: KEK };
  };

  it('is not made anew for a table that it lacks', async () => {
    const options = await created('crm', box.deployment.location);
    await expect(made('crm', { ...options, table: 'costumers' })).rejects.toMatchObject({
      code: 'init-table',
      message: expect.stringMatching(
        /the dataset \S+\.crm is there, but has no table costumers: it has customers$/,
      ),
    });
    await made('crm', { ...options, table: 'customers' });
    expect(settings('crm')).toMatchObject({ createSourceTable: false, sourceTable: 'customers' });
  });

  it.each(['US', 'EU'])('has to be in one region: %s', async (location) => {
    const options = await created(`crm_${location}`, location);
    await expect(made('crm', { ...options, table: 'customers' })).rejects.toMatchObject({
      code: 'init-location',
      message: expect.stringContaining(`customers is in ${location}, which is not one region`),
      hint: expect.stringContaining('copying-datasets'),
    });
    expect(readdirSync(folder)).toEqual([]);
  });
});

it.each([
  { table: 'runs', says: 'reseal:sourceTable must not be the table of reseal:runsTable, runs' },
  { idColumn: 'resealed_at', says: 'reseal:fields must not use a column for two things: resealed_at' },
  { field: 'ID', says: 'reseal:fields must not name a field ID: that is what the ids are read as' },
  { idColumn: 'Email', says: 'reseal:fields must not name a field email' },
  { location: 'us', says: '--location must be one region' },
])('what the program would refuse is not written: $says', async ({ says, ...options }) => {
  const asked = made('refused', { project: box.deployment.project, dataset: 'new_one', ...options });
  await expect(asked).rejects.toMatchObject({ code: 'init-setting', message: expect.stringContaining(says) });
  expect(readdirSync(folder)).toEqual([]);
});

describe('a table that nobody could look at', () => {
  const refused = () => ({ ...box.sandbox.owner, accessToken: 'none' });
  const unseen = (options: InitOptions, typed?: string[]) =>
    made('unseen', { project: box.deployment.project, sourceKek: KEK, ...options }, typed, refused());

  it('is not taken to be absent: no file is written', async () => {
    await expect(unseen({})).rejects.toMatchObject({
      code: 'init-unseen',
      message: expect.stringMatching(/encryption_poc\.users was not looked at: ./),
      hint: expect.stringContaining('--exists'),
    });
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is created where an option says so', async () => {
    expect(await unseen({ new: true })).toMatchObject({
      exists: null,
      choices: { createSourceTable: true },
      alter: null,
    });
    expect(settings('unseen')).toMatchObject({ createSourceTable: true });
  });

  it('is used as it is where an option says so, and gets the columns that it lacks', async () => {
    const options = { exists: true, location: 'europe-west1', idColumn: 'customer_no' };
    const { exists, alter } = await unseen(options);
    expect(exists).toBeNull();
    expect(settings('unseen')).toMatchObject({
      createSourceTable: false,
      idColumn: 'customer_no',
      sourceKek: KEK,
    });
    expect(alter).toContain('ADD COLUMN IF NOT EXISTS bq_encrypted_email BYTES');
    expect(alter).not.toMatch(/customer_no|cipher_text|dek\b/);
    await expect(unseen({ exists: true, force: true })).rejects.toMatchObject({
      code: 'init-setting',
      message: '--location is needed: the region',
    });
  });

  it('is asked about on a terminal, and where it is there, so is what it would have shown', async () => {
    const typed = ['', '', 'maybe', 'yes', 'us-central1', 'no', '', '', 'email', 'dotted', 'row'];
    expect(await unseen({}, typed)).toMatchObject({
      choices: { createSourceTable: false, idColumn: 'no', sourceFormat: 'dotted' },
    });
    expect(said).toMatch(/users was not looked at: .+\n {2}it must be yes or no/);
    expect(await unseen({ force: true }, ['', '', 'no', '', '', '', ''])).toMatchObject({
      choices: { createSourceTable: true },
    });
  });
});

it.each([
  { new: true, says: /encryption_poc\.users is there already/ },
  { exists: true, dataset: 'new_one', says: /has no dataset new_one/ },
])('an option does not hold against what was seen: $says', async ({ says, ...options }) => {
  await expect(made('seen', { project: box.deployment.project, ...options })).rejects.toMatchObject({
    code: 'init-table',
    message: expect.stringMatching(says),
  });
  expect(readdirSync(folder)).toEqual([]);
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
