import type { RunContext, RunKeyset } from '../run/context.ts';
import { chainValues, newestKeyset } from '../run/keyset.ts';
import { added, nextVersion, noKeyset } from './keyset-addition.ts';

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

/** The keyset that seals. Throws ResealError `nothing-resealed`. */
async function knownNewest(context: RunContext): Promise<RunKeyset> {
  const newest = await newestKeyset(context);
  if (newest === null) throw noKeyset();
  return newest;
}
