import { createReadStream } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { type Call, type Json, Reply, type Route, readJson, required, text } from '../http/router.ts';
import type { Uploads } from '../http/upload.ts';
import { listing } from './listing.ts';
import { checkConditions } from './preconditions.ts';
import { checksums, type Store, type StoredObject } from './store.ts';

/** Cloud Storage JSON v1: https://cloud.google.com/storage/docs/json_api/v1 */
export function storageRoutes(store: Store, uploads: Uploads): Route[] {
  const insert = async ({ metadata, file }: { metadata: Json; file: string }, call: Call) => {
    const { bucket = '' } = call.params;
    const name = required(text(metadata.name) ?? call.query.get('name'), 'name');
    checkConditions(call.query, await store.find(bucket, name));
    return objectJson(await store.put(bucket, name, file), call.origin);
  };
  const get = async ({ params, query }: Call): Promise<StoredObject> => {
    const object = await store.get(params.bucket ?? '', params.object ?? '');
    checkConditions(query, object);
    return object;
  };
  return [
    {
      method: 'POST',
      path: '/storage/v1/b',
      handle: async (call) => {
        const body = await readJson(call);
        return bucketJson(await store.createBucket(required(body.name, 'name'), body), call.origin);
      },
    },
    {
      method: 'GET',
      path: '/storage/v1/b',
      handle: ({ origin }) => ({
        kind: 'storage#buckets',
        items: Object.values(store.buckets()).map((bucket) => bucketJson(bucket, origin)),
      }),
    },
    {
      method: 'GET',
      path: '/storage/v1/b/{bucket}',
      handle: ({ params, origin }) => bucketJson(store.bucket(params.bucket ?? ''), origin),
    },
    {
      method: 'DELETE',
      path: '/storage/v1/b/{bucket}',
      handle: async ({ params }) => {
        await store.deleteBucket(params.bucket ?? '');
        return new Reply(204);
      },
    },
    { method: 'GET', path: '/storage/v1/b/{bucket}/o', handle: (call) => list(store, call) },
    {
      method: 'GET',
      path: '/storage/v1/b/{bucket}/o/{object+}',
      handle: async (call) =>
        call.query.get('alt') === 'media'
          ? media(await get(call), call)
          : objectJson(await get(call), call.origin),
    },
    {
      method: 'GET',
      path: '/download/storage/v1/b/{bucket}/o/{object+}',
      handle: async (call) => media(await get(call), call),
    },
    {
      method: 'DELETE',
      path: '/storage/v1/b/{bucket}/o/{object+}',
      handle: async (call) => {
        const { bucket, name } = await get(call);
        await store.delete(bucket, name);
        return new Reply(204);
      },
    },
    {
      method: 'POST',
      path: '/storage/v1/b/{bucket}/o/{object+}/rewriteTo/b/{toBucket}/o/{toObject+}',
      handle: async (call) => {
        const [bucket, name] = [call.params.toBucket ?? '', call.params.toObject ?? ''];
        const source = await store.get(call.params.bucket ?? '', call.params.object ?? '');
        checkConditions(call.query, source, 'Source');
        checkConditions(call.query, await store.find(bucket, name));
        const copy = await uploads.file();
        await copyFile(source.path, copy);
        const resource = await objectJson(await store.put(bucket, name, copy), call.origin);
        const size = String(source.size);
        return {
          kind: 'storage#rewriteResponse',
          totalBytesRewritten: size,
          objectSize: size,
          done: true,
          resource,
        };
      },
    },
    {
      method: 'POST',
      path: '/upload/storage/v1/b/{bucket}/o',
      handle: (call) => {
        store.bucket(call.params.bucket ?? '');
        return uploads.start(call, insert);
      },
    },
    {
      method: 'PUT',
      path: '/upload/storage/v1/b/{bucket}/o',
      handle: (call) => uploads.resume(call, insert),
    },
  ];
}

async function list(store: Store, { params, query, origin }: Call): Promise<Json> {
  const all = await store.list(params.bucket ?? '', query.get('prefix') ?? '');
  const { objects, prefixes, ...token } = listing(all, query);
  const items = await Promise.all(objects.map((object) => objectJson(object, origin)));
  return {
    kind: 'storage#objects',
    ...(items.length > 0 ? { items } : {}),
    ...(prefixes.length > 0 ? { prefixes: [...prefixes] } : {}),
    ...token,
  };
}

async function media(object: StoredObject, { headers }: Call): Promise<Reply> {
  const { md5, crc32c } = await checksums(object.path);
  const common = {
    'content-type': 'application/octet-stream',
    'accept-ranges': 'bytes',
    'x-goog-hash': `crc32c=${crc32c},md5=${md5}`,
    'x-goog-generation': object.generation,
    'x-goog-stored-content-encoding': 'identity',
    'x-goog-stored-content-length': String(object.size),
  };
  const range = /^bytes=(\d*)-(\d*)$/.exec(headers.range ?? '');
  if (!range || (range[1] === '' && range[2] === '')) {
    return new Reply(
      200,
      { ...common, 'content-length': String(object.size) },
      createReadStream(object.path),
    );
  }
  const suffix = range[1] === '';
  const start = suffix ? Math.max(0, object.size - Number(range[2])) : Number(range[1]);
  const end = suffix || range[2] === '' ? object.size - 1 : Math.min(Number(range[2]), object.size - 1);
  if (start > end) {
    return new Reply(
      416,
      { 'content-range': `bytes */${object.size}` },
      'The requested range cannot be satisfied.',
    );
  }
  return new Reply(
    206,
    {
      ...common,
      'content-length': String(end - start + 1),
      'content-range': `bytes ${start}-${end}/${object.size}`,
    },
    createReadStream(object.path, { start, end }),
  );
}

const bucketJson = (bucket: Json, origin: string): Json => ({
  kind: 'storage#bucket',
  id: bucket.name,
  selfLink: `${origin}/storage/v1/b/${bucket.name}`,
  ...bucket,
});

async function objectJson(
  { bucket, name, path, size, updatedMillis, generation }: StoredObject,
  origin: string,
): Promise<Json> {
  const { md5, crc32c } = await checksums(path);
  const updated = new Date(updatedMillis).toISOString();
  const self = `${origin}/storage/v1/b/${bucket}/o/${encodeURIComponent(name)}`;
  return {
    kind: 'storage#object',
    id: `${bucket}/${name}/${generation}`,
    selfLink: self,
    mediaLink: `${origin}/download/storage/v1/b/${bucket}/o/${encodeURIComponent(name)}?alt=media`,
    name,
    bucket,
    generation,
    metageneration: '1',
    contentType: 'application/octet-stream',
    size: String(size),
    md5Hash: md5,
    crc32c,
    etag: md5,
    timeCreated: updated,
    updated,
  };
}
