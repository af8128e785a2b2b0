import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, type Harness, harness, KEY, LOCATION, PROJECT, RING } from '../../support/harness.ts';
import { storageReader } from '../../support/storage-read.ts';

let h: Harness;
const MEMBER = 'serviceAccount:a@example-project.iam.gserviceaccount.com';
const TABLE = `projects/${PROJECT}/datasets/poc/tables/t`;
const PATH = `/bigquery/v2/projects/${PROJECT}`;
let token = '';

beforeAll(async () => {
  h = await harness();
  await h.sql('CREATE TABLE poc.t (id INT64); CREATE TABLE poc.other (id INT64)');
  ({ accessToken: token } = (await h.rest('POST', '/sandbox/v1/iam:token', { member: MEMBER })).body);
});
afterAll(() => h.close());

async function as(
  bearer: string | undefined,
  method: string,
  path: string,
  body?: object,
): Promise<{ status: number; body: Answer }> {
  const answer = await fetch(`${h.origin}${path}`, {
    method,
    ...(bearer === undefined ? {} : { headers: { authorization: `Bearer ${bearer}` } }),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  return { status: answer.status, body: text === '' ? {} : JSON.parse(text) };
}
const query = (sql: string) =>
  as(token, 'POST', `${PATH}/queries`, { query: sql, useLegacySql: false, location: LOCATION });
const bind = (role: string, resource: string) =>
  h.rest('POST', '/sandbox/v1/iam:bind', { member: MEMBER, role, resource });
const unbind = (role: string, resource: string) =>
  h.rest('POST', '/sandbox/v1/iam:unbind', { member: MEMBER, role, resource });

describe('a call', () => {
  it.each([
    ['without a token', undefined, 'missing required authentication'],
    ['with a token of nobody', 'made-up', 'invalid authentication'],
  ])('%s is not authenticated', async (_how, bearer, message) => {
    for (const path of [`${PATH}/datasets/poc`, `/v1/${KEY}`, '/storage/v1/b']) {
      const { status, body } = await as(bearer, 'GET', path);
      expect([path, status, body.error.status]).toEqual([path, 401, 'UNAUTHENTICATED']);
      expect(body.error.message).toContain(message);
    }
  });

  it('without a role is denied in the words of its service', async () => {
    const answers = await Promise.all([
      as(token, 'GET', `${PATH}/datasets/poc/tables/t`),
      as(token, 'POST', `/v1/${KEY}:decrypt`, { ciphertext: '' }),
      as(token, 'POST', `/v1/projects/${PROJECT}/locations/${LOCATION}/batches?batchId=abcd`, {}),
      as(token, 'GET', '/storage/v1/b/some-bucket/o'),
    ]);
    expect(answers.map(({ status, body }) => [status, body.error.message])).toEqual([
      [
        403,
        `Access Denied: Table ${PROJECT}:poc.t: Permission bigquery.tables.get denied on table ${PROJECT}:poc.t (or it may not exist).`,
      ],
      [
        403,
        `Permission 'cloudkms.cryptoKeyVersions.useToDecrypt' denied on resource '${KEY}' (or it may not exist).`,
      ],
      [
        403,
        `Permission 'dataproc.batches.create' denied on resource 'projects/${PROJECT}/locations/${LOCATION}' (or it may not exist).`,
      ],
      [403, expect.stringContaining('does not have storage.objects.list access')],
    ]);
  });
});

describe('a statement', () => {
  beforeAll(() => bind('roles/bigquery.jobUser', `projects/${PROJECT}`));

  it.each([
    ['SELECT * FROM poc.t', 'bigquery.tables.getData denied on table'],
    ['SELECT 1 AS n FROM (SELECT id FROM poc.t)', 'bigquery.tables.getData denied on table'],
    ['INSERT INTO poc.t VALUES (1)', 'bigquery.tables.updateData denied on table'],
    ['DELETE FROM poc.t WHERE TRUE', 'bigquery.tables.updateData denied on table'],
    ['CREATE TABLE poc.new (id INT64)', 'bigquery.tables.create denied on dataset'],
    ['DROP TABLE poc.t', 'bigquery.tables.delete denied on table'],
    ['ALTER TABLE poc.t ADD COLUMN v STRING', 'bigquery.tables.update denied on table'],
    ['CREATE PROCEDURE poc.p() BEGIN SELECT 1; END', 'bigquery.routines.create denied on dataset'],
    ['CALL poc.p()', 'bigquery.routines.get denied on routine'],
    [
      `SELECT KEYS.NEW_WRAPPED_KEYSET('gcp-kms://${KEY}', 'AEAD_AES_GCM_256')`,
      "KEYS.NEW_WRAPPED_KEYSET failed: Permission 'cloudkms.cryptoKeyVersions.useToEncryptViaDelegation' denied",
    ],
  ])('%s', async (sql, message) => {
    const { status, body } = await query(sql);
    expect([status, body.error.errors[0].reason]).toEqual([403, 'accessDenied']);
    expect(body.error.message).toContain(message);
  });

  it('is let through by a role on its table, and on no other', async () => {
    await bind('roles/bigquery.dataViewer', TABLE);
    expect((await query('SELECT * FROM poc.t')).status).toBe(200);
    expect((await query('SELECT * FROM poc.t JOIN poc.other USING (id)')).body.error.message).toContain(
      'poc.other',
    );
    expect((await query('UPDATE poc.t SET id = 2 WHERE TRUE')).status).toBe(403);
    await unbind('roles/bigquery.dataViewer', TABLE);
  });

  it('of a transaction that is denied leaves nothing of it', async () => {
    await bind('roles/bigquery.dataEditor', TABLE);
    const script =
      'BEGIN TRANSACTION; INSERT INTO poc.t VALUES (7); DELETE FROM poc.other WHERE TRUE; COMMIT TRANSACTION';
    expect((await query(script)).status).toBe(403);
    expect(await h.sql('SELECT COUNT(*) FROM poc.t')).toEqual([['0']]);
    await unbind('roles/bigquery.dataEditor', TABLE);
  });
});

it('a job is shown to who started it and to nobody else', async () => {
  const job = async (bearer: string) =>
    (
      await as(bearer, 'POST', `${PATH}/jobs`, {
        configuration: { query: { query: 'SELECT 1 AS n', useLegacySql: false } },
      })
    ).body.jobReference.jobId as string;
  const [own, other] = [await job(token), await job(h.token)];
  expect((await as(token, 'GET', `${PATH}/jobs/${own}?location=${LOCATION}`)).status).toBe(200);
  for (const path of [`jobs/${other}`, `queries/${other}`])
    expect((await as(token, 'GET', `${PATH}/${path}?location=${LOCATION}`)).status).toBe(403);
  const listed = (await as(token, 'GET', `${PATH}/jobs`)).body.jobs as { jobReference: { jobId: string } }[];
  expect(listed.map(({ jobReference }) => jobReference.jobId)).not.toContain(other);
});

it('a load job that names a policy tag must be allowed to set it', async () => {
  await bind('roles/bigquery.dataEditor', TABLE);
  const policyTags = { names: ['projects/p/locations/l/taxonomies/1/policyTags/2'] };
  const load = (fields: object[]) =>
    as(token, 'POST', `${PATH}/jobs`, {
      configuration: {
        load: {
          sourceUris: ['gs://a-bucket/none'],
          destinationTable: { datasetId: 'poc', tableId: 't' },
          createDisposition: 'CREATE_NEVER',
          schema: { fields },
        },
      },
    });
  const tagged = await load([{ name: 'id', type: 'INT64', policyTags }]);
  expect(tagged.body.status.errorResult.message).toContain('bigquery.tables.setCategory denied on table');
  // The next thing that is missing is the object.
  const plain = await load([{ name: 'id', type: 'INT64' }]);
  expect(plain.body.status.errorResult.message).toContain('storage.objects.get');
  await unbind('roles/bigquery.dataEditor', TABLE);
});

describe('a column with a policy tag', () => {
  const TAG = 'projects/p/locations/l/taxonomies/1/policyTags/2';
  const READER = 'roles/datacatalog.categoryFineGrainedReader';
  const GUARDED = `projects/${PROJECT}/datasets/poc/tables/guarded`;
  const MESSAGE =
    'Access Denied: BigQuery BigQuery: User has neither fine-grained reader nor masked get permission to get data protected by policy tag "1 : 2" on column poc.guarded.secret.';

  beforeAll(async () => {
    const fields = [
      { name: 'id', type: 'INTEGER' },
      { name: 'secret', type: 'STRING', policyTags: { names: [TAG] } },
    ];
    const tableReference = { projectId: PROJECT, datasetId: 'poc', tableId: 'guarded' };
    await h.rest('POST', `${PATH}/datasets/poc/tables`, { tableReference, schema: { fields } });
    await bind('roles/bigquery.dataEditor', GUARDED);
    await bind('roles/bigquery.readSessionUser', `projects/${PROJECT}`);
  });
  afterAll(() => unbind('roles/bigquery.dataEditor', GUARDED));

  it.each([
    'SELECT secret FROM poc.guarded',
    'SELECT * FROM poc.guarded',
    'SELECT id FROM poc.guarded WHERE secret IS NULL',
    "UPDATE poc.guarded SET id = 1 WHERE secret = 'x'",
    'DELETE FROM poc.guarded WHERE secret IS NULL',
    'MERGE poc.guarded AS g USING (SELECT 1 AS id) AS s ON g.id = s.id WHEN MATCHED THEN UPDATE SET secret = NULL',
    'INSERT INTO poc.t (id) SELECT id FROM poc.guarded WHERE secret IS NULL',
  ])('is not read without the role on the tag: %s', async (sql) => {
    await bind('roles/bigquery.dataEditor', TABLE);
    for (const dryRun of [false, true]) {
      const { status, body } = await as(token, 'POST', `${PATH}/queries`, {
        query: sql,
        useLegacySql: false,
        location: LOCATION,
        dryRun,
      });
      expect([status, body.error?.message]).toEqual([403, MESSAGE]);
    }
    await bind(READER, TAG);
    expect((await query(sql)).status).toBe(200);
    await unbind(READER, TAG);
    await unbind('roles/bigquery.dataEditor', TABLE);
  });

  it('is written without it, and the others are read', async () => {
    for (const sql of [
      "INSERT INTO poc.guarded (id, secret) VALUES (1, 'x')",
      'SELECT id FROM poc.guarded',
      'SELECT COUNT(*) FROM poc.guarded',
      'UPDATE poc.guarded SET id = 2 WHERE id = 1',
    ])
      expect([sql, (await query(sql)).status]).toEqual([sql, 200]);
  });

  it('is not read row by row either', async () => {
    const data = `${PATH}/datasets/poc/tables/guarded/data`;
    expect((await as(token, 'GET', data)).body.error.message).toBe(MESSAGE);
    expect((await as(token, 'GET', `${data}?selectedFields=id`)).status).toBe(200);
    const reader = await storageReader(h.origin, PROJECT, token);
    await expect(reader.open({ table: 'poc.guarded' })).rejects.toThrow(MESSAGE);
    await expect(
      reader.open({ table: 'poc.guarded', fields: ['id'], where: 'secret IS NULL' }),
    ).rejects.toThrow(MESSAGE);
    expect(await reader.rows({ table: 'poc.guarded', fields: ['id'] })).toHaveLength(1);
    await reader.close();
  });
});

it('bindings outlive the process, tokens do not', async () => {
  await bind('roles/cloudkms.cryptoKeyDecrypter', `${RING}/cryptoKeys/source`);
  await h.restart();
  expect((await as(token, 'GET', `${PATH}/jobs`)).status).toBe(401);
  const { bindings } = (await h.rest('GET', '/sandbox/v1/iam:bindings')).body;
  expect(bindings).toContainEqual({
    member: MEMBER,
    role: 'roles/cloudkms.cryptoKeyDecrypter',
    resource: `${RING}/cryptoKeys/source`,
  });
});
