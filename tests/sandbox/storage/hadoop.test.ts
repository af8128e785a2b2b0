import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Harness, harness } from '../../support/harness.ts';

/** What Google's Cloud Storage connector for Hadoop asks for beyond what the other clients do. */

let h: Harness;
beforeAll(async () => {
  h = await harness();
});
afterAll(() => h.close());

let bucket = '';
let number = 0;
beforeEach(async () => {
  bucket = `bucket-${number++}`;
  await h.storage.createBucket(bucket);
});

const object = (name: string, query = ''): string =>
  `/storage/v1/b/${bucket}/o/${encodeURIComponent(name)}${query}`;
const put = async (name: string, content: string, query = '') => {
  const url = `${h.origin}/upload/storage/v1/b/${bucket}/o?uploadType=media&name=${encodeURIComponent(name)}${query}`;
  const response = await fetch(url, {
    method: 'POST',
    headers: { authorization: `Bearer ${h.token}` },
    body: content,
  });
  return { status: response.status, body: (await response.json()) as { generation: string } };
};
const content = async (name: string): Promise<string> =>
  (await h.storage.bucket(bucket).file(name).download()).toString();
const list = async (query: string) => {
  const { body } = await h.rest('GET', `/storage/v1/b/${bucket}/o?${query}`);
  const items = ((body.items ?? []) as { name: string }[]).map(({ name }) => name);
  return { items, prefixes: body.prefixes ?? [], next: body.nextPageToken as string | undefined };
};

describe('a folder that is an object', () => {
  test('stands beside what is in it', async () => {
    await put('a/b/', '');
    expect((await h.rest('GET', object('a/b/'))).body).toMatchObject({ name: 'a/b/', size: '0' });
    await put('a/b/c', 'x');
    expect(await content('a/b/c')).toBe('x');
    expect((await list('prefix=a/')).items).toEqual(['a/b/', 'a/b/c']);
    expect((await h.rest('GET', object('a/b'))).status).toBe(404);
    expect((await h.rest('DELETE', object('a/b/'))).status).toBe(204);
    expect((await list('prefix=a/')).items).toEqual(['a/b/c']);
  });

  test('is among the items of a listing when asked for', async () => {
    for (const name of ['d/', 'd/e/', 'd/e/f', 'd/g']) await put(name, '');
    expect(await list('prefix=d/&delimiter=/')).toMatchObject({ items: ['d/', 'd/g'], prefixes: ['d/e/'] });
    expect(await list('prefix=d/&delimiter=/&includeTrailingDelimiter=true')).toMatchObject({
      items: ['d/', 'd/e/', 'd/g'],
      prefixes: ['d/e/'],
    });
  });
});

test('a listing comes in pages, and no page repeats a folder', async () => {
  for (const name of ['a', 'b/1', 'b/2', 'c', 'd/1', 'e']) await put(name, '');
  const seen: string[] = [];
  let token = '';
  let pages = 0;
  do {
    const { items, prefixes, next = '' } = await list(`delimiter=/&maxResults=2&pageToken=${token}`);
    seen.push(...items, ...prefixes);
    expect(items.length + prefixes.length).toBeLessThanOrEqual(2);
    token = next;
    pages++;
  } while (token !== '');
  expect(seen.sort()).toEqual(['a', 'b/', 'c', 'd/', 'e']);
  expect(pages).toBe(3);
  expect((await list('startOffset=b/2&endOffset=e')).items).toEqual(['b/2', 'c', 'd/1']);
});

describe('conditions', () => {
  test('ifGenerationMatch=0 makes an object only where there is none', async () => {
    expect((await put('new', 'first', '&ifGenerationMatch=0')).status).toBe(200);
    const again = await put('new', 'second', '&ifGenerationMatch=0');
    expect(again).toMatchObject({
      status: 412,
      body: { error: { code: 412, errors: [{ reason: 'conditionNotMet' }] } },
    });
    expect(await content('new')).toBe('first');
  });

  test('a generation is one content of an object', async () => {
    const first = (await put('changing', 'first')).body.generation;
    await new Promise((resolve) => setTimeout(resolve, 2));
    const second = (await put('changing', 'second', `&ifGenerationMatch=${first}`)).body.generation;
    expect(second).not.toBe(first);
    expect((await put('changing', 'third', `&ifGenerationMatch=${first}`)).status).toBe(412);
    expect((await h.rest('GET', object('changing', `?generation=${first}`))).status).toBe(404);
    expect((await h.rest('GET', object('changing', `?generation=${second}`))).status).toBe(200);
    expect((await h.rest('DELETE', object('changing', `?ifGenerationMatch=${first}`))).status).toBe(412);
    expect((await h.rest('DELETE', object('changing', `?ifGenerationMatch=${second}`))).status).toBe(204);
  });
});

describe('rewriteTo', () => {
  const rewrite = (from: string, to: string, query = '') =>
    h.rest('POST', `${object(from)}/rewriteTo/b/${bucket}/o/${encodeURIComponent(to)}${query}`);

  test('copies an object under another name', async () => {
    await put('from/x y', 'content');
    const { status, body } = await rewrite('from/x y', 'to/ü');
    expect(status).toBe(200);
    expect(body).toMatchObject({ done: true, objectSize: '7', resource: { name: 'to/ü', size: '7' } });
    expect([await content('from/x y'), await content('to/ü')]).toEqual(['content', 'content']);
  });

  test('holds to the conditions of both ends', async () => {
    const { generation } = (await put('source', 'a')).body;
    await put('target', 'b');
    expect((await rewrite('source', 'target', '?ifGenerationMatch=0')).status).toBe(412);
    expect((await rewrite('source', 'target', '?ifSourceGenerationMatch=1')).status).toBe(412);
    expect(await content('target')).toBe('b');
    expect((await rewrite('source', 'target', `?ifSourceGenerationMatch=${generation}`)).status).toBe(200);
    expect(await content('target')).toBe('a');
    expect((await rewrite('none', 'target')).status).toBe(404);
  });
});
