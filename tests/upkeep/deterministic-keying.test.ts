import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { AEAD, DETERMINISTIC } from '../../jobs/contract/algorithms.ts';
import { newRunId } from '../../jobs/contract/ids.ts';
import type { Keying } from '../../jobs/contract/settings/choices.ts';
import { NO_CUTOFF, NO_FLOOR, WHOLE } from '../../jobs/contract/sql/index.ts';
import { newKeyset, rotateKeyset, serializeKeyset } from '../../jobs/envelope/keysets.ts';
import { newestKeysets } from '../../jobs/run/keyset.ts';
import { run } from '../../jobs/run/run.ts';
import { adopt } from '../../jobs/upkeep/keyset-adoption.ts';
import { rewrap } from '../../jobs/upkeep/keyset-rewrapping.ts';
import { rotate } from '../../jobs/upkeep/keyset-rotation.ts';
import { keysets } from '../../jobs/upkeep/known-keysets.ts';
import { shred } from '../../jobs/upkeep/shredding.ts';
import { JOB_USER } from '../../sandbox/iam/job-user.ts';
import { Application, type UserRow } from '../support/application.ts';
import { interruptedAt } from '../support/interrupted.ts';
import { silent, type TestSandbox, testSandbox } from '../support/sandbox.ts';

/** What becomes of keysets, and of what they sealed, in a stack of deterministic keying. */

const application = new Application();
const key = application.newKey();
const user = (id: number, text: string): UserRow => ({
  id: String(id),
  cipher_text: key.encrypt(text),
  dek: key.dek,
});
const ADA = 'ada@example.com';
const GRACE = 'grace@example.com';

let box: TestSandbox;
beforeAll(async () => {
  box = await testSandbox({ keying: 'deterministic' }, 'direct');
});
afterAll(() => box.close());
beforeEach(async () => {
  for (const table of ['users', 'users_rejected', 'runs', 'keysets'])
    await box.sql(`DELETE FROM ${table} WHERE TRUE`);
  await box.load(application, [user(1, ADA), user(2, GRACE), user(3, ADA)]);
});

/** Ids by what joins them: those of equal tokens. */
const groups = async (): Promise<unknown[]> =>
  (
    await box.sql(
      "SELECT STRING_AGG(CAST(id AS STRING), ' ') AS ids FROM (SELECT id, bq_encrypted_email AS token FROM users ORDER BY id) GROUP BY token ORDER BY ids",
    )
  ).map(({ ids }) => ids);
const read = async (): Promise<unknown> => {
  const { project, readDataset, readProcedure } = box.deployment;
  const rows = await box.sql(`CALL \`${project}.${readDataset}.${readProcedure}\`()`);
  return Object.fromEntries(rows.map(({ id, email }) => [id, email ?? null]));
};
async function under(keying: Keying): Promise<void> {
  const options = { runId: newRunId(), mode: 'pending', limit: null, engine: 'direct' } as const;
  await run(await box.under({ keying }), options, silent);
}
async function kms(path: string, body: object): Promise<Record<string, unknown>> {
  const answer = await fetch(`${box.sandbox.endpoints.kms}/v1/${path}`, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { authorization: `Bearer ${box.sandbox.owner.accessToken}` },
  });
  expect(answer.status).toBe(200);
  return (await answer.json()) as Record<string, unknown>;
}
async function wrapped(keyset: Uint8Array) {
  const kmsKey = box.deployment.bigqueryKek;
  const plaintext = Buffer.from(keyset).toString('base64');
  const { ciphertext } = await kms(`${kmsKey}:encrypt`, { plaintext });
  return { wrapped: Buffer.from(String(ciphertext), 'base64'), kmsKey };
}

it('equal values are equal, until a rotation: then once mode stale has re-encrypted all', async () => {
  await box.run();
  expect(await groups()).toEqual(['1 3', '2']);
  expect(await rotate(box.context)).toBe(2);
  await box.load(application, [user(4, ADA)]);
  await box.run();
  expect(await groups()).toEqual(['1 3', '2', '4']);
  expect(await keysets(box.context)).toMatchObject([
    { version: 1, values: 3, seals: 3, seals_left: 2 ** 48 - 3, algorithm: DETERMINISTIC },
    { version: 2, values: 1, seals: 1, algorithm: DETERMINISTIC },
  ]);
  expect(await read()).toEqual({ 1: ADA, 2: GRACE, 3: ADA, 4: ADA });
  expect(await box.run({ mode: 'stale' })).toMatchObject({ selected: 3, merged: 3 });
  expect(await groups()).toEqual(['1 3 4', '2']);
});

it('a shredded value opens no more, and is no token', async () => {
  await box.run();
  const done = await shred(box.context, { ids: ['1'], field: null, clearSource: false });
  expect(done).toMatchObject({ values: 1, readable: 0 });
  expect(await read()).toEqual({ 1: null, 2: GRACE, 3: ADA });
  expect(await box.run({ mode: 'all' })).toMatchObject({ selected: 2 });
});

it('the bound of seals is that of AES-SIV', async () => {
  await box.run({ limit: 1 });
  await box.sql(`UPDATE runs SET staged = ${2 ** 32} WHERE TRUE`);
  await box.run({ limit: 1 });
  await box.sql(`UPDATE runs SET staged = ${2 ** 48} WHERE TRUE`);
  await expect(box.run()).rejects.toMatchObject({
    code: 'keyset-exhausted',
    message: expect.stringContaining('2^48'),
  });
});

describe('keysets of both types', () => {
  it('count their versions together, and rotate each by the keying of the stack', async () => {
    await under('shared');
    await box.load(application, [user(4, ADA)]);
    await box.run();
    await rotate(await box.under({ keying: 'row' }));
    expect(await rotate(box.context)).toBe(4);
    const types = (await keysets(box.context)).map(({ version, algorithm, values }) => [
      version,
      algorithm,
      values,
    ]);
    expect(types).toEqual([
      [1, AEAD, 3],
      [2, DETERMINISTIC, 1],
      [3, AEAD, 0],
      [4, DETERMINISTIC, 0],
    ]);
    expect(await read()).toEqual({ 1: ADA, 2: GRACE, 3: ADA, 4: ADA });
  });

  it('made in the same moment are one of each', async () => {
    await Promise.all([under('shared'), under('deterministic'), under('deterministic'), under('row')]);
    const made = await box.sql('SELECT version, algorithm FROM keysets ORDER BY version');
    expect(made.map(({ version }) => version)).toEqual(['1', '2']);
    expect(made.map(({ algorithm }) => algorithm).sort()).toEqual([AEAD, DETERMINISTIC]);
    expect(await read()).toEqual({ 1: ADA, 2: GRACE, 3: ADA });
  });

  it('both move to another key of Cloud KMS, as readers use both', async () => {
    const { bigqueryKek } = box.deployment;
    await kms(`${bigqueryKek.replace(/\/[^/]+$/, '')}?cryptoKeyId=another`, { purpose: 'ENCRYPT_DECRYPT' });
    const other = bigqueryKek.replace(/[^/]+$/, 'another');
    await under('shared');
    await box.load(application, [user(4, ADA)]);
    await box.run();
    for (const role of ['cryptoKeyEncrypterViaDelegation', 'cryptoKeyDecrypterViaDelegation'])
      await box.control('iam:bind', { member: JOB_USER, role: `roles/cloudkms.${role}`, resource: other });
    const broken = interruptedAt(box, { sql: 'REWRAP_KEYSET', from: 2 }, (context) => rewrap(context, other));
    await expect(broken).rejects.toMatchObject({
      code: 'cancelled',
      message: 'cancelled; version 3 of the keyset is added, that of the other type may not be',
    });
    expect(await rewrap(box.context, other)).toEqual([4]);
    expect((await newestKeysets(box.context)).map(({ kmsKey }) => kmsKey)).toEqual([other, other]);
  });
});

describe('adopting', () => {
  it('a keyset of the other type is told', async () => {
    const foreign = await wrapped(serializeKeyset(newKeyset(AEAD)));
    await expect(adopt(box.context, foreign)).rejects.toMatchObject({
      code: 'keyset-unfit',
      message: expect.stringContaining(DETERMINISTIC),
    });
    const other = await wrapped(serializeKeyset(newKeyset(DETERMINISTIC)));
    await expect(adopt(await box.under({ keying: 'row' }), other)).rejects.toMatchObject({
      code: 'keyset-unfit',
      message: expect.stringContaining(AEAD),
    });
    expect(await box.sql('SELECT version FROM keysets')).toEqual([]);
  });

  it('one by which other tables seal has their tokens, and only one that opens all follows it', async () => {
    await under('row');
    const shared = newKeyset(DETERMINISTIC);
    expect(await adopt(box.context, await wrapped(serializeKeyset(shared)))).toBe(2);
    await box.run({ mode: 'stale' });
    await expect(
      adopt(box.context, await wrapped(serializeKeyset(newKeyset(DETERMINISTIC)))),
    ).rejects.toMatchObject({ code: 'keyset-foreign' });
    const rotated = await wrapped(serializeKeyset(rotateKeyset(shared, DETERMINISTIC)));
    expect(await adopt(box.context, rotated)).toBe(3);
    expect(await read()).toEqual({ 1: ADA, 2: GRACE, 3: ADA });
  });
});

it('a keyset of another type than the keying needs stops a stage before any value', async () => {
  await under('shared');
  const [keyset] = await newestKeysets(box.context);
  const input = {
    runId: newRunId(),
    mode: 'all',
    snapshotMillis: String(Date.now()),
    idFrom: NO_FLOOR,
    idCutoff: NO_CUTOFF,
    limit: null,
    ...WHOLE,
    selected: 3,
    keyset: keyset as NonNullable<typeof keyset>,
    spent: [],
  } as const;
  await expect(
    box.context.engines.direct.stage(input, () => {}, new AbortController().signal),
  ).rejects.toMatchObject({ code: 'keyset-type' });
  expect(await box.sql('SELECT COUNT(*) AS n FROM users_temp')).toEqual([{ n: '0' }]);
});
