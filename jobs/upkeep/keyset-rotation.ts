import { ResealError } from '../contract/errors.ts';
import { MOST_SEALS } from '../contract/verdict.ts';
import type { Row } from '../google/bigquery.ts';
import type { RunContext } from '../run/context.ts';

/** A version of the first-level keyset. The names are those of its JSON. */
export interface KeysetVersion {
  readonly version: number;
  /** ISO 8601. */
  readonly created_at: string;
  readonly kms_key: string;
  readonly algorithm: string;
  /** Values in the source table that are sealed under its primary key. */
  readonly values: number;
  /** What runs have sealed under it so far, and how many seals it has left. */
  readonly seals: number;
  readonly seals_left: number;
}

/** Every version, the newest last: it seals. */
export async function keysets({ bigquery, sql }: RunContext): Promise<KeysetVersion[]> {
  const versions = await bigquery.query(sql.keysetVersions, {});
  const counts = await bigquery.query(sql.sealedByPrefix, {});
  const values = new Map(counts.map(({ prefix, n }) => [prefix, Number(n)]));
  return Promise.all(
    versions.map(async (row): Promise<KeysetVersion> => {
      const [own] = await bigquery.query(sql.keysetPrefix, { keyset: row.wrapped ?? null });
      const seals = Number(row.seals);
      return {
        version: Number(row.version),
        created_at: new Date(Number(row.created_at)).toISOString(),
        kms_key: row.kms_key ?? '',
        algorithm: row.algorithm ?? '',
        values: values.get(own?.prefix ?? null) ?? 0,
        seals,
        seals_left: Math.max(0, MOST_SEALS - seals),
      };
    }),
  );
}

/**
 * Makes the next version inside BigQuery, with a new primary key beside every key that there was, and returns its
 * number. The next run seals with it. Throws ResealError `nothing-resealed` where there is no keyset yet.
 */
export async function rotate({ bigquery, sql }: RunContext): Promise<number> {
  const newest = await newestOf(await bigquery.query(sql.newestKeyset, {}));
  const version = newest.version + 1;
  await bigquery.query(sql.rotateKeyset, { version, keyset: newest.wrapped });
  return version;
}

function newestOf([row]: Row[]): { version: number; wrapped: string | null } {
  if (row !== undefined) return { version: Number(row.version), wrapped: row.wrapped ?? null };
  throw new ResealError('nothing-resealed', 'there is no keyset to rotate: the first run makes it', {
    hint: 'run `npm run trigger` first',
  });
}
