import type { Deployment } from '../contract/deployment.ts';
import { patternsOf } from '../contract/fields.ts';
import { type Reason, Rejection } from '../contract/reasons.ts';
import { valueMatchers } from '../contract/value-pattern.ts';
import type { KeyService } from '../envelope/data-keys.ts';
import { formatOf } from '../envelope/formats.ts';
import type { Row, Value } from '../google/bigquery.ts';
import { type Endpoints, kmsClient } from '../google/clients.ts';
import { keyService } from '../google/kms.ts';
import { pace } from '../google/pace.ts';
import type { RunContext } from '../run/context.ts';

/** What became of a value that was tried. */
export type Outcome = Reason | 'opened';

/**
 * A few of the selected values, as they are encrypted.
 *
 * @param selection what `sql.sample` is bound to
 * @throws ResealError of BigQuery's
 */
export const sampledValues = (
  { bigquery, sql }: Pick<RunContext, 'bigquery' | 'sql'>,
  selection: Record<keyof typeof sql.sample.params, Value>,
): Promise<Row[]> => bigquery.query(sql.sample, selection);

/**
 * Opens sampled values as the stack's settings say, and forgets what they hold. Each costs a Decrypt call.
 *
 * @throws ResealError of Cloud KMS's, where no value can be tried
 */
export async function outcomesOf(
  { deployment }: Pick<RunContext, 'deployment'>,
  rows: readonly Row[],
  endpoints?: Endpoints,
): Promise<Outcome[]> {
  if (rows.length === 0) return [];
  const client = await kmsClient(endpoints);
  try {
    const service = keyService(client, { pace: pace(deployment.batch.kmsCallsPerSecond) });
    const matches = valueMatchers(patternsOf(deployment.fields));
    return await Promise.all(rows.map((row) => outcome(service, deployment, matches, row)));
  } finally {
    await client.close();
  }
}

async function outcome(
  service: KeyService,
  { sourceFormat, sourceKek, unauthenticated }: Deployment,
  matches: ReturnType<typeof valueMatchers>,
  row: Row,
): Promise<Outcome> {
  const { wrappedKey, prepare } = formatOf(sourceFormat);
  const [cipherText, dek] = [row.cipher_text ?? '', row.dek ?? ''];
  try {
    const key = await service.unwrap(sourceKek, wrappedKey(dek, cipherText));
    try {
      const { plaintext } = prepare(key, unauthenticated)(cipherText);
      const fits = matches(row.field ?? '', plaintext);
      plaintext.fill(0);
      return fits ? 'opened' : 'value-pattern';
    } finally {
      key.fill(0);
    }
  } catch (error) {
    if (error instanceof Rejection) return error.reason;
    throw error;
  }
}

/** How many of each reason, the most frequent first. */
export function reasonsOf(outcomes: readonly Outcome[]): [Reason, number][] {
  const counts = new Map<Reason, number>();
  for (const one of outcomes) if (one !== 'opened') counts.set(one, (counts.get(one) ?? 0) + 1);
  return [...counts].sort(([, one], [, other]) => other - one);
}
