import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { asWrappedKey } from '../../../jobs/envelope/brands.ts';
import { kmsClient } from '../../../jobs/google/clients.ts';
import { googleFailure } from '../../../jobs/google/failures.ts';
import { keyService } from '../../../jobs/google/kms.ts';
import { pace } from '../../../jobs/google/pace.ts';
import { endpointsOf } from '../../../sandbox/http/endpoints.ts';
import { transcoded } from '../../../sandbox/http/grpc/transcoding.ts';
import { type Harness, harness, KEY, RING } from '../../support/harness.ts';

/** The port that HTTP and gRPC share, and what becomes of a call on its way from one to the other. */

let h: Harness;
beforeAll(async () => {
  h = await harness();
});
afterAll(() => h.close());
beforeEach(() => faults());

/** Rules for the calls of the project's owner, who makes all of these. */
const faults = (...rules: object[]) =>
  h.rest('POST', '/sandbox/v1/faults', {
    rules: rules.map((rule) => ({ service: 'kms', member: 'user:owner@sandbox.invalid', ...rule })),
  });

describe('a call of gRPC, as HTTP', () => {
  test.each([
    [
      'whose body is all that is not in the path',
      { post: '/v1/{name=projects/*/cryptoKeys/*}:decrypt', body: '*' },
      { name: 'projects/p/cryptoKeys/k', ciphertext: 'AA==' },
      { method: 'POST', url: '/v1/projects/p/cryptoKeys/k:decrypt', body: { ciphertext: 'AA==' } },
    ],
    [
      'whose body is a field',
      { post: '/v1/{parent=projects/*}/keyRings', body: 'key_ring' },
      { parent: 'projects/p', keyRingId: 'r&s', keyRing: { labels: {} } },
      { method: 'POST', url: '/v1/projects/p/keyRings?keyRingId=r%26s', body: { labels: {} } },
    ],
    [
      'whose body is a field that is not given',
      { post: '/v1/{parent=projects/*}/keyRings', body: 'key_ring' },
      { parent: 'projects/p' },
      { method: 'POST', url: '/v1/projects/p/keyRings', body: {} },
    ],
    [
      'whose path has a field of a field',
      { patch: '/v1/{crypto_key.name=projects/*}', body: 'crypto_key' },
      { cryptoKey: { name: 'projects/p', labels: { a: 'b' } }, updateMask: 'labels' },
      { method: 'PATCH', url: '/v1/projects/p?updateMask=labels', body: { labels: { a: 'b' } } },
    ],
    [
      'without a body, and with a field that is repeated',
      { get: '/v1/{name=projects/*}/things' },
      { name: 'projects/ä b', names: ['x', 'y'] },
      { method: 'GET', url: '/v1/projects/%C3%A4%20b/things?names=x&names=y', body: undefined },
    ],
  ])('%s', (_what, rule, message, call) => {
    const before = structuredClone(message);
    expect(transcoded(rule, message)).toEqual(call);
    expect(message).toEqual(before);
  });
});

/** The client's own retries hide what they retry. */
const ONCE = { retry: null };

describe('the real client', () => {
  test('reads the same over gRPC as over HTTP', async () => {
    const [[key], { body }] = await Promise.all([
      h.kms.getCryptoKey({ name: KEY }),
      h.rest('GET', `/v1/${KEY}`),
    ]);
    const { name, purpose, primary } = body as { name: string; purpose: string; primary: object };
    expect(key).toMatchObject({ name, purpose, primary: { ...primary, createTime: expect.anything() } });
    const [keys] = await h.kms.listCryptoKeys({ parent: RING });
    expect(keys.map((one) => one.name).sort()).toEqual([KEY, `${RING}/cryptoKeys/source`]);
  });

  test('hears what is missing, in the sentence of the HTTP answer alone', async () => {
    const name = `${RING}/cryptoKeys/none`;
    const { status: code, body } = await h.rest('GET', `/v1/${name}`);
    expect(code).toBe(404);
    const error = await h.kms.getCryptoKey({ name }).catch((caught: ServiceError) => caught);
    const { message } = (body as { error: { message: string } }).error;
    expect(googleFailure(error)).toMatchObject({ status: 'NOT_FOUND', message });
  });

  test('needs a token that the sandbox knows', async () => {
    const stranger = await kmsClient(endpointsOf(h.origin, 'made-up'));
    await expect(stranger.getCryptoKey({ name: KEY })).rejects.toMatchObject({
      code: status.UNAUTHENTICATED,
    });
    await stranger.close();
  });

  test('hears how long to wait', async () => {
    await faults({ kind: 'quota', method: 'cryptoKeys.encrypt', retryAfterSeconds: 1.5 });
    const request = { name: KEY, plaintext: Buffer.from('x') };
    const error = await h.kms.encrypt(request, ONCE).catch((caught: ServiceError) => caught);
    expect(googleFailure(error)).toMatchObject({ status: 'RESOURCE_EXHAUSTED', retryAfterMs: 1_500 });
  });

  test.each(['drop', 'half'])(
    'takes an answer that does not arrive (%s) for an unavailable service',
    async (kind) => {
      await faults({ kind, method: 'cryptoKeys.encrypt' });
      const request = { name: KEY, plaintext: Buffer.from('x') };
      await expect(h.kms.encrypt(request, ONCE)).rejects.toMatchObject({
        code: status.UNAVAILABLE,
      });
      await expect(h.kms.encrypt(request)).resolves.toBeDefined();
    },
  );

  test('tells a run why Cloud KMS does not answer', async () => {
    await faults({ kind: 'drop', method: 'cryptoKeys.decrypt', count: null });
    const patience = { quotaMs: 500, faultMs: 500 };
    const keys = keyService(h.kms, { pace: pace(100), patience });
    await expect(keys.unwrap(KEY, asWrappedKey(Buffer.from('k')))).rejects.toMatchObject({
      code: 'kms-unavailable',
      cause: { message: 'Connection dropped' },
    });
  });

  test('is logged once, as the method of HTTP', async () => {
    const calls = () =>
      readFileSync(join(h.state, 'requests.ndjson'), 'utf8')
        .split('\n')
        .filter((line) => line.includes('"cryptoKeys.updatePrimaryVersion"'));
    await h.kms.updateCryptoKeyPrimaryVersion({ name: KEY, cryptoKeyVersionId: '1' });
    // The log is written beside the calls.
    await expect.poll(calls).toHaveLength(1);
    expect(calls().map((line) => JSON.parse(line))).toMatchObject([
      { service: 'kms', resource: `/v1/${KEY}:updatePrimaryVersion`, outcome: 'OK' },
    ]);
  });

  test('hears of a method that the sandbox does not have', async () => {
    await expect(h.kms.listImportJobs({ parent: RING })).rejects.toThrow(/The sandbox has no route GET/);
  });
});

describe('bytes', () => {
  const address = () => new URL(h.origin).host;

  /** What the port answers to pieces that come one after the other, until it or the time ends. */
  async function answered(pieces: readonly Uint8Array[], ms = 2_000): Promise<Buffer> {
    const { hostname, port } = new URL(h.origin);
    const socket = connect(Number(port), hostname);
    const parts: Buffer[] = [];
    socket.on('data', (part) => parts.push(part));
    const ended = new Promise<void>((resolve) => {
      socket.on('close', resolve);
      socket.on('error', () => {});
    });
    for (const piece of pieces) {
      socket.write(piece);
      await sleep(1);
    }
    socket.end();
    await Promise.race([ended, sleep(ms)]);
    socket.destroy();
    return Buffer.concat(parts);
  }
  const healthy = async () => expect((await fetch(`${h.origin}/sandbox/v1/health`)).status).toBe(200);
  const single = (text: string) => [...Buffer.from(text)].map((byte) => Uint8Array.of(byte));

  test('of HTTP are answered however they are cut', async () => {
    const request = `GET /sandbox/v1/health HTTP/1.1\r\nHost: ${address()}\r\nConnection: close\r\n\r\n`;
    expect(String(await answered(single(request)))).toMatch(/^HTTP\/1\.1 200 /);
    // It begins as HTTP/2 does.
    expect(String(await answered(single('PRI * HTTP/1.1\r\n\r\n')))).toMatch(/^HTTP\/1\.1 400 /);
    expect(String(await answered([Buffer.from('PROPFIND / HTTP/1.1\r\nHost: x\r\n\r\n')]))).toMatch(
      /^HTTP\/1\.1 4/,
    );
  });

  test('of HTTP/2 are answered by its settings however they are cut', async () => {
    const settings = [0, 0, 0, 4, 0, 0, 0, 0, 0].map((byte) => Uint8Array.of(byte));
    const answer = await answered([...single('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), ...settings], 500);
    // https://www.rfc-editor.org/rfc/rfc9113#section-6.5: a frame of type 4, of stream 0
    expect([...answer.subarray(3, 4), ...answer.subarray(5, 9)]).toEqual([4, 0, 0, 0, 0]);
  });

  test('of any kind leave the port as it was', async () => {
    const start = fc.constantFrom('', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r');
    await fc.assert(
      fc.asyncProperty(start, fc.uint8Array({ maxLength: 200 }), async (first, then) => {
        await answered([Buffer.concat([Buffer.from(first), then])], 50);
        await healthy();
      }),
      { numRuns: 40 },
    );
    await expect(h.kms.getCryptoKey({ name: KEY })).resolves.toBeDefined();
  });

  test('that are no message, or one with a field that it does not have, are rejected', async () => {
    const client = new Client(address(), credentials.createInsecure());
    const metadata = new Metadata();
    metadata.set('authorization', `Bearer ${h.token}`);
    const send = (bytes: Buffer): Promise<string> =>
      new Promise((resolve) => {
        client.makeUnaryRequest(
          '/google.cloud.kms.v1.KeyManagementService/GetCryptoKey',
          (given: Buffer) => given,
          String,
          bytes,
          metadata,
          (error) => resolve(error?.details ?? 'accepted'),
        );
      });
    const named = Buffer.concat([Buffer.from([0x0a, KEY.length]), Buffer.from(KEY)]);
    expect(await send(named)).toBe('accepted');
    const wrong = 'Error deserializing request';
    expect(await send(Buffer.concat([named, Buffer.from([0xd2, 0x05, 1, 0x70])]))).toBe(wrong);
    expect(await send(Buffer.from([0x08, 1]))).toBe(wrong);
    client.close();
  });
});
