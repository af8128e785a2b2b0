import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import { gunzipSync } from 'node:zlib';
import type { Wire } from '../discovery/wire.ts';
import { GoogleError } from '../errors/google-error.ts';
import type { Caller } from './caller.ts';

/** A JSON object of the wire: its fields are checked where they are read. */
export type Json = Record<string, unknown>;

/** One HTTP call, matched to a route. */
export interface Call {
  method: string;
  /** Path and query as they came. */
  url: string;
  /** The values of the template's `{…}`, decoded. */
  params: Record<string, string>;
  query: URLSearchParams;
  headers: IncomingHttpHeaders;
  /** The body as it came; undefined for a call without one. */
  body: Readable | undefined;
  /** Scheme and authority to build absolute addresses with. */
  origin: string;
  /** Google's description of the method. */
  wire: Wire;
  /** Who calls. */
  caller: Caller;
}

/** What a handler answers with when a plain JSON object with status 200 is not enough. */
export class Reply {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: Json | string | Buffer | Readable | undefined;

  constructor(status: number, headers: Record<string, string> = {}, body?: Reply['body']) {
    this.status = status;
    this.headers = headers;
    this.body = body;
  }
}

/** What is left of an answer whose connection breaks: the first half of one, or nothing at all. */
export class Broken<T> {
  readonly half: T | undefined;

  constructor(half?: T) {
    this.half = half;
  }
}

export interface Route {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** A path of Google's with `{name}` for a segment and `{name+}` for the rest of the path. */
  path: string;
  handle(call: Call): Promise<Json | Reply> | Json | Reply;
  /** Is told of every call that was let in, and of those that end in an error or without an answer. */
  watch?(what: 'received' | 'failed', params: Call['params']): void;
}

/** Finds the handler of a raw (still percent-encoded) path; says what is missing when there is none. */
export function router(routes: readonly Route[]) {
  const compiled = routes.map((route) => ({ route, ...compile(route.path) }));
  return (method: string, path: string): { route: Route; params: Record<string, string> } => {
    const elsewhere = new Set<string>();
    for (const { route, pattern, names } of compiled) {
      const match = pattern.exec(path);
      if (!match) continue;
      if (route.method !== method) {
        elsewhere.add(route.method);
        continue;
      }
      const params = Object.fromEntries(names.map((name, index) => [name, decode(match[index + 1] ?? '')]));
      return { route, params };
    }
    if (elsewhere.size > 0) {
      throw new GoogleError(
        'UNIMPLEMENTED',
        `The sandbox has no ${method} ${path}; there it has ${[...elsewhere].join(', ')}.`,
      );
    }
    throw new GoogleError('NOT_FOUND', `The sandbox has no route ${method} ${path}.`);
  };
}

function compile(path: string): { pattern: RegExp; names: string[] } {
  const names: string[] = [];
  const source = path.replace(/[.$^()[\]|*?\\]|\{(\w+)(\+?)\}/g, (whole, name: string | undefined, rest) => {
    if (name === undefined) return `\\${whole}`;
    names.push(name);
    return rest === '+' ? '(.+)' : '([^/:]+)';
  });
  return { pattern: new RegExp(`^${source}$`), names };
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new GoogleError('INVALID_ARGUMENT', 'The path is not valid percent-encoding.');
  }
}

/** Bytes of a body that is JSON: https://cloud.google.com/bigquery/quotas#query_jobs has 10 MB for a request. */
export const MOST_JSON = 10 * 1024 * 1024;

/** A body, or a part of one, that is too long to be held in memory. */
export const tooLarge = (): GoogleError =>
  new GoogleError('INVALID_ARGUMENT', `Request payload size exceeds the limit: ${MOST_JSON} bytes.`);

const read = new WeakMap<Readable, Promise<Json>>();

/**
 * Reads a call's body as a JSON object, as often as it is asked; an absent body is an empty object.
 *
 * @throws GoogleError INVALID_ARGUMENT for a body that is too long, no JSON or not as Google describes the method's
 */
export async function readJson({ body, headers, wire }: Call): Promise<Json> {
  if (!body) return {};
  const known = read.get(body) ?? bodyOf(body, headers, wire);
  read.set(body, known);
  return known;
}

async function bodyOf(body: Readable, headers: Call['headers'], wire: Wire): Promise<Json> {
  const bytes = await collected(body);
  const plain = headers['content-encoding'] === 'gzip' ? unpacked(bytes) : bytes;
  const json = parseJson(plain.toString('utf8'));
  wire.body(json);
  return json;
}

/** The body is read to its end, so that its sender hears the answer, but not kept beyond the limit. */
async function collected(body: Readable): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of body) {
    length += part.length;
    if (length <= MOST_JSON) parts.push(part);
  }
  if (length > MOST_JSON) throw tooLarge();
  return Buffer.concat(parts);
}

function unpacked(bytes: Buffer): Buffer {
  try {
    return gunzipSync(bytes, { maxOutputLength: MOST_JSON });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge();
    throw notGzip();
  }
}

/** A body that says it is gzip, and is not. */
export const notGzip = (): GoogleError =>
  new GoogleError('INVALID_ARGUMENT', 'The request body is not valid gzip.');

/** Parses a JSON object, or answers as Google does. */
export function parseJson(text: string): Json {
  if (text.trim() === '') return {};
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new GoogleError('INVALID_ARGUMENT', 'Invalid JSON payload received. Parse error.');
  }
  return asObject(parsed, 'The payload');
}

/** A field that must be an object. */
export function asObject(value: unknown, what: string): Json {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json;
  throw new GoogleError('INVALID_ARGUMENT', `${what} must be a JSON object.`);
}

/** An object where there is one, else an empty one. */
export function objectOr(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

/** A string field; undefined when absent. */
export function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : undefined;
}

/** A string field that must be there. */
export function required(value: unknown, what: string): string {
  const found = text(value);
  if (found === undefined || found === '') {
    throw new GoogleError('INVALID_ARGUMENT', `Required parameter is missing: ${what}`, {
      reason: 'required',
    });
  }
  return found;
}
