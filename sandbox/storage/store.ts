import { createHash } from 'node:crypto';
import { createReadStream, type Stats } from 'node:fs';
import { copyFile, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { crc32c } from '../../jobs/envelope/crc32c.ts';
import { GoogleError } from '../errors/google-error.ts';
import type { Json } from '../http/router.ts';
import { readJsonFile, writeAtomically } from '../state/files.ts';

/** An object: a file under its bucket's folder, where a local Spark, say, finds and leaves it too. */
export interface StoredObject {
  bucket: string;
  name: string;
  path: string;
  size: number;
  updatedMillis: number;
  generation: string;
}

/**
 * Clients keep a folder that may be empty as an object whose name ends with a slash. Its file has a name that no
 * object's segment can have.
 */
const FOLDER_FILE = '\\';

/** Cloud Storage's buckets and objects in `<state>/storage/<bucket>/<object>`. */
export class Store {
  readonly #folder: string;
  readonly #metadata: string;

  constructor(state: string) {
    this.#folder = join(state, 'storage');
    this.#metadata = join(state, 'buckets.json');
  }

  buckets(): Record<string, Json> {
    return (readJsonFile(this.#metadata) as Record<string, Json> | undefined) ?? {};
  }

  bucket(name: string): Json {
    const all = this.buckets();
    const found = Object.hasOwn(all, name) ? all[name] : undefined;
    if (found) return found;
    throw new GoogleError('NOT_FOUND', 'The specified bucket does not exist.');
  }

  async createBucket(name: string, body: Json): Promise<Json> {
    if (!/^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/.test(name) || name.includes('..')) {
      throw new GoogleError('INVALID_ARGUMENT', `Invalid bucket name: '${name}'`);
    }
    const all = this.buckets();
    if (Object.hasOwn(all, name)) {
      throw new GoogleError(
        'ALREADY_EXISTS',
        'Your previous request to create the named bucket succeeded and you already own it.',
        { reason: 'conflict' },
      );
    }
    await mkdir(join(this.#folder, name), { recursive: true, mode: 0o700 });
    all[name] = { ...body, name, timeCreated: new Date().toISOString() };
    writeAtomically(this.#metadata, JSON.stringify(all, null, 1));
    return all[name];
  }

  async deleteBucket(name: string): Promise<void> {
    this.bucket(name);
    if ((await this.list(name, '')).length > 0) {
      throw new GoogleError('ALREADY_EXISTS', 'The bucket you tried to delete is not empty.', {
        reason: 'conflict',
      });
    }
    await rm(join(this.#folder, name), { recursive: true, force: true });
    const { [name]: _, ...rest } = this.buckets();
    writeAtomically(this.#metadata, JSON.stringify(rest, null, 1));
  }

  /** Where an object's bytes are or would be. @throws GoogleError for a name that is no path below it */
  pathOf(bucket: string, name: string): string {
    this.bucket(bucket);
    const folder = name.length > 1 && name.endsWith('/');
    const segments = (folder ? name.slice(0, -1) : name).split('/');
    const bad = segments.some((part) => part === '' || part === '.' || part === '..' || part.includes('\0'));
    if (bad || name.includes('\\')) {
      throw new GoogleError(
        'INVALID_ARGUMENT',
        'The sandbox keeps objects as files: a name may not have empty, "." or ".." segments, or a backslash.',
      );
    }
    return join(this.#folder, bucket, ...segments, ...(folder ? [FOLDER_FILE] : []));
  }

  /** Takes a file as an object's content. */
  async put(bucket: string, name: string, file: string): Promise<StoredObject> {
    const path = this.pathOf(bucket, name);
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await rename(file, path).catch(() => copyFile(file, path));
    } catch {
      throw new GoogleError(
        'ALREADY_EXISTS',
        'The sandbox keeps objects as files: one object cannot be a folder of another.',
      );
    }
    return this.get(bucket, name);
  }

  async get(bucket: string, name: string): Promise<StoredObject> {
    const found = await this.find(bucket, name);
    if (found) return found;
    throw new GoogleError('NOT_FOUND', `No such object: ${bucket}/${name}`);
  }

  /** The object, or undefined where there is none. @throws GoogleError for a name that cannot be one */
  async find(bucket: string, name: string): Promise<StoredObject | undefined> {
    const path = this.pathOf(bucket, name);
    const found = await stat(path).catch(() => undefined);
    return found?.isFile() ? storedObject(bucket, name, path, found) : undefined;
  }

  async delete(bucket: string, name: string): Promise<void> {
    await rm((await this.get(bucket, name)).path);
  }

  /** Objects whose names begin with a prefix, in their names' order. */
  async list(bucket: string, prefix: string): Promise<StoredObject[]> {
    this.bucket(bucket);
    const root = join(this.#folder, bucket);
    const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => []);
    const found: StoredObject[] = [];
    for (const entry of entries) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      const segments = relative(root, path).split(sep);
      const name = segments.map((part) => (part === FOLDER_FILE ? '' : part)).join('/');
      const stats = name.startsWith(prefix) ? await stat(path).catch(() => undefined) : undefined;
      if (stats) found.push(storedObject(bucket, name, path, stats));
    }
    return found.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** The files of a gs:// URI, whose last part may have one `*`. */
  async resolve(uri: string): Promise<string[]> {
    const match = /^gs:\/\/([^/]+)\/(.+)$/.exec(uri);
    const [, bucket = '', pattern = ''] = match ?? [];
    if (!match) throw new GoogleError('INVALID_ARGUMENT', `Invalid Cloud Storage URI: ${uri}`);
    const star = pattern.indexOf('*');
    if (star < 0) return [(await this.get(bucket, pattern)).path];
    const [before, after] = [pattern.slice(0, star), pattern.slice(star + 1)];
    const names = await this.list(bucket, before);
    const found = names.filter(
      ({ name }) => name.endsWith(after) && name.length >= before.length + after.length,
    );
    if (found.length === 0) {
      throw new GoogleError('NOT_FOUND', `Not found: URI ${uri}`);
    }
    return found.map(({ path }) => path);
  }
}

function storedObject(bucket: string, name: string, path: string, stats: Stats): StoredObject {
  const { size, mtimeMs } = stats;
  const generation = String(Math.floor(mtimeMs * 1000));
  return { bucket, name, path, size, updatedMillis: Math.floor(mtimeMs), generation };
}

/** The checksums that Cloud Storage shows of an object, both base64. */
export async function checksums(path: string): Promise<{ md5: string; crc32c: string }> {
  const hash = createHash('md5');
  const parts: Buffer[] = [];
  for await (const part of createReadStream(path)) {
    hash.update(part);
    parts.push(part);
  }
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32c(Buffer.concat(parts)));
  return { md5: hash.digest('base64'), crc32c: sum.toString('base64') };
}
