import { createCipheriv, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newRunId } from '../../jobs/contract/ids.ts';
import { newKeyset, serializeKeyset } from '../../jobs/envelope/keysets.ts';
import { run } from '../../jobs/run/run.ts';
import { adopt } from '../../jobs/upkeep/keyset-adoption.ts';
import { rewrap } from '../../jobs/upkeep/keyset-rewrapping.ts';
import { rotate } from '../../jobs/upkeep/keyset-rotation.ts';
import { keysets } from '../../jobs/upkeep/known-keysets.ts';
import { JOB_USER } from '../../sandbox/iam/job-user.ts';
import { Application, usersUnder } from '../support/application.ts';
import { silent, type TestSandbox, testSandbox } from '../support/sandbox.ts';

const application = new Application();
const key = application.newKey();
const users = usersUnder(key);
const values = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, at) => [String(at + 1), `user${at + 1}@example.com`]));

let box: TestSandbox;
let other: string;
const ROLES = ['cryptoKeyEncrypterViaDelegation', 'cryptoKeyDecrypterViaDelegation', 'cryptoKeyDecrypter'];

beforeAll(async () => {
  box = await testSandbox({}, 'direct');
  const { bigqueryKek } = box.deployment;
  other = bigqueryKek.replace(/[^/]+$/, 'another');
  await kms('POST', `${bigqueryKek.replace(/\/[^/]+$/, '')}?cryptoKeyId=another`, {
    purpose: 'ENCRYPT_DECRYPT',
  });
});
afterAll(() => box.close());
beforeEach(async () => {
  for (const table of ['users', 'users_rejected', 'runs', 'keysets'])
    await box.sql(`DELETE FROM ${table} WHERE TRUE`);
  for (const [name, bind] of [
    [box.deployment.bigqueryKek, 'bind'],
    [other, 'unbind'],
  ] as const)
    await roles(name, bind);
});

async function kms(method: string, path: string, body: object): Promise<Record<string, unknown>> {
  const answer = await fetch(`${box.sandbox.endpoints.kms}/v1/${path}`, {
    method,
    body: JSON.stringify(body),
    headers: { authorization: `Bearer ${box.sandbox.owner.accessToken}` },
  });
  expect(answer.status).toBe(200);
  return (await answer.json()) as Record<string, unknown>;
}
async function roles(resource: string, what: 'bind' | 'unbind'): Promise<void> {
  const batch = `serviceAccount:${box.deployment.batch.serviceAccount}`;
  await box.control(`iam:${what}`, { member: batch, role: 'roles/cloudkms.cryptoKeyDecrypter', resource });
  for (const role of ROLES)
    await box.control(`iam:${what}`, { member: JOB_USER, role: `roles/cloudkms.${role}`, resource });
}
/** What the job's user reads, as an analyst would. */
async function opened(): Promise<Record<string, string | null>> {
  const { project, readDataset, readProcedure } = box.deployment;
  const rows = await box.sql(`CALL \`${project}.${readDataset}.${readProcedure}\`()`);
  return Object.fromEntries(rows.map(({ id, email }) => [id, email ?? null]));
}
async function inSharedKeying(): Promise<void> {
  const context = await box.under({ keying: 'shared' });
  await run(context, { runId: newRunId(), mode: 'pending', limit: null, engine: 'direct' }, silent);
}
/** A keyset as Cloud KMS wraps it. */
async function wrapped(keyset: Uint8Array, kmsKey = box.deployment.bigqueryKek) {
  const plaintext = Buffer.from(keyset).toString('base64');
  const { ciphertext } = await kms('POST', `${kmsKey}:encrypt`, { plaintext });
  return { wrapped: Buffer.from(String(ciphertext), 'base64'), kmsKey };
}
async function newest() {
  const [row = {}] = await box.context.bigquery.query(box.context.sql.newestKeyset, {});
  return { wrapped: Buffer.from(String(row.wrapped), 'base64'), kmsKey: String(row.kms_key) };
}

describe('rewrap', () => {
  it('rows of both keyings read before, during and after it, and without the old key', async () => {
    await box.load(application, users(1, 3));
    await inSharedKeying();
    await box.load(application, users(4, 6));
    await box.run();
    expect(await opened()).toEqual(values(6));
    await roles(other, 'bind');
    const [version, during] = await Promise.all([rewrap(box.context, other), opened()]);
    expect([version, during]).toEqual([[2], values(6)]);
    expect(await opened()).toEqual(values(6));
    // What is read and sealed from now on needs the new key alone.
    await roles(box.deployment.bigqueryKek, 'unbind');
    await box.load(application, users(7, 8));
    expect(await box.run()).toMatchObject({
      merged: 2,
      keyset_version: 2,
      read_back: { checked: 2, readable: 2 },
    });
    expect(await box.run({ engine: 'dataproc', mode: 'all' })).toMatchObject({ merged: 8, staged: 8 });
    expect(await opened()).toEqual(values(8));
    const versions = await keysets(box.context);
    expect(versions.map(({ kms_key }) => kms_key.split('/').at(-1))).toEqual(['bigquery', 'another']);
    // One primary key: its seals count together, its values stand with the version that is in use.
    expect(versions.map(({ seals, values: under }) => [seals, under])).toEqual([
      [16, null],
      [16, 8],
    ]);
    expect(await rotate(box.context)).toBe(3);
    expect((await keysets(box.context)).at(-1)).toMatchObject({ seals: 0, kms_key: other });
    expect(await box.run({ mode: 'stale' })).toMatchObject({ rewrapped: 8 });
    expect(await opened()).toEqual(values(8));
  });

  it('changes nothing where it makes no sense, or a role is missing', async () => {
    await expect(rewrap(box.context, other)).rejects.toMatchObject({ code: 'nothing-resealed' });
    await box.load(application, users(1, 1));
    await box.run();
    for (const wrong of ['another', other.replace(/locations\/[^/]+/, 'locations/europe-west1')])
      await expect(rewrap(box.context, wrong)).rejects.toMatchObject({ code: 'keyset-key' });
    await expect(rewrap(box.context, box.deployment.bigqueryKek)).rejects.toMatchObject({
      code: 'keyset-key',
      message: expect.stringContaining('already'),
    });
    await expect(rewrap(box.context, other)).rejects.toMatchObject({
      message: expect.stringContaining('useToEncryptViaDelegation'),
    });
    expect(await keysets(box.context)).toHaveLength(1);
  });
});

describe('adopt', () => {
  it('takes a keyset before the first run, which then seals with it', async () => {
    expect(await adopt(box.context, await wrapped(serializeKeyset(newKeyset())))).toBe(1);
    await box.load(application, users(1, 2));
    expect(await box.run()).toMatchObject({ merged: 2, keyset_version: 1 });
    expect(await opened()).toEqual(values(2));
  });

  it('brings the values back whose versions were lost', async () => {
    await box.load(application, users(1, 2));
    await box.run();
    await rotate(box.context);
    const kept = await newest();
    await box.sql('DELETE FROM keysets WHERE TRUE');
    expect(await adopt(box.context, kept)).toBe(1);
    expect(await opened()).toEqual(values(2));
  });

  it('takes one that was rotated elsewhere, and counts the seals of one with the same primary key on', async () => {
    await box.load(application, users(1, 2));
    await box.run();
    const again = await newest();
    expect(await adopt(box.context, again)).toBe(2);
    expect((await keysets(box.context)).map(({ seals, values: under }) => [seals, under])).toEqual([
      [2, null],
      [2, 2],
    ]);
    await rotate(box.context);
    const rotated = await newest();
    await box.sql('DELETE FROM keysets WHERE version = 3');
    expect(await adopt(box.context, rotated)).toBe(3);
    expect((await keysets(box.context)).at(-1)).toMatchObject({ seals: 0, values: 0 });
    expect(await opened()).toEqual(values(2));
  });

  it('does not take one that does not open what there is', async () => {
    await box.load(application, users(1, 1));
    await box.run();
    await expect(adopt(box.context, await wrapped(serializeKeyset(newKeyset())))).rejects.toMatchObject({
      code: 'keyset-foreign',
      message: expect.stringContaining('version 1'),
    });
    expect(await keysets(box.context)).toHaveLength(1);
  });

  it('does not take other keys, other bytes, or what another key wrapped', async () => {
    const fresh = newKeyset();
    const [first] = fresh.keys;
    if (first === undefined) throw new Error('no key');
    const raw = { ...fresh, keys: [{ ...first, tinkPrefix: false }] };
    await expect(adopt(box.context, await wrapped(serializeKeyset(raw)))).rejects.toMatchObject({
      code: expect.stringMatching(/^(keyset-unfit|bigquery)$/),
    });
    await expect(adopt(box.context, await wrapped(Buffer.from('no keyset')))).rejects.toMatchObject({
      code: 'bigquery',
    });
    const elsewhere = createCipheriv('aes-256-gcm', randomBytes(32), randomBytes(12)).update('x');
    const given = { wrapped: elsewhere, kmsKey: box.deployment.bigqueryKek };
    await expect(adopt(box.context, given)).rejects.toMatchObject({ code: 'bigquery' });
    expect(await keysets(box.context)).toEqual([]);
  });
});

it('adds no version that it may not put into the view of the readers', async () => {
  await box.load(application, users(1, 2));
  await box.run();
  await roles(other, 'bind');
  const { bindings } = (await box.control('iam:bindings')) as { bindings: Record<string, string>[] };
  const editor = bindings.find(
    ({ member, role, resource }) =>
      member === JOB_USER && role === 'roles/bigquery.dataEditor' && resource?.endsWith('_read'),
  );
  await box.control('iam:unbind', editor);
  try {
    await expect(rotate(box.context)).rejects.toMatchObject({ code: 'bigquery-denied' });
    await expect(rewrap(box.context, other)).rejects.toMatchObject({ code: 'bigquery-denied' });
  } finally {
    await box.control('iam:bind', editor);
  }
  expect(await keysets(box.context)).toHaveLength(1);
  await expect(rewrap(box.context, other)).resolves.toEqual([2]);
});

it('puts a version into the view that an earlier call could not', async () => {
  await box.load(application, users(1, 2));
  await box.run();
  await roles(other, 'bind');
  const { project, readDataset, readView } = box.deployment;
  const view = `\`${project}.${readDataset}.${readView}\``;
  const inView = async () => {
    const [table] = await box.context.bigquery.client.dataset(readDataset).table(readView).getMetadata();
    return /cryptoKeys\/([a-z]+)/.exec(table.view.query)?.[1];
  };
  await rewrap(box.context, other);
  const query = `CREATE OR REPLACE VIEW ${view} AS SELECT 'cryptoKeys/bigquery' AS id`;
  await box.context.bigquery.query({ name: 'read_view', sql: query, params: {} }, {});
  expect(await inView()).toBe('bigquery');
  await expect(rewrap(box.context, other)).rejects.toMatchObject({ code: 'keyset-key' });
  expect(await inView()).toBe('another');
});
