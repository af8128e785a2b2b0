import { ResealError } from '../contract/errors.ts';
import { cryptoKey } from '../contract/settings/patterns.ts';
import type { RunContext, RunKeyset } from '../run/context.ts';
import { keysetOfVersion } from '../run/keyset.ts';

/**
 * The number that the next version has: keysets of both types have one sequence. Whoever adds it puts it into the readers'
 * view as well, and so puts the versions there are into it first: a role that this needs is missed before anything is
 * added.
 */
export async function nextVersion({ bigquery, sql }: RunContext): Promise<number> {
  const [last] = await bigquery.query(sql.lastVersion, {});
  const version = Number(last?.version);
  if (version > 0) await bigquery.query(sql.replaceReadView, {});
  return version + 1;
}

/** What an interrupted command says of a version that may be there or not. */
export const LOOK_AT_KEYS =
  '`npm run reseal -- keys` shows whether it is there: if so, the next run puts it into the view of the readers before it seals with it; if not, nothing was changed';

/**
 * Adds a version and puts it into the view of the readers. Returns its number, unless somebody else's has it.
 *
 * @param issue the statement that adds it
 * @throws ResealError `keyset-conflict`, `cancelled` by the context's signal once the statement is issued, the signal's
 * reason before that
 */
export async function added(
  context: RunContext,
  version: number,
  isOwn: (keyset: RunKeyset) => boolean,
  issue: (context: RunContext) => Promise<unknown>,
): Promise<number> {
  const { bigquery, sql, signal } = context;
  signal.throwIfAborted();
  let isAdded = false;
  try {
    await issue(context);
    const keyset = await keysetOfVersion(context, version);
    isAdded = keyset !== null && isOwn(keyset);
    if (isAdded) {
      await bigquery.query(sql.replaceReadView, {});
      return version;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    throw isAdded
      ? new ResealError('cancelled', `cancelled; version ${version} of the keyset is added`, {
          hint: 'the next run puts it into the view of the readers before it seals with it',
          cause: error,
        })
      : new ResealError('cancelled', `cancelled; version ${version} of the keyset may be added`, {
          hint: LOOK_AT_KEYS,
          cause: error,
        });
  }
  throw new ResealError('keyset-conflict', `somebody else added version ${version} in the same moment`, {
    hint: 'nothing was changed; look at `npm run reseal -- keys`, then do it again',
  });
}

export const noKeyset = (): ResealError =>
  new ResealError('nothing-resealed', 'there is no keyset yet: the first run makes it', {
    hint: 'run `npm run trigger` first',
  });

/**
 * Whether the query's region has the CryptoKey: BigQuery takes no other.
 *
 * @throws ResealError `keyset-key`
 */
export function checkKey({ deployment: { location } }: RunContext, kmsKey: string): void {
  const hint = 'name it in full: projects/…/locations/…/keyRings/…/cryptoKeys/…';
  if (!cryptoKey.safeParse(kmsKey).success)
    throw new ResealError('keyset-key', `${kmsKey} is not the name of a CryptoKey`, { hint });
  const region = /\/locations\/([^/]+)\//.exec(kmsKey)?.[1] ?? '';
  if (region.toLowerCase() === location.toLowerCase()) return;
  throw new ResealError('keyset-key', `the key is in ${region}, the stack in ${location}`, {
    hint: 'BigQuery takes keys of its own region only, and none of `global`',
  });
}
