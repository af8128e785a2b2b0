import { ResealError } from '../contract/errors.ts';
import { MOST_SEALS } from '../contract/verdict.ts';
import type { Row } from '../google/bigquery.ts';
import type { RunContext, RunKeyset } from '../run/context.ts';
import { chainValues, keysetOfVersion, newestKeyset } from '../run/keyset.ts';

/** A version of the first-level keyset. The names are those of its JSON. */
export interface KeysetVersion {
  readonly version: number;
  /** ISO 8601. */
  readonly created_at: string;
  readonly kms_key: string;
  readonly algorithm: string;
  /**
   * Values in the source table that are sealed under its primary key. Null where its KMS key cannot be used any more,
   * and for a version whose keys a later one has under another KMS key: that one has the count.
   */
  readonly values: number | null;
  /** What runs have sealed under its primary key so far, and how many seals that has left. */
  readonly seals: number;
  readonly seals_left: number;
}

/** Every version, the newest last: it seals. */
export async function keysets({ bigquery, sql }: RunContext): Promise<KeysetVersion[]> {
  const versions = await bigquery.query(sql.keysetVersions, {});
  const counts = await bigquery.query(sql.sealedByPrefix, {});
  const values = new Map(counts.map(({ prefix, n }) => [prefix, Number(n)]));
  const last = new Map(versions.map(({ keys_of, version }) => [keys_of, version]));
  const valuesUnder = async ({ wrapped, kms_key: kmsKey, keys_of, version }: Row): Promise<number | null> => {
    if (last.get(keys_of ?? null) !== version) return null;
    const chain = chainValues({ wrapped: Buffer.from(wrapped ?? '', 'base64'), kmsKey: kmsKey ?? '' });
    const [own] = await bigquery.query(sql.keysetPrefix, chain).catch((error: unknown) => {
      // An older version may be wrapped by a KMS key that was left behind.
      if (version !== versions.at(-1)?.version && error instanceof ResealError) return [];
      throw error;
    });
    return own === undefined ? null : (values.get(own.prefix ?? null) ?? 0);
  };
  return Promise.all(
    versions.map(async (row): Promise<KeysetVersion> => {
      const seals = Number(row.seals);
      return {
        version: Number(row.version),
        created_at: new Date(Number(row.created_at)).toISOString(),
        kms_key: row.kms_key ?? '',
        algorithm: row.algorithm ?? '',
        values: await valuesUnder(row),
        seals,
        seals_left: Math.max(0, MOST_SEALS - seals),
      };
    }),
  );
}

/**
 * Makes the next version inside BigQuery, with a new primary key beside every key that there was, and returns its
 * number. The next run seals with it. Throws ResealError `nothing-resealed` where there is no keyset yet, and
 * `keyset-conflict`.
 */
export async function rotate(context: RunContext): Promise<number> {
  const newest = await knownNewest(context);
  const version = newest.version + 1;
  await context.bigquery.query(context.sql.rotateKeyset, { version, ...chainValues(newest) });
  return added(context, version, ({ kmsKey }) => kmsKey === newest.kmsKey);
}

/** The newest version. Throws ResealError `nothing-resealed`. */
export async function knownNewest(context: RunContext): Promise<RunKeyset> {
  const newest = await newestKeyset(context);
  if (newest !== null) return newest;
  throw new ResealError('nothing-resealed', 'there is no keyset yet: the first run makes it', {
    hint: 'run `npm run trigger` first',
  });
}

/** The version that was to be added, unless somebody else's has its number. Readers get it with the view. */
export async function added(
  context: RunContext,
  version: number,
  isOwn: (keyset: RunKeyset) => boolean,
): Promise<number> {
  const keyset = await keysetOfVersion(context, version);
  if (keyset !== null && isOwn(keyset)) {
    await context.bigquery.query(context.sql.replaceReadView, {});
    return version;
  }
  throw new ResealError('keyset-conflict', `somebody else added version ${version} in the same moment`, {
    hint: 'nothing was changed; look at `npm run reseal -- keys`, then do it again',
  });
}
