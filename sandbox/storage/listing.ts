import { GoogleError } from '../errors/google-error.ts';
import type { StoredObject } from './store.ts';

/** Objects and folders of one page. */
export interface Listing {
  readonly objects: readonly StoredObject[];
  readonly prefixes: readonly string[];
  readonly nextPageToken?: string;
}

/** Of items and prefixes together. */
const MOST_RESULTS = 1000;

/**
 * A page of objects in their names' order, all that have a further delimiter in their name folded into prefixes.
 * https://cloud.google.com/storage/docs/json_api/v1/objects/list
 */
export function listing(objects: readonly StoredObject[], query: URLSearchParams): Listing {
  const prefix = query.get('prefix') ?? '';
  const delimiter = query.get('delimiter') || undefined;
  const withFolders = query.get('includeTrailingDelimiter') === 'true';
  const most = Math.min(Number(query.get('maxResults') || MOST_RESULTS), MOST_RESULTS);
  const [startOffset, endOffset] = [query.get('startOffset') ?? '', query.get('endOffset')];
  const after = tokenOf(query.get('pageToken'));
  const shown: StoredObject[] = [];
  const prefixes = new Set<string>();
  let last = '';
  for (const object of objects) {
    const { name } = object;
    if (name < startOffset || (endOffset !== null && name >= endOffset)) continue;
    const cut = delimiter === undefined ? -1 : name.indexOf(delimiter, prefix.length);
    const folder = cut < 0 ? undefined : name.slice(0, cut + (delimiter?.length ?? 0));
    // Everything below a folder of the page before is in that folder.
    if (after !== undefined && (name <= after || (folder !== undefined && folder <= after))) continue;
    const item = folder === undefined || (withFolders && folder === name);
    const fresh = folder !== undefined && !prefixes.has(folder);
    if (!item && !fresh) continue;
    if (shown.length + prefixes.size >= most)
      return {
        objects: shown,
        prefixes: [...prefixes],
        nextPageToken: Buffer.from(last).toString('base64url'),
      };
    if (fresh) prefixes.add(folder);
    if (item) shown.push(object);
    last = folder ?? name;
  }
  return { objects: shown, prefixes: [...prefixes] };
}

function tokenOf(token: string | null): string | undefined {
  if (token === null || token === '') return undefined;
  const name = Buffer.from(token, 'base64url').toString();
  if (name === '') throw new GoogleError('INVALID_ARGUMENT', 'Invalid page token.');
  return name;
}
