import type { Row } from '../google/bigquery.ts';
import type { ReadContext, RunContext, RunKeyset } from './context.ts';

function keysetOf([row]: Row[]): RunKeyset | null {
  if (row === undefined) return null;
  return { version: Number(row.version), wrapped: Buffer.from(row.wrapped ?? '', 'base64') };
}

/** The first-level keyset that seals, or null before the first run. */
export async function newestKeyset({ bigquery, sql }: RunContext): Promise<RunKeyset | null> {
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
