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
