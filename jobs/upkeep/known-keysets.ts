import { DETERMINISTIC, mostSeals } from '../contract/algorithms.ts';
import { ResealError } from '../contract/errors.ts';
import type { Row } from '../google/bigquery.ts';
import type { RunContext } from '../run/context.ts';
import { chainValues } from '../run/keyset.ts';

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
