import { algorithmOf } from '../contract/algorithms.ts';
import { ResealError } from '../contract/errors.ts';
import { cryptoKey } from '../contract/settings/patterns.ts';
import { kmsUri } from '../contract/sql/index.ts';
import type { RunContext, RunKeyset } from '../run/context.ts';
import { chainValues, newestKeysets } from '../run/keyset.ts';
import { added, chainOf, nextVersion, noKeyset, prefixOf } from './keyset-rotation.ts';

/** A wrapped keyset of somebody's own, and the CryptoKey that wraps it. */
export type GivenKeyset = Pick<RunKeyset, 'wrapped' | 'kmsKey'>;

/**
 * Takes a wrapped keyset that was made elsewhere as the newest version, and returns its number. Its primary key has
 * to be such as BigQuery makes for the stack's keying, and it has to open what every version of that type seals:
 * readers open everything with the newest.
 *
 * @throws ResealError `keyset-key`, `keyset-unfit`, `keyset-foreign`, `keyset-conflict`
 */
export async function adopt(context: RunContext, given: GivenKeyset): Promise<number> {
  checkKey(context, given.kmsKey);
  const prefix = await checkKeyset(context, given);
  const sameKeysAs = await checkVersions(context, given, prefix);
  const version = await nextVersion(context);
  const isOwn = ({ wrapped }: RunKeyset) => wrapped.equals(given.wrapped);
  return added(context, version, isOwn, ({ bigquery, sql }) =>
    bigquery.query(sql.adoptKeyset, { version, ...chainValues(given), same_keys_as: sameKeysAs }),
  );
}

/**
 * Adds the newest version once more, wrapped by another CryptoKey; where there are keysets of both types, that of each,
 * since readers use both. Returns their numbers. What stands in rows and older versions stays as it is, so it opens as
 * before.
 *
 * @throws ResealError `nothing-resealed`, `keyset-key`, `keyset-conflict`
 */
export async function rewrap(context: RunContext, kmsKey: string): Promise<number[]> {
  checkKey(context, kmsKey);
  const newest = await newestKeysets(context);
  if (newest.length === 0) throw noKeyset();
  const elsewhere = newest.filter((keyset) => keyset.kmsKey !== kmsKey);
  if (elsewhere.length === 0) {
    // Should an earlier call have broken off before this.
    await context.bigquery.query(context.sql.replaceReadView, {});
    throw new ResealError('keyset-key', `version ${newest.at(-1)?.version} is wrapped by ${kmsKey} already`, {
      hint: 'no version was added; the view of the readers has the newest',
    });
  }
  const versions: number[] = [];
  try {
    for (const keyset of elsewhere) versions.push(await rewrapOne(context, keyset, kmsKey));
    return versions;
  } catch (error) {
    const [first] = versions;
    if (first === undefined || !context.signal.aborted) throw error;
    throw new ResealError(
      'cancelled',
      `cancelled; version ${first} of the keyset is added, that of the other type may not be`,
      {
        hint: 'the same command again adds what is not there, and puts both into the view of the readers',
        cause: error,
      },
    );
  }
}

async function rewrapOne(context: RunContext, keyset: RunKeyset, kmsKey: string): Promise<number> {
  const version = await nextVersion(context);
  const values = { version, of: keyset.version, ...chainValues(keyset), target: kmsUri(kmsKey) };
  const isOwn = (made: RunKeyset) => made.kmsKey === kmsKey && made.algorithm === keyset.algorithm;
  return added(context, version, isOwn, ({ bigquery, sql }) => bigquery.query(sql.rewrapKeyset, values));
}

/** BigQuery takes keys of the query's own region only. */
function checkKey({ deployment: { location } }: RunContext, kmsKey: string): void {
  const hint = 'name it in full: projects/…/locations/…/keyRings/…/cryptoKeys/…';
  if (!cryptoKey.safeParse(kmsKey).success)
    throw new ResealError('keyset-key', `${kmsKey} is not the name of a CryptoKey`, { hint });
  const region = /\/locations\/([^/]+)\//.exec(kmsKey)?.[1] ?? '';
  if (region.toLowerCase() === location.toLowerCase()) return;
  throw new ResealError('keyset-key', `the key is in ${region}, the stack in ${location}`, {
    hint: 'BigQuery takes keys of its own region only, and none of `global`',
  });
}

/** Whether it seals as BigQuery's own keysets do; returns what its primary key's ciphertexts begin with. */
async function checkKeyset(context: RunContext, given: GivenKeyset): Promise<string> {
  const { bigquery, sql, deployment } = context;
  const algorithm = algorithmOf(deployment.keying);
  const [found] = await bigquery.query(sql.inspectKeyset, chainValues(given));
  if (found?.fits !== 'true')
    throw new ResealError(
      'keyset-unfit',
      `the primary key of the keyset is not of ${algorithm} with the prefix of Tink`,
      { hint: `it must be as KEYS.NEW_WRAPPED_KEYSET makes it: ${algorithm}. Nothing was changed` },
    );
  return prefixOf(context, { wrapped: given.wrapped.toString('base64'), kms_key: given.kmsKey, algorithm });
}

/**
 * Whether it opens what every version of its type seals; returns the version whose primary key it has, 0 where that is a
 * new one. Of versions with the same keys the newest stands for all: an older one may be wrapped by a key that was left
 * behind.
 */
async function checkVersions(context: RunContext, given: GivenKeyset, prefix: string): Promise<number> {
  const { bigquery, sql, deployment } = context;
  const versions = await bigquery.query(sql.keysetVersions, {});
  const own = versions.filter(({ algorithm }) => algorithm === algorithmOf(deployment.keying));
  const byKeys = new Map(own.map((row) => [row.keys_of, row]));
  let same = 0;
  for (const row of byKeys.values()) {
    const chain = chainOf(row);
    const other = { other_kms: chain.kms, other_keyset: chain.keyset };
    const [answer] = await bigquery.query(sql.opensOther, { ...chainValues(given), ...other });
    if (answer?.opens !== 'true')
      throw new ResealError(
        'keyset-foreign',
        `the keyset does not open what version ${row.version} has sealed`,
        { hint: 'readers open everything with the newest version. Nothing was changed' },
      );
    if ((await prefixOf(context, row)) === prefix) same = Number(row.keys_of);
  }
  return same;
}
