import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MOST_JSON } from '../../../sandbox/http/router.ts';
import { type Harness, harness, PROJECT } from '../../support/harness.ts';

/** What keeps others out of a sandbox, and what its callers send out of its files and its memory. */
let h: Harness;
beforeAll(async () => {
  h = await harness();
  await h.rest('POST', '/storage/v1/b?project=p', { name: 'a-bucket' });
});
afterAll(() => h.close());

const port = () => Number(new URL(h.origin).port);

/** The status of a call whose headers are given as they are. */
const status = (path: string, headers: Record<string, string>, method = 'GET', body?: Buffer) =>
  new Promise<number | undefined>((resolve, reject) => {
    const call = request({ host: '127.0.0.1', port: port(), path, method, headers }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    });
    call.on('error', reject).end(body);
  });

describe('a caller from elsewhere', () => {
  const others = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ family, internal }) => family === 'IPv4' && !internal);

  it("finds nothing on the machine's other addresses", async () => {
    const addresses = [...others.map(({ address }) => address), '127.0.0.2'];
    for (const host of addresses) {
      const outcome = await new Promise((resolve) => {
        const socket = connect({ host, port: port() });
        socket.on('connect', () => resolve('connected')).on('error', (error) => resolve(error.message));
        socket.on('connect', () => socket.destroy());
      });
      expect(outcome, host).toContain('ECONNREFUSED');
    }
  });

  it.each([
    ['a name that was bound to 127.0.0.1', { host: 'evil.example' }],
    ['such a name with a port', { host: 'evil.example:80' }],
    ['a name that begins like ours', { host: 'localhost.evil.example' }],
    ['no name', { host: ':80' }],
    ['a page of another origin', { origin: 'https://evil.example' }],
    ['a page without an origin of its own', { origin: 'null' }],
  ])('is turned away: %s', async (_who, headers) => {
    for (const path of [
      '/sandbox/v1/health',
      '/sandbox/v1/iam:token',
      `/bigquery/v2/projects/${PROJECT}/jobs`,
    ]) {
      const given = { host: `127.0.0.1:${port()}`, authorization: `Bearer ${h.token}`, ...headers };
      expect(await status(path, given, path.endsWith('token') ? 'POST' : 'GET'), path).toBe(403);
    }
  });

  it('that is a client on this machine, or a page of the sandbox itself, is let in', async () => {
    for (const host of [`127.0.0.1:${port()}`, `localhost:${port()}`]) {
      expect(await status('/sandbox/v1/health', { host })).toBe(200);
      expect(await status('/sandbox/v1/health', { host, origin: `http://${host}` })).toBe(200);
    }
  });
});

describe('a body that is too long to be held', () => {
  const post = (
    body: Buffer,
    headers: Record<string, string> = {},
    path = `/bigquery/v2/projects/${PROJECT}/queries`,
  ) =>
    fetch(`${h.origin}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${h.token}`, ...headers },
      body: new Uint8Array(body),
    });

  it('is turned down by its size', async () => {
    const answer = await post(Buffer.alloc(MOST_JSON + 1, ' '));
    expect(answer.status).toBe(400);
    expect(await answer.text()).toContain('Request payload size exceeds the limit');
    expect((await post(Buffer.from(`{}${' '.repeat(MOST_JSON - 2)}`))).status).toBe(400);
  });

  it('is turned down by what it would unpack to, and as what it is not', async () => {
    const bomb = gzipSync(Buffer.alloc(200 * 1024 * 1024));
    expect(bomb.length).toBeLessThan(1024 * 1024);
    const answer = await post(bomb, { 'content-encoding': 'gzip' });
    expect(await answer.text()).toContain('Request payload size exceeds the limit');
    const none = await post(Buffer.from('no gzip'), { 'content-encoding': 'gzip' });
    expect(none.status).toBe(400);
  });

  it('has no metadata without an end', async () => {
    const head = Buffer.from('--b\r\ncontent-type: application/json\r\n\r\n');
    const endless = Buffer.concat([head, Buffer.alloc(MOST_JSON * 2, 'x')]);
    const path = '/upload/storage/v1/b/a-bucket/o?uploadType=multipart&name=o';
    const outcome = await post(endless, { 'content-type': 'multipart/related; boundary=b' }, path).then(
      ({ status: code }) => code,
      () => 'broken off',
    );
    expect([400, 'broken off']).toContain(outcome);
    expect(existsSync(join(h.state, 'storage/a-bucket/o'))).toBe(false);
    expect((await h.rest('GET', '/storage/v1/b/a-bucket')).status).toBe(200);
  });
});

describe('a name that would leave its folder', () => {
  const ESCAPES = ['../escaped', 'a/../../escaped', '..', '/etc/escaped', 'a\\..\\escaped', 'a\0b'];

  it.each(ESCAPES)('of a copied object: %j', async (name) => {
    await h.storage.bucket('a-bucket').file('plain').save('x', { resumable: false });
    const target = encodeURIComponent(name);
    const path = `/storage/v1/b/a-bucket/o/plain/rewriteTo/b/a-bucket/o/${target}`;
    expect((await h.rest('POST', path, {})).status).toBeGreaterThanOrEqual(400);
    expect((await h.rest('DELETE', `/storage/v1/b/a-bucket/o/${target}`)).status).toBeGreaterThanOrEqual(400);
  });

  it.each(['__proto__', 'constructor', 'toString'])('of a bucket: %s', async (name) => {
    expect((await h.rest('GET', `/storage/v1/b/${name}/o`)).status).toBe(404);
    expect((await h.rest('GET', `/storage/v1/b/${name}/o/..%2Fkms.json?alt=media`)).status).toBe(404);
  });

  it.each(ESCAPES)('of a load: %j', async (name) => {
    const { body } = await h.rest('POST', `/bigquery/v2/projects/${PROJECT}/jobs`, {
      configuration: {
        load: {
          sourceUris: [`gs://a-bucket/${name}*`, `gs://../${name}`],
          sourceFormat: 'CSV',
          destinationTable: { projectId: PROJECT, datasetId: 'poc', tableId: 'loaded' },
          schema: { fields: [{ name: 'line', type: 'STRING' }] },
        },
      },
    });
    expect(body.status.errorResult.reason).toMatch(/invalid|notFound/);
  });

  it.each(ESCAPES)('of a dataset or a table: %j', async (name) => {
    const datasets = `/bigquery/v2/projects/${PROJECT}/datasets`;
    const dataset = { datasetReference: { datasetId: name } };
    expect((await h.rest('POST', datasets, dataset)).status).toBe(400);
    const table = { tableReference: { tableId: name }, schema: { fields: [{ name: 'id', type: 'INT64' }] } };
    expect((await h.rest('POST', `${datasets}/poc/tables`, table)).status).toBe(400);
  });

  it('of a file in SQL', async () => {
    for (const sql of [
      "SELECT * FROM read_csv('kms.json')",
      'SELECT * FROM `../kms.json`',
      "SELECT read_text('/etc/hostname')",
      `SELECT * FROM "${join(h.state, 'kms.json')}"`,
    ])
      expect(await h.failure(sql), sql).not.toContain(
        readFileSync(join(h.state, 'kms.json'), 'utf8').slice(0, 20),
      );
  });

  it('leaves nothing outside of the buckets', () => {
    expect(readdirSync(join(h.state, 'storage')).sort()).toEqual(['a-bucket']);
    expect(readdirSync(join(h.state, 'storage/a-bucket'))).toEqual(['plain']);
    expect(existsSync(join(h.state, '..', 'escaped'))).toBe(false);
  });
});

it('a target that is no URL is said to be none', async () => {
  const headers = { host: `127.0.0.1:${port()}`, authorization: `Bearer ${h.token}` };
  for (const target of ['/\\', '//', '/\\:']) expect(await status(target, headers), target).toBe(400);
});
