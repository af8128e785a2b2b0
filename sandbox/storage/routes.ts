import { createReadStream } from 'node:fs';
import { type Call, type Json, Reply, type Route, readJson, required, text } from '../http/router.ts';
import type { Uploads } from '../http/upload.ts';
import { checksums, type Store, type StoredObject } from './store.ts';

/** Cloud Storage JSON v1: https://cloud.google.com/storage/docs/json_api/v1 */
export function storageRoutes(store: Store, uploads: Uploads): Route[] {
  const insert = async ({ metadata, file }: { metadata: Json; file: string }, call: Call) => {
    const { bucket = '' } = call.params;
    const name = required(text(metadata.name) ?? call.query.get('name'), 'name');
    return objectJson(await store.put(bucket, name, file), call.origin);
  };
  const get = (call: Call) => store.get(call.params.bucket ?? '', call.params.object ?? '');
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
      handle: async ({ params }) => {
        await store.delete(params.bucket ?? '', params.object ?? '');
        return new Reply(204);
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
  const prefix = query.get('prefix') ?? '';
  const delimiter = query.get('delimiter');
  const items: Json[] = [];
  const prefixes = new Set<string>();
  for (const object of await store.list(params.bucket ?? '', prefix)) {
    const cut = delimiter ? object.name.indexOf(delimiter, prefix.length) : -1;
    if (cut >= 0) prefixes.add(object.name.slice(0, cut + 1));
    else items.push(await objectJson(object, origin));
  }
  return {
    kind: 'storage#objects',
    ...(items.length > 0 ? { items } : {}),
    ...(prefixes.size > 0 ? { prefixes: [...prefixes] } : {}),
  };
}

async function media(object: StoredObject, { headers }: Call): Promise<Reply> {
  const { md5, crc32c } = await checksums(object.path);
  const common = {
    'content-type': 'application/octet-stream',
    'accept-ranges': 'bytes',
    'x-goog-hash': `crc32c=${crc32c},md5=${md5}`,
    'x-goog-generation': String(object.updatedMillis),
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
  { bucket, name, path, size, updatedMillis }: StoredObject,
  origin: string,
): Promise<Json> {
  const { md5, crc32c } = await checksums(path);
  const updated = new Date(updatedMillis).toISOString();
  const self = `${origin}/storage/v1/b/${bucket}/o/${encodeURIComponent(name)}`;
  return {
    kind: 'storage#object',
    id: `${bucket}/${name}/${updatedMillis}`,
    selfLink: self,
    mediaLink: `${origin}/download/storage/v1/b/${bucket}/o/${encodeURIComponent(name)}?alt=media`,
    name,
    bucket,
    generation: String(updatedMillis),
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
