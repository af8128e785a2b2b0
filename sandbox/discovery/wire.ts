import { GoogleError } from '../errors/google-error.ts';
import { queryOfClients, schemasOfClients } from './clients.ts';
import { type Document, type Method, methodOf } from './documents.ts';
import { type Check, checks, type Schema, scalar } from './schema.ts';

/** What Google's description of a method says of its requests. */
export interface Wire {
  /** @throws GoogleError INVALID_ARGUMENT for a parameter that the method does not have, or misses */
  query(given: URLSearchParams): void;
  /** @throws GoogleError INVALID_ARGUMENT for a property that Google's schema does not have, or has otherwise */
  body(given: object): void;
}

/** The sandbox's own routes, which Google describes nowhere. */
const OWN = '/sandbox/';
const ANYTHING: Wire = { query: () => {}, body: () => {} };

/**
 * Parameters that every API has, though no document names them: the `$` form of a system parameter, and the
 * session of a resumable upload. https://cloud.google.com/apis/docs/system-parameters,
 * https://cloud.google.com/storage/docs/performing-resumable-uploads
 */
const SYSTEM: Readonly<Record<string, Schema>> = {
  $alt: { type: 'string', enum: ['json', 'json;enum-encoding=int'] },
  upload_id: { type: 'string' },
};

/** Made once a method: compiling takes longer than checking. */
const made = new Map<Method, Wire>();

/** @throws Error for a route that is neither the sandbox's own nor in Google's discovery documents */
export function wireOf({ method, path }: { readonly method: string; readonly path: string }): Wire {
  if (path.startsWith(OWN)) return ANYTHING;
  // The chunks of a resumable upload go where its first call went.
  const found = methodOf(method === 'PUT' && path.startsWith('/upload/') ? 'POST' : method, path);
  if (found === undefined) throw new Error(`Google's discovery documents have no ${method} ${path}`);
  const known = made.get(found.method) ?? compile(found.document, found.method);
  made.set(found.method, known);
  return known;
}

function compile(document: Document, method: Method): Wire {
  const { request } = method;
  const body = request === undefined ? nothing : checks(schemasOfClients(document))({ $ref: request });
  const query = queryOf({ ...SYSTEM, ...document.query, ...queryOfClients(method), ...method.query });
  return { query, body: (given) => body(given, '') };
}

const nothing: Check = (value) => {
  const [name] = Object.keys(value as object);
  if (name !== undefined)
    throw new GoogleError(
      'INVALID_ARGUMENT',
      `Invalid JSON payload received. Unknown name "${name}": Cannot find field.`,
    );
};

function queryOf(parameters: Readonly<Record<string, Schema>>): Wire['query'] {
  const known = new Map(
    Object.entries(parameters).map(([name, schema]) => [name, { schema, check: scalar(schema) }]),
  );
  const needed = Object.keys(parameters).filter((name) => parameters[name]?.required);
  return (given) => {
    for (const [name, text] of given) {
      const parameter = known.get(name);
      if (parameter === undefined)
        throw new GoogleError(
          'INVALID_ARGUMENT',
          `Invalid JSON payload received. Unknown name "${name}": Cannot bind query parameter. Field '${name}' could not be found in request message.`,
        );
      parameter.check(typed(parameter.schema, text), name);
      if (!parameter.schema.repeated && given.getAll(name).length > 1)
        throw new GoogleError('INVALID_ARGUMENT', `Invalid value at '${name}': it is given more than once.`);
    }
    const missing = needed.find((name) => !given.has(name));
    if (missing !== undefined)
      throw new GoogleError('INVALID_ARGUMENT', `Required parameter is missing: ${missing}`, {
        reason: 'required',
      });
  };
}

/** A parameter is text: what stands for a number or a truth value is held against its schema as such. */
function typed({ type }: Schema, text: string): unknown {
  if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true';
  if ((type === 'integer' || type === 'number') && /^-?\d+(\.\d+)?$/.test(text)) return Number(text);
  return text;
}
