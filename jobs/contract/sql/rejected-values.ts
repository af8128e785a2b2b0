import type { Deployment } from '../deployment.ts';
import type { Field } from '../fields.ts';
import { everyPartition } from './partitions.ts';
import { shownId } from './row-ids.ts';
import { literal, quoted, type Statement, statement, table, token } from './statement.ts';

/** What is said of a rejected value: where it stands and why, and nothing of what it holds. */
const COLUMNS = 'r.field AS field, r.reason AS reason, r.dek_fingerprint AS dek_fingerprint';
const REASON = "(@reason = '' OR r.reason = @reason)";
const ENTRY = 'r.run_id AS run_id, UNIX_MILLIS(r.rejected_at) AS rejected_at';

/**
 * What a run rejected, and no later run has rejected again: an entry is the last run's.
 *
 * @example
 * await bigquery.query(sql.rejectedByRun, { run_id: runId, reason: 'authentication' });
 * // [{ id: '7', field: 'email', reason: 'authentication', dek_fingerprint: '9f86d081884c7d65', run_id, rejected_at }]
 */
export const rejectedByRun = (d: Deployment): Statement<'run_id' | 'reason'> =>
  statement(
    'rejected_values',
    { run_id: 'STRING', reason: 'STRING' },
    `SELECT ${shownId(d, 'r.id')} AS id, ${COLUMNS}, ${ENTRY}
FROM ${table(d, 'rejected')} AS r
WHERE r.run_id = @run_id AND ${REASON}
ORDER BY r.id, field`,
  );

/**
 * What is rejected as it stands now: read with the stack's source format, and neither changed nor sealed since.
 *
 * @example
 * await bigquery.query(sql.rejectedNow, { reason: '' }); // of every reason
 */
export const rejectedNow = (d: Deployment): Statement<'reason'> =>
  statement(
    'rejected_now',
    { reason: 'STRING' },
    `SELECT ${shownId(d, 'v.id')} AS id, field, reason, dek_fingerprint, run_id, rejected_at
FROM (${d.fields.map((field) => rejectedOf(d, field)).join('\nUNION ALL\n')}) AS v
ORDER BY v.id, field`,
  );

function rejectedOf(d: Deployment, field: Field): string {
  const own = (name: string): string => `u.${quoted(name)}`;
  return `SELECT r.id AS id, ${COLUMNS}, ${ENTRY}
FROM ${table(d, 'rejected')} AS r
JOIN ${table(d, 'source')} AS u
ON ${own(d.idColumn)} = r.id AND ${token(own(field.cipherText), own(field.dek))} = r.rejected_from
WHERE ${everyPartition(d, 'u.')}r.field = ${literal(field.name)} AND r.source_format = ${literal(d.sourceFormat)} AND ${REASON}
  AND (${own(field.resealedFrom)} IS NULL OR ${own(field.resealedFrom)} != r.rejected_from)`;
}
