import type { Json } from '../router.ts';

/** The option of a method that says how it is called over HTTP. */
export interface HttpRule {
  readonly get?: string;
  readonly post?: string;
  readonly put?: string;
  readonly patch?: string;
  readonly delete?: string;
  /** The field that is the body, `*` for all that are not in the path; without it they are in the query. */
  readonly body?: string;
}

/** A call over HTTP, with the body as JSON. */
export interface HttpCall {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Path and query. */
  readonly url: string;
  readonly body: Json | undefined;
}

const VERBS = ['get', 'post', 'put', 'patch', 'delete'] as const;

/**
 * The HTTP call that is a gRPC call by another name, by the rule of its method:
 * https://github.com/googleapis/googleapis/blob/master/google/api/http.proto
 *
 * @param message the request in the JSON of protocol buffers
 * @throws Error for a rule without a path
 * @example
 * transcoded({ post: '/v1/{name=projects/*}:decrypt', body: '*' }, { name: 'projects/p', ciphertext: 'AA==' });
 * // { method: 'POST', url: '/v1/projects/p:decrypt', body: { ciphertext: 'AA==' } }
 */
export function transcoded(rule: HttpRule, message: Json): HttpCall {
  const verb = VERBS.find((name) => rule[name] !== undefined);
  const template = verb && rule[verb];
  if (template === undefined) throw new Error('the rule has no path');
  const rest = structuredClone(message);
  const path = template.replace(/\{([^=}]+)[^}]*\}/g, (_, field: string) => segments(taken(rest, field)));
  const method = verb?.toUpperCase() as HttpCall['method'];
  if (rule.body === '*') return { method, url: path, body: rest };
  const body = rule.body === undefined ? undefined : (taken(rest, rule.body) ?? {});
  const query = new URLSearchParams(queryOf(rest)).toString();
  return { method, url: query === '' ? path : `${path}?${query}`, body: body as Json | undefined };
}

const camel = (field: string): string => field.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

/** Takes a field, whose name may lead into others (`crypto_key.name`), out of a message. */
function taken(message: Json, field: string): unknown {
  const names = field.split('.').map(camel);
  const last = names.pop() as string;
  const holder = names.reduce<Json | undefined>((at, name) => at?.[name] as Json | undefined, message);
  const value = holder?.[last];
  if (holder !== undefined) delete holder[last];
  return value;
}

/** A value of several segments keeps its slashes. */
const segments = (value: unknown): string =>
  String(value ?? '')
    .split('/')
    .map(encodeURIComponent)
    .join('/');

const queryOf = (message: Json): [string, string][] =>
  Object.entries(message).flatMap(([name, value]): [string, string][] =>
    [value].flat().map((one) => [name, String(one)]),
  );
