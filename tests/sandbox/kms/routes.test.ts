import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { crc32c } from '../../../jobs/envelope/crc32c.ts';
import { type Harness, harness, KEY, RING } from '../../support/harness.ts';

let h: Harness;
beforeAll(async () => {
  h = await harness();
});
afterAll(() => h.close());
beforeEach(async () => {
  await h.rest('POST', '/sandbox/v1/kms:reset', {});
  await faults();
});

/** The rules at work: for the calls of the project's owner, who makes all of these. */
const faults = (...rules: object[]) =>
  h.rest('POST', '/sandbox/v1/faults', {
    rules: rules.map((rule) => ({ service: 'kms', member: 'user:owner@sandbox.invalid', ...rule })),
  });

const plaintext = Buffer.from('a data key of thirty-two bytes!!');
const encrypt = async (name = KEY, additionalAuthenticatedData?: Buffer) => {
  const request = { name, plaintext, ...(additionalAuthenticatedData && { additionalAuthenticatedData }) };
  const [{ ciphertext }] = await h.kms.encrypt(request);
  return Buffer.from(ciphertext as Uint8Array);
};
const decrypt = (ciphertext: Buffer, name = KEY) => h.kms.decrypt({ name, ciphertext }, { retry: null });
/** The answer to a REST call of decrypt. */
const raw = (body: object, name = KEY) => h.rest('POST', `/v1/${name}:decrypt`, body);

describe('Encrypt and Decrypt through the real client', () => {
  test('give back the plaintext, with checksums both ways', async () => {
    const [sealed] = await h.kms.encrypt({
      name: KEY,
      plaintext,
      plaintextCrc32c: { value: crc32c(plaintext) },
    });
    expect(sealed.name).toBe(`${KEY}/cryptoKeyVersions/1`);
    expect(sealed.verifiedPlaintextCrc32c).toBe(true);
    expect(sealed.verifiedAdditionalAuthenticatedDataCrc32c).toBe(false);
    const ciphertext = Buffer.from(sealed.ciphertext as Uint8Array);
    expect(ciphertext).toHaveLength(12 + plaintext.length + 16);
    expect(Number(sealed.ciphertextCrc32c?.value)).toBe(crc32c(ciphertext));
    const [opened] = await h.kms.decrypt({
      name: KEY,
      ciphertext,
      ciphertextCrc32c: { value: crc32c(ciphertext) },
    });
    expect(Buffer.from(opened.plaintext as Uint8Array)).toEqual(plaintext);
    expect(Number(opened.plaintextCrc32c?.value)).toBe(crc32c(plaintext));
    expect(opened.usedPrimary).toBe(true);
  });

  test('the AAD must be the same', async () => {
    const ciphertext = await encrypt(KEY, Buffer.from('1'));
    const opened = await raw({
      ciphertext: ciphertext.toString('base64'),
      additionalAuthenticatedData: Buffer.from('1').toString('base64'),
    });
    expect(opened.body.plaintext).toBe(plaintext.toString('base64'));
    expect((await raw({ ciphertext: ciphertext.toString('base64') })).status).toBe(400);
  });

  test('checksums are int64 strings on the wire, and a wrong one is refused', async () => {
    const ciphertext = (await encrypt()).toString('base64');
    expect((await raw({ ciphertext })).body.plaintextCrc32c).toBe(String(crc32c(plaintext)));
    const { status, body } = await raw({ ciphertext, ciphertextCrc32c: '1' });
    expect(status).toBe(400);
    expect(body.error.message).toBe(
      'The checksum in field ciphertext_crc32c did not match the data in field ciphertext.',
    );
  });
});

describe('errors in the shape of Google', () => {
  test.each([
    [
      'random bytes',
      KEY,
      Buffer.alloc(60),
      400,
      'INVALID_ARGUMENT',
      'Decryption failed: the ciphertext is invalid.',
    ],
    [
      'too few bytes',
      KEY,
      Buffer.alloc(5),
      400,
      'INVALID_ARGUMENT',
      'Decryption failed: the ciphertext is invalid.',
    ],
    [
      'no such key',
      `${RING}/cryptoKeys/none`,
      Buffer.alloc(60),
      404,
      'NOT_FOUND',
      `CryptoKey ${RING}/cryptoKeys/none not found.`,
    ],
  ])('%s', async (_what, name, bytes, status, code, message) => {
    const answer = await raw({ ciphertext: bytes.toString('base64') }, name);
    expect(answer.status).toBe(status);
    expect(answer.body.error).toMatchObject({ code: status, status: code, message });
  });

  test('a disabled and a destroyed version', async () => {
    await h.rest('POST', `/v1/${RING}/cryptoKeys?cryptoKeyId=states`, { purpose: 'ENCRYPT_DECRYPT' });
    const name = `${RING}/cryptoKeys/states`;
    const ciphertext = (await encrypt(name)).toString('base64');
    await h.rest('PATCH', `/v1/${name}/cryptoKeyVersions/1?updateMask=state`, { state: 'DISABLED' });
    const disabled = await raw({ ciphertext }, name);
    expect(disabled.body.error).toMatchObject({
      status: 'FAILED_PRECONDITION',
      message: `${name}/cryptoKeyVersions/1 is not enabled, current state is: DISABLED.`,
    });
    await h.rest('PATCH', `/v1/${name}/cryptoKeyVersions/1?updateMask=state`, { state: 'ENABLED' });
    expect((await raw({ ciphertext }, name)).status).toBe(200);
    await h.rest('POST', `/v1/${name}/cryptoKeyVersions/1:destroy`, {});
    expect((await raw({ ciphertext }, name)).body.error.message).toContain('DESTROY_SCHEDULED');
  });
});

test('a new primary version encrypts, and the old one still decrypts', async () => {
  await h.rest('POST', `/v1/${RING}/cryptoKeys?cryptoKeyId=rotated`, { purpose: 'ENCRYPT_DECRYPT' });
  const name = `${RING}/cryptoKeys/rotated`;
  const old = await encrypt(name);
  await h.rest('POST', `/v1/${name}/cryptoKeyVersions`, {});
  await h.kms.updateCryptoKeyPrimaryVersion({ name, cryptoKeyVersionId: '2' });
  const [sealed] = await h.kms.encrypt({ name, plaintext });
  expect(sealed.name).toBe(`${name}/cryptoKeyVersions/2`);
  const [opened] = await decrypt(old, name);
  expect(opened.usedPrimary).toBe(false);
  const [versions] = await h.kms.listCryptoKeyVersions({ parent: name });
  expect(versions).toHaveLength(2);
});

test('a ciphertext of a version that is not enabled is no bad one, whatever the other versions are', async () => {
  await h.rest('POST', `/v1/${RING}/cryptoKeys?cryptoKeyId=retired`, { purpose: 'ENCRYPT_DECRYPT' });
  const name = `${RING}/cryptoKeys/retired`;
  const old = `${name}/cryptoKeyVersions/1`;
  const ciphertext = (await encrypt(name)).toString('base64');
  await h.rest('POST', `/v1/${name}/cryptoKeyVersions`, {});
  await h.kms.updateCryptoKeyPrimaryVersion({ name, cryptoKeyVersionId: '2' });
  const said = async () => (await raw({ ciphertext }, name)).body.error;
  const notEnabled = (state: string) => ({
    status: 'FAILED_PRECONDITION',
    message: `${old} is not enabled, current state is: ${state}.`,
  });
  await h.rest('PATCH', `/v1/${old}?updateMask=state`, { state: 'DISABLED' });
  expect(await said()).toMatchObject(notEnabled('DISABLED'));
  const destroy = () => h.rest('POST', '/sandbox/v1/kms:destroy', { name: old });
  expect((await destroy()).status).toBe(400);
  await h.rest('POST', `/v1/${old}:destroy`, {});
  expect(await said()).toMatchObject(notEnabled('DESTROY_SCHEDULED'));
  expect(await destroy()).toMatchObject({ status: 200, body: { state: 'DESTROYED' } });
  for (const way of ['restore', 'destroy'])
    expect((await h.rest('POST', `/v1/${old}:${way}`, {})).body.error.status).toBe('FAILED_PRECONDITION');
  expect(await said()).toMatchObject(notEnabled('DESTROYED'));
  expect((await raw({ ciphertext: Buffer.alloc(60).toString('base64') }, name)).body.error).toMatchObject({
    status: 'INVALID_ARGUMENT',
  });
});

test('imported material opens what it sealed elsewhere', async () => {
  const material = Buffer.alloc(32, 7);
  const { body } = await h.rest('POST', '/sandbox/v1/kms:import', {
    name: KEY,
    materialBase64: material.toString('base64'),
  });
  const again = await h.rest('POST', '/sandbox/v1/kms:import', {
    name: KEY,
    materialBase64: material.toString('base64'),
  });
  expect(again.body).toEqual(body);
  const { createCipheriv } = await import('node:crypto');
  const cipher = createCipheriv('aes-256-gcm', material, Buffer.alloc(12, 1));
  const parts = [Buffer.alloc(12, 1), cipher.update(plaintext), cipher.final(), cipher.getAuthTag()];
  const [opened] = await decrypt(Buffer.concat(parts));
  expect(Buffer.from(opened.plaintext as Uint8Array)).toEqual(plaintext);
  const wrong = await h.rest('POST', '/sandbox/v1/kms:import', { name: KEY, materialBase64: 'AAAA' });
  expect(wrong.status).toBe(400);
});

describe('counters and faults', () => {
  const calls = async () => (await h.rest('GET', '/sandbox/v1/kms:calls')).body.keys[KEY];

  test('every call is counted by key, and in its second', async () => {
    const ciphertext = await encrypt();
    for (let call = 0; call < 3; call++) await decrypt(ciphertext);
    await decrypt(Buffer.alloc(60)).catch(() => undefined);
    const counted = await calls();
    expect(counted).toMatchObject({ encrypt: 1, decrypt: 4, failed: 1, bigquery: 0 });
    const inSeconds = Object.values<number>(counted.decryptsBySecond);
    expect(inSeconds.reduce((sum, one) => sum + one)).toBe(4);
  });

  test.each([
    ['unavailable', 503, 'UNAVAILABLE'],
    ['quota', 429, 'RESOURCE_EXHAUSTED'],
    ['internal', 500, 'INTERNAL'],
    ['denied', 403, 'PERMISSION_DENIED'],
    ['expired-token', 401, 'UNAUTHENTICATED'],
    ['key-disabled', 400, 'FAILED_PRECONDITION'],
    ['key-destroy-scheduled', 400, 'FAILED_PRECONDITION'],
  ])('the second call is answered with %s, the third again as usual', async (kind, status, code) => {
    const ciphertext = (await encrypt()).toString('base64');
    await faults({ kind, method: 'cryptoKeys.decrypt', from: 2 });
    expect((await raw({ ciphertext })).status).toBe(200);
    const second = await raw({ ciphertext });
    expect(second.status).toBe(status);
    expect(second.body.error.status).toBe(code);
    expect((await raw({ ciphertext })).status).toBe(200);
  });

  test('answers damaged on the way are told by their checksum', async () => {
    const ciphertext = (await encrypt()).toString('base64');
    await faults({ kind: 'corrupt-crc32c', from: 1 }, { kind: 'corrupt-bytes', from: 2 });
    for (let call = 0; call < 2; call++) {
      const { body } = await raw({ ciphertext });
      expect(body.plaintextCrc32c).not.toBe(String(crc32c(Buffer.from(body.plaintext, 'base64'))));
    }
  });

  test('no second lets more calls through than its quota', async () => {
    const ciphertext = (await encrypt()).toString('base64');
    await faults({ kind: 'rate', perSecond: 2 });
    // Twelve calls at once fall into one second where it has just begun.
    await new Promise((resolve) => setTimeout(resolve, 1000 - (Date.now() % 1000)));
    const answers = await Promise.all(Array.from({ length: 12 }, () => raw({ ciphertext })));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(2);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(10);
  });
});

test('keys survive a restart, in a file that only its owner reads', async () => {
  const ciphertext = await encrypt();
  await h.restart();
  const [opened] = await decrypt(ciphertext);
  expect(Buffer.from(opened.plaintext as Uint8Array)).toEqual(plaintext);
  const file = join(h.state, 'kms.json');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readFileSync(file, 'utf8')).not.toContain(plaintext.toString('base64'));
});
