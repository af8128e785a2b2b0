import { AEAD, type Algorithm, DETERMINISTIC } from '../contract/algorithms.ts';
import { ResealError } from '../contract/errors.ts';
import { kmsUri } from '../contract/sql/index.ts';
import type { Row } from '../google/bigquery.ts';
import type { ReadContext, RunContext, RunKeyset } from './context.ts';

const keysetOf = (row: Row): RunKeyset => ({
  version: Number(row.version),
  wrapped: Buffer.from(row.wrapped ?? '', 'base64'),
  kmsKey: row.kms_key ?? '',
  algorithm: row.algorithm ?? '',
});

const first = ([row]: Row[]): RunKeyset | null => (row === undefined ? null : keysetOf(row));

/** A version as the parameters of the statements that open values with it. */
export const chainValues = ({
  wrapped,
  kmsKey,
}: Pick<RunKeyset, 'wrapped' | 'kmsKey'>): { kms: string; keyset: string } => ({
  kms: kmsUri(kmsKey),
  keyset: wrapped.toString('base64'),
});

/** The first-level keyset that seals, or null before the first run of the stack's keying. */
export async function newestKeyset({ bigquery, sql }: ReadContext): Promise<RunKeyset | null> {
  return first(await bigquery.query(sql.newestKeyset, {}));
}

/** The newest version of each type, the newest of all last: together they open whatever stands in rows. */
export async function newestKeysets({ bigquery, sql }: ReadContext): Promise<RunKeyset[]> {
  return (await bigquery.query(sql.newestKeysets, {})).map(keysetOf);
}

/**
 * The same as the parameters of the statements that open values by what their rows say of themselves; null before the
 * first run. Where there is no keyset of a type, the newest stands for it: nothing in a row asks for it.
 */
export async function newestChains(
  context: ReadContext,
): Promise<{ kms: string; keyset: string; deterministic_kms: string; deterministic_keyset: string } | null> {
  const keysets = await newestKeysets(context);
  const newest = keysets.at(-1);
  if (newest === undefined) return null;
  const of = (type: Algorithm) => chainValues(keysets.find(({ algorithm }) => algorithm === type) ?? newest);
  const { kms, keyset } = of(DETERMINISTIC);
  return { ...of(AEAD), deterministic_kms: kms, deterministic_keyset: keyset };
}

/** The keyset that seals, made inside BigQuery where there is none yet. */
export async function ensuredKeyset(context: RunContext): Promise<RunKeyset | null> {
  await context.bigquery.query(context.sql.ensureKeyset, {});
  return newestKeyset(context);
}

/** What a run breaks off with whose version of the first-level keyset is not there: no other opens what it has sealed. */
export const keysetMissing = (runId: string): ResealError =>
  new ResealError('keyset-missing', `the version of the keyset that run ${runId} began with is not there`, {
    hint: 'restore its row of the table of keysets by time travel, then `--resume RUN`',
  });

/** The keyset that an earlier run began with. */
export async function keysetOfVersion(
  { bigquery, sql }: ReadContext,
  version: number | null,
): Promise<RunKeyset | null> {
  return first(await bigquery.query(sql.keysetVersion, { version }));
}
