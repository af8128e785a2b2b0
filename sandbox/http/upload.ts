import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { GoogleError } from '../errors/google-error.ts';
import { type Call, type Json, MOST_JSON, notGzip, parseJson, Reply, readJson, tooLarge } from './router.ts';

/** What an upload brought: its metadata, and its media in a file of the receiver's. */
export interface Uploaded {
  metadata: Json;
  file: string;
  contentType: string | undefined;
}

interface Pending extends Uploaded {
  /** Who opened the session: it is that principal's upload, whoever holds the address. */
  caller: Call['caller'];
  received: number;
  params: Record<string, string>;
  query: URLSearchParams;
}

/** Chunks of a resumable upload but the last are multiples of this (for the 308 answer's Range). */
const RESUME_INCOMPLETE = 308;

/**
 * The three ways in which Google's clients upload (media, multipart and resumable), streamed to disk.
 * https://cloud.google.com/storage/docs/uploads-downloads
 */
export class Uploads {
  readonly #folder: string;
  readonly #sessions = new Map<string, Pending>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** A new file for incoming media. */
  async file(): Promise<string> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    return join(this.#folder, randomUUID());
  }

  /** Forgets what an earlier process left half received. */
  async clear(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** Handles the first call of an upload; `done` answers once the media are complete. */
  async start(
    call: Call,
    done: (upload: Uploaded, call: Call) => Promise<Json | Reply>,
  ): Promise<Json | Reply> {
    const type = call.query.get('uploadType');
    if (type === 'resumable') return this.#open(call);
    const file = await this.file();
    try {
      if (type === 'multipart') {
        const { metadata, contentType } = await this.#multipart(call, file);
        return await done({ metadata, file, contentType }, call);
      }
      if (type === 'media') {
        await receive(call, file);
        return await done({ metadata: {}, file, contentType: call.headers['content-type'] }, call);
      }
      throw new GoogleError('INVALID_ARGUMENT', `The sandbox has no uploadType ${type}`);
    } finally {
      await rm(file, { force: true });
    }
  }

  async #open(call: Call): Promise<Reply> {
    const id = randomUUID();
    const metadata = await readJson(call);
    this.#sessions.set(id, {
      caller: call.caller,
      metadata,
      file: await this.file(),
      contentType: call.headers['x-upload-content-type']?.toString(),
      received: 0,
      params: call.params,
      query: call.query,
    });
    const path = new URL(call.url, call.origin);
    path.searchParams.set('upload_id', id);
    return new Reply(200, { location: path.href, 'x-guploader-uploadid': id }, {});
  }

  /** Handles the PUTs of a resumable upload. */
  async resume(
    call: Call,
    done: (upload: Uploaded, call: Call) => Promise<Json | Reply>,
  ): Promise<Json | Reply> {
    const id = call.query.get('upload_id') ?? '';
    const session = this.#sessions.get(id);
    if (!session) throw new GoogleError('NOT_FOUND', 'No such upload session.');
    const range = /^bytes (?:(\d+)-(\d+|\*)|\*)\/(\d+|\*)$/.exec(call.headers['content-range'] ?? '');
    const first = range?.[1] === undefined ? undefined : Number(range[1]);
    if (range && first === undefined) {
      const total = range[3];
      if (total !== String(session.received)) return this.#incomplete(session);
    } else {
      if ((first ?? 0) !== session.received) return this.#incomplete(session);
      await receive(call, session.file, session.received > 0);
      session.received = (await stat(session.file)).size;
      // `bytes 0-*/*` is one stream to its end, `bytes 0-99/*` a chunk with more to come.
      if (range && range[2] !== '*' && range[3] !== String(session.received))
        return this.#incomplete(session);
    }
    this.#sessions.delete(id);
    try {
      if (session.received === 0) await pipeline([], createWriteStream(session.file, { flags: 'a' }));
      const { caller, params, query } = session;
      return await done(session, { ...call, caller, params, query });
    } finally {
      await rm(session.file, { force: true });
    }
  }

  #incomplete({ received }: Pending): Reply {
    return new Reply(RESUME_INCOMPLETE, received > 0 ? { range: `bytes=0-${received - 1}` } : {});
  }

  async #multipart(call: Call, file: string): Promise<{ metadata: Json; contentType: string | undefined }> {
    const boundary = /boundary=(?:"([^"]+)"|([^;\s]+))/.exec(call.headers['content-type'] ?? '');
    const name = boundary?.[1] ?? boundary?.[2];
    if (name === undefined || !call.body) {
      throw new GoogleError('INVALID_ARGUMENT', 'Expected a multipart/related body.');
    }
    const parts = new MultipartRelated(name, file);
    await flow(call, parts);
    if (!parts.complete) throw new GoogleError('INVALID_ARGUMENT', 'The multipart body is incomplete.');
    const metadata = parseJson(parts.metadata);
    call.wire.body(metadata);
    return { metadata, contentType: parts.contentType };
  }
}

/** Writes the body, without a gzip coating that the transfer put on it. @throws GoogleError where it is no gzip */
async function flow({ headers, body }: Call, sink: Writable): Promise<void> {
  if (body === undefined) return pipeline([], sink);
  if (headers['content-encoding'] !== 'gzip') return pipeline(body, sink);
  try {
    await pipeline(body, createGunzip(), sink);
  } catch (error) {
    // https://nodejs.org/docs/latest-v20.x/api/zlib.html#zlib-constants: its errors are named after zlib's.
    throw String((error as NodeJS.ErrnoException).code).startsWith('Z_') ? notGzip() : error;
  }
}

/** Media come in pieces of 64 kB: those that wait for the disk go to it together. */
const WAITING_BYTES = 1024 * 1024;

const mediaFile = (file: string, flags = 'w') =>
  createWriteStream(file, { flags, mode: 0o600, highWaterMark: WAITING_BYTES });

async function receive(call: Call, file: string, append = false): Promise<void> {
  const sink = mediaFile(file, append ? 'a' : 'w');
  await flow(call, sink);
}

/**
 * RFC 2387 with two parts: JSON metadata, then media of any length, which goes straight to a file.
 */
class MultipartRelated extends Writable {
  metadata = '';
  contentType: string | undefined;
  complete = false;
  readonly #delimiter: Buffer;
  readonly #sink: ReturnType<typeof createWriteStream>;
  #buffer: Buffer = Buffer.alloc(0);
  #stage: 'preamble' | 'first-head' | 'first' | 'second-head' | 'second' | 'end' = 'preamble';

  constructor(boundary: string, file: string) {
    super();
    this.#delimiter = Buffer.from(`\r\n--${boundary}`);
    // A delimiter at the very start has no line break before it.
    this.#buffer = Buffer.from('\r\n');
    this.#sink = mediaFile(file).on('error', (error) => this.destroy(error));
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk]);
    const media: Buffer[] = [];
    try {
      while (this.#step(media));
      // Before the media there are a few lines and metadata: what is longer will not end.
      if (this.#stage !== 'second' && this.#buffer.length > MOST_JSON) throw tooLarge();
    } catch (error) {
      done(error as Error);
      return;
    }
    let more = true;
    for (const part of media) more = this.#sink.write(part);
    if (more) done();
    else this.#sink.once('drain', done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#sink.end(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#sink.destroy();
    done(error);
  }

  #step(media: Buffer[]): boolean {
    switch (this.#stage) {
      case 'preamble': {
        const found = this.#buffer.indexOf(this.#delimiter);
        if (found < 0) return false;
        this.#buffer = this.#buffer.subarray(found + this.#delimiter.length);
        this.#stage = 'first-head';
        return true;
      }
      case 'first-head':
      case 'second-head': {
        const found = this.#buffer.indexOf('\r\n\r\n');
        if (found < 0) return false;
        const head = this.#buffer.subarray(0, found).toString('latin1');
        if (this.#stage === 'second-head') {
          this.contentType = /^content-type:\s*(.+?)\s*$/im.exec(head)?.[1];
        }
        this.#buffer = this.#buffer.subarray(found + 4);
        this.#stage = this.#stage === 'first-head' ? 'first' : 'second';
        return true;
      }
      case 'first':
      case 'second': {
        const found = this.#buffer.indexOf(this.#delimiter);
        const safe = found < 0 ? Math.max(0, this.#buffer.length - this.#delimiter.length) : found;
        const content = this.#buffer.subarray(0, safe);
        if (this.#stage === 'first') {
          this.metadata += content.toString('latin1');
          if (this.metadata.length > MOST_JSON) throw tooLarge();
        } else if (content.length > 0) media.push(content);
        this.#buffer = this.#buffer.subarray(found < 0 ? safe : safe + this.#delimiter.length);
        if (found < 0) return false;
        if (this.#stage === 'first') {
          this.metadata = Buffer.from(this.metadata, 'latin1').toString('utf8');
          this.#stage = 'second-head';
          return true;
        }
        this.#stage = 'end';
        this.complete = true;
        return false;
      }
      case 'end':
        this.#buffer = Buffer.alloc(0);
        return false;
    }
  }
}
