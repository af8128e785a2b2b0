import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Harness, harness } from '../../support/harness.ts';

let h: Harness;
beforeAll(async () => {
  h = await harness();
  await h.storage.createBucket('a-bucket', { location: 'US' });
});
afterAll(() => h.close());

const bucket = () => h.storage.bucket('a-bucket');

/** The client opens a session without its token where the endpoint is not Google's. */
async function resumableSession(name: string): Promise<string> {
  const url = `${h.origin}/upload/storage/v1/b/a-bucket/o?uploadType=resumable&name=${encodeURIComponent(name)}`;
  const opened = await fetch(url, { method: 'POST', headers: { authorization: `Bearer ${h.token}` } });
  return opened.headers.get('location') ?? '';
}

describe('objects through the real client', () => {
  test.each([
    ['in one request', false],
    ['resumable', true],
  ])('are saved %s, read with their checksums, and deleted', async (_how, resumable) => {
    const content = Buffer.alloc(700_000, 'é');
    const object = bucket().file(`temp/ü name/${resumable}.bin`);
    const session = resumable ? { uri: await resumableSession(object.name) } : {};
    await object.save(content, { resumable, ...session });
    const [read] = await object.download();
    expect(read.equals(content)).toBe(true);
    const [metadata] = await object.getMetadata();
    expect(metadata.size).toBe(String(content.length));
    const [part] = await object.download({ start: 10, end: 19 });
    expect(part).toEqual(content.subarray(10, 20));
    await object.delete();
    expect(await object.exists()).toEqual([false]);
  });

  test('are listed by prefix, and by folder with a delimiter', async () => {
    for (const name of ['x/1', 'x/2', 'x/y/3', 'z'])
      await bucket().file(name).save('.', { resumable: false });
    const [files] = await bucket().getFiles({ prefix: 'x/' });
    expect(files.map(({ name }) => name)).toEqual(['x/1', 'x/2', 'x/y/3']);
    const { body } = await h.rest('GET', '/storage/v1/b/a-bucket/o?delimiter=/');
    expect(body.prefixes).toContain('x/');
    expect(body.items.map(({ name }: { name: string }) => name)).toEqual(['z']);
  });

  test('that another process leaves in the folder are objects too', async () => {
    mkdirSync(join(h.state, 'storage/a-bucket/spark'), { recursive: true });
    writeFileSync(join(h.state, 'storage/a-bucket/spark/part-0'), 'rows');
    const [content] = await bucket().file('spark/part-0').download();
    expect(content.toString()).toBe('rows');
  });
});

describe('names that are no path below the bucket', () => {
  test.each(['../escape', 'a/../../escape', 'a//b', '/absolute', 'a/.', '..', 'a\\b', 'nul\0'])(
    '%j',
    async (name) => {
      const url = `${h.origin}/upload/storage/v1/b/a-bucket/o?uploadType=media&name=${encodeURIComponent(name)}`;
      const response = await fetch(url, {
        method: 'POST',
        headers: { authorization: `Bearer ${h.token}` },
        body: 'x',
      });
      expect(response.status).toBe(400);
      expect(existsSync(join(h.state, 'storage/escape'))).toBe(false);
      // A bare `..` never gets here: clients resolve it before they ask.
      if (name === '..') return;
      const read = await h.rest('GET', `/storage/v1/b/a-bucket/o/${encodeURIComponent(name)}`);
      expect(read.status).toBe(400);
    },
  );

  test('a bucket called like a parent folder', async () => {
    const { status } = await h.rest('POST', '/storage/v1/b?project=p', { name: '..' });
    expect(status).toBe(400);
    expect((await h.rest('GET', '/storage/v1/b/..%2F..')).status).toBe(404);
  });
});

test('what is not there, and what is there already', async () => {
  expect((await h.rest('GET', '/storage/v1/b/none')).status).toBe(404);
  expect((await h.rest('GET', '/storage/v1/b/a-bucket/o/none')).status).toBe(404);
  expect((await h.rest('POST', '/storage/v1/b?project=p', { name: 'a-bucket' })).status).toBe(409);
  await bucket().file('plain').save('x', { resumable: false });
  await expect(bucket().file('plain/below').save('x', { resumable: false })).rejects.toThrow(
    'cannot be a folder',
  );
});

test('no upload leaves anything behind but its object', () => {
  const uploads = join(h.state, 'uploads');
  expect(existsSync(uploads) ? readdirSync(uploads) : []).toEqual([]);
});
