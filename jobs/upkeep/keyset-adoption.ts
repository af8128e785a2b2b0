import { ResealError } from '../contract/errors.ts';
import { cryptoKey } from '../contract/settings/patterns.ts';
import { kmsUri } from '../contract/sql/index.ts';
import type { Row } from '../google/bigquery.ts';
import type { RunContext, RunKeyset } from '../run/context.ts';
import { chainValues, newestKeyset } from '../run/keyset.ts';
import { added, knownNewest } from './keyset-rotation.ts';

/** A wrapped keyset of somebody's own, and the CryptoKey that wraps it. */
export type GivenKeyset = Pick<RunKeyset, 'wrapped' | 'kmsKey'>;

/**
 * Takes a wrapped keyset that was made elsewhere as the newest version, and returns its number. Its primary key has
 * to be such as BigQuery makes, and it has to open what every version seals: readers open everything with the newest.
 *
 * @throws ResealError `keyset-key`, `keyset-unfit`, `keyset-foreign`, `keyset-conflict`
 */
export async function adopt(context: RunContext, given: GivenKeyset): Promise<number> {
  const { bigquery, sql } = context;
  checkKey(context, given.kmsKey);
  const prefix = await checkKeyset(context, given);
  const sameKeysAs = await checkVersions(context, given, prefix);
  const version = ((await newestKeyset(context))?.version ?? 0) + 1;
  await bigquery.query(sql.adoptKeyset, { version, ...chainValues(given), same_keys_as: sameKeysAs });
  return added(context, version, ({ wrapped }) => wrapped.equals(given.wrapped));
}

/**
 * Adds the newest version once more, wrapped by another CryptoKey, and returns its number. What stands in rows and older
 * versions stays as it is, so it opens as before.
 *
 * @throws ResealError `nothing-resealed`, `keyset-key`, `keyset-conflict`
 */
export async function rewrap(context: RunContext, kmsKey: string): Promise<number> {
  const { bigquery, sql } = context;
  checkKey(context, kmsKey);
  const newest = await knownNewest(context);
  if (newest.kmsKey === kmsKey)
    throw new ResealError('keyset-key', `version ${newest.version} is wrapped by ${kmsKey} already`, {
      hint: 'nothing was changed',
    });
  const version = newest.version + 1;
  await bigquery.query(sql.rewrapKeyset, { version, ...chainValues(newest), target: kmsUri(kmsKey) });
  return added(context, version, (keyset) => keyset.kmsKey === kmsKey);
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
async function checkKeyset({ bigquery, sql }: RunContext, given: GivenKeyset): Promise<string> {
  const [found] = await bigquery.query(sql.inspectKeyset, chainValues(given));
  if (found?.fits !== 'true')
    throw new ResealError(
      'keyset-unfit',
      'the primary key of the keyset is not of AES-GCM with the prefix of Tink',
      { hint: 'it must be as KEYS.NEW_WRAPPED_KEYSET makes it: AEAD_AES_GCM_256. Nothing was changed' },
    );
  const [own] = await bigquery.query(sql.keysetPrefix, chainValues(given));
  return own?.prefix ?? '';
}

/**
 * Whether it opens what every version seals; returns the version whose primary key it has, 0 where that is a new one.
 * Of versions with the same keys the newest stands for all: an older one may be wrapped by a key that was left behind.
 */
async function checkVersions(context: RunContext, given: GivenKeyset, prefix: string): Promise<number> {
  const { bigquery, sql } = context;
  const byKeys = new Map((await bigquery.query(sql.keysetVersions, {})).map((row) => [row.keys_of, row]));
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
    const [own] = await bigquery.query(sql.keysetPrefix, chain);
    if (own?.prefix === prefix) same = Number(row.keys_of);
  }
  return same;
}

const chainOf = ({ wrapped, kms_key: kmsKey }: Row) =>
  chainValues({ wrapped: Buffer.from(wrapped ?? '', 'base64'), kmsKey: kmsKey ?? '' });
