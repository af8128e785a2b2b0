import { algorithmOf } from '../contract/algorithms.ts';
import { ResealError } from '../contract/errors.ts';
import type { RunContext, RunKeyset } from '../run/context.ts';
import { chainValues } from '../run/keyset.ts';
import { added, checkKey, nextVersion } from './keyset-addition.ts';
import { chainOf, prefixOf } from './known-keysets.ts';

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
