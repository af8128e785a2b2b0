import { ResealError } from '../contract/errors.ts';
import { kmsUri } from '../contract/sql/index.ts';
import type { RunContext, RunKeyset } from '../run/context.ts';
import { chainValues, newestKeysets } from '../run/keyset.ts';
import { added, checkKey, nextVersion, noKeyset } from './keyset-addition.ts';

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
  for (const keyset of elsewhere) versions.push(await rewrapOne(context, keyset, kmsKey));
  return versions;
}

async function rewrapOne(context: RunContext, keyset: RunKeyset, kmsKey: string): Promise<number> {
  const { bigquery, sql } = context;
  const version = await nextVersion(context);
  const values = { version, of: keyset.version, ...chainValues(keyset), target: kmsUri(kmsKey) };
  await bigquery.query(sql.rewrapKeyset, values);
  return added(context, version, (made) => made.kmsKey === kmsKey && made.algorithm === keyset.algorithm);
}
