import { kmsUri } from '../contract/sql/index.ts';
import type { Row } from '../google/bigquery.ts';
import type { ReadContext, RunContext, RunKeyset } from './context.ts';

function keysetOf([row]: Row[]): RunKeyset | null {
  if (row === undefined) return null;
  return {
    version: Number(row.version),
    wrapped: Buffer.from(row.wrapped ?? '', 'base64'),
    kmsKey: row.kms_key ?? '',
  };
}

/** A version as the parameters of the statements that open values with it. */
export const chainValues = ({
  wrapped,
  kmsKey,
}: Pick<RunKeyset, 'wrapped' | 'kmsKey'>): { kms: string; keyset: string } => ({
  kms: kmsUri(kmsKey),
  keyset: wrapped.toString('base64'),
});

/** The first-level keyset that seals, or null before the first run. */
export async function newestKeyset({ bigquery, sql }: ReadContext): Promise<RunKeyset | null> {
  return keysetOf(await bigquery.query(sql.newestKeyset, {}));
}

/** The same, made inside BigQuery where there is none yet. */
export async function ensuredKeyset(context: RunContext): Promise<RunKeyset | null> {
  await context.bigquery.query(context.sql.ensureKeyset, {});
  return newestKeyset(context);
}

/** The keyset that an earlier run began with. */
export async function keysetOfVersion(
  { bigquery, sql }: ReadContext,
  version: number | null,
): Promise<RunKeyset | null> {
  return keysetOf(await bigquery.query(sql.keysetVersion, { version }));
}
