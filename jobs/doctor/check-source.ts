import type { Deployment } from '../contract/deployment.ts';
import { ResealError } from '../contract/errors.ts';
import { patternsOf } from '../contract/fields.ts';
import { type Reason, Rejection } from '../contract/reasons.ts';
import { NO_CUTOFF, NO_FLOOR, WHOLE } from '../contract/sql/index.ts';
import { valueMatcher } from '../contract/value-pattern.ts';
import { FEW_REJECTED } from '../contract/verdict.ts';
import type { KeyService } from '../envelope/data-keys.ts';
import { formatOf } from '../envelope/formats.ts';
import type { Row } from '../google/bigquery.ts';
import { type Endpoints, kmsClient } from '../google/clients.ts';
import { keyService } from '../google/kms.ts';
import { pace } from '../google/pace.ts';
import type { RunContext } from '../run/context.ts';
import { type Finding, ok, wrong } from './finding.ts';

/** Values that are tried: a Decrypt call each, so few. */
const SAMPLE = 20;

/**
 * Opens a few pending values as the settings say and forgets what they hold: whether the format, the encoding of the data
 * keys, the KEK and `valuePattern` are right shows before a run, not after it.
 */
export async function checkSource(context: RunContext, endpoints?: Endpoints): Promise<Finding> {
  const { deployment: d, bigquery, sql } = context;
  const check = `source format ${d.sourceFormat}`;
  const [clock] = await bigquery.query(sql.clock, {});
  const rows = await bigquery.query(sql.sample, {
    mode: 'pending',
    snapshot_millis: String(clock?.snapshot_millis),
    id_from: NO_FLOOR,
    id_cutoff: NO_CUTOFF,
    ...WHOLE,
    // Only the mode `stale` asks for it.
    keyset_version: 0,
    row_limit: SAMPLE,
  });
  if (rows.length === 0) return ok(check, 'no pending value to try it on');
  const client = await kmsClient(endpoints);
  try {
    const service = keyService(client, { pace: pace(d.batch.kmsCallsPerSecond) });
    const outcomes = await Promise.all(rows.map((row) => outcome(service, d, row)));
    return judged(check, outcomes);
  } catch (error) {
    if (!(error instanceof ResealError)) throw error;
    // Only the direct engine uses the key in this account's name.
    const verdict = error.code === 'kms-denied' ? 'unknown' : 'failed';
    return wrong(verdict, check, error.message, error.hint ?? 'docs/errors.md says more');
  } finally {
    await client.close();
  }
}

async function outcome(
  service: KeyService,
  { sourceFormat, sourceKek, unauthenticated, fields }: Deployment,
  row: Row,
): Promise<Reason | 'opened'> {
  const { wrappedKey, prepare } = formatOf(sourceFormat);
  const [cipherText, dek] = [row.cipher_text ?? '', row.dek ?? ''];
  const pattern = patternsOf(fields)[row.field ?? ''];
  try {
    const key = await service.unwrap(sourceKek, wrappedKey(dek, cipherText));
    try {
      const { plaintext } = prepare(key, unauthenticated)(cipherText);
      const matches = pattern === undefined || valueMatcher(pattern)(plaintext);
      plaintext.fill(0);
      if (!matches) return 'value-pattern';
    } finally {
      key.fill(0);
    }
    return 'opened';
  } catch (error) {
    if (error instanceof Rejection) return error.reason;
    throw error;
  }
}

function judged(check: string, outcomes: readonly (Reason | 'opened')[]): Finding {
  const opened = outcomes.filter((one) => one === 'opened').length;
  const counts = new Map<string, number>();
  for (const one of outcomes) if (one !== 'opened') counts.set(one, (counts.get(one) ?? 0) + 1);
  const reasons = [...counts].map(([reason, n]) => `${n} ${reason}`).join(', ');
  const found = `${opened} of ${outcomes.length} values open${reasons === '' ? '' : `; ${reasons}`}`;
  if (opened * 2 > outcomes.length) return ok(check, found);
  // A few that do not open may be all that earlier runs could not take.
  return wrong(
    outcomes.length > FEW_REJECTED ? 'failed' : 'warning',
    check,
    found,
    'check reseal:sourceFormat, reseal:sourceKek and reseal:valuePattern; docs/reasons.md says what each reason means',
  );
}
