import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Schema, Schemas } from './schema.ts';

/** What tools/python/make_discovery.py keeps of one of Google's discovery documents. */
export interface Document {
  /** The package and revision that it comes from. */
  readonly source: string;
  /** Parameters of every method. */
  readonly query: Readonly<Record<string, Schema>>;
  readonly methods: readonly Method[];
  readonly schemas: Schemas;
}
export interface Method {
  readonly id: string;
  readonly method: string;
  /** Templates without a leading slash; uploads and downloads have a path of their own. */
  readonly paths: readonly string[];
  readonly query: Readonly<Record<string, Schema>>;
  /** The schema of the body; a method without one takes none. */
  readonly request?: string;
}

const FOLDER = fileURLToPath(new URL('documents', import.meta.url));

let loaded: ReadonlyMap<string, Document> | undefined;

/** The documents of all APIs by name and version, `bigquery.v2`. */
export function documents(): ReadonlyMap<string, Document> {
  loaded ??= new Map(
    readdirSync(FOLDER).map((file) => [
      file.replace(/\.json$/, ''),
      JSON.parse(readFileSync(`${FOLDER}/${file}`, 'utf8')) as Document,
    ]),
  );
  return loaded;
}

/** A template is told from others by its fixed parts: what its variable parts are called says nothing. */
const shapeOf = (method: string, path: string): string =>
  `${method} ${path.replace(/^\//, '').replace(/\{[^}]*\}/g, '{}')}`;

let byShape: ReadonlyMap<string, { document: Document; method: Method }> | undefined;

/** Google's method that a route imitates; undefined where Google has none. */
export function methodOf(
  method: string,
  path: string,
): { readonly document: Document; readonly method: Method } | undefined {
  byShape ??= new Map(
    [...documents().values()].flatMap((document) =>
      document.methods.flatMap((one) =>
        one.paths.map((template) => [shapeOf(one.method, template), { document, method: one }] as const),
      ),
    ),
  );
  return byShape.get(shapeOf(method, path));
}
