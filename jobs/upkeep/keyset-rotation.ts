import { DETERMINISTIC, mostSeals } from '../contract/algorithms.ts';
import { ResealError } from '../contract/errors.ts';
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

/** Every version, the newest last; the newest of the type that the stack's keying needs seals. */
export async function keysets({ bigquery, sql }: RunContext): Promise<KeysetVersion[]> {
  const versions = await bigquery.query(sql.keysetVersions, {});
  const counts = await bigquery.query(sql.sealedByPrefix, {});
  const values = new Map(counts.map(({ prefix, n }) => [prefix, Number(n)]));
  const last = new Map(versions.map(({ keys_of, version }) => [keys_of, version]));
  const newest = new Map(versions.map(({ algorithm, version }) => [algorithm, version]));
  const valuesUnder = async (row: Row): Promise<number | null> => {
    const { keys_of, version, algorithm } = row;
    if (last.get(keys_of ?? null) !== version) return null;
    const own = await prefixOf({ bigquery, sql }, row).catch((error: unknown) => {
      // An older version may be wrapped by a KMS key that was left behind.
      if (version !== newest.get(algorithm) && error instanceof ResealError) return null;
      throw error;
    });
    return own === null ? null : (values.get(own) ?? 0);
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
        seals_left: Math.max(0, mostSeals(row.algorithm ?? '').count - seals),
      };
    }),
  );
}

/** What ciphertexts under the primary key of a version begin with, in base64; `row` is one of `keysetVersions`. */
export async function prefixOf(
  { bigquery, sql }: Pick<RunContext, 'bigquery' | 'sql'>,
  row: Row,
): Promise<string> {
  const statement = row.algorithm === DETERMINISTIC ? sql.deterministicPrefix : sql.keysetPrefix;
  const [own] = await bigquery.query(statement, chainOf(row));
  return own?.prefix ?? '';
}

/** A row of `keysetVersions` as the parameters of statements. */
export const chainOf = ({ wrapped, kms_key: kmsKey }: Row) =>
  chainValues({ wrapped: Buffer.from(wrapped ?? '', 'base64'), kmsKey: kmsKey ?? '' });

/**
 * Makes the next version of the keyset that seals inside BigQuery, with a new primary key beside every key that there
 * was, and returns its number. The next run seals with it. Throws ResealError `nothing-resealed` where there is no keyset yet, and
 * `keyset-conflict`.
 */
export async function rotate(context: RunContext): Promise<number> {
  const newest = await knownNewest(context);
  const version = await nextVersion(context);
  const isOwn = ({ kmsKey, algorithm }: RunKeyset) =>
    kmsKey === newest.kmsKey && algorithm === newest.algorithm;
  return added(context, version, isOwn, ({ bigquery, sql }) =>
    bigquery.query(sql.rotateKeyset, { version, ...chainValues(newest) }),
  );
}

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

/** The keyset that seals. Throws ResealError `nothing-resealed`. */
async function knownNewest(context: RunContext): Promise<RunKeyset> {
  const newest = await newestKeyset(context);
  if (newest === null) throw noKeyset();
  return newest;
}

export const noKeyset = (): ResealError =>
  new ResealError('nothing-resealed', 'there is no keyset yet: the first run makes it', {
    hint: 'run `npm run trigger` first',
  });

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
