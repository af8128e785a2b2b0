import type { Deployment } from '../deployment.ts';
import type { Field } from '../fields.ts';
import { everyPartition } from './partitions.ts';
import { shownId } from './row-ids.ts';
import { literal, quoted, type Statement, statement, table, token } from './statement.ts';

/** What is said of a rejected value: where it stands and why, and nothing of what it holds. */
const COLUMNS = 'r.field AS field, r.reason AS reason, r.dek_fingerprint AS dek_fingerprint';
const REASON = "(@reason = '' OR r.reason = @reason)";
const ENTRY = 'r.run_id AS run_id, UNIX_MILLIS(r.rejected_at) AS rejected_at';

/** What a run rejected: of the waves that it has merged what is entered, of the one at hand what its attempt staged. */
const rejections = (d: Deployment): string =>
  `SELECT id, field, reason, dek_fingerprint, run_id, rejected_at
  FROM ${table(d, 'rejected')}
  WHERE run_id = @run_id
  UNION ALL
  SELECT id, field, reason, dek_fingerprint, run_id, CAST(NULL AS TIMESTAMP) AS rejected_at
  FROM ${table(d, 'staging')}
  WHERE run_id = @run_id AND attempt = @attempt AND reason IS NOT NULL`;

/**
 * What a run rejected, and no later run has rejected again: an entry is the last run's. What the run has staged, and not
 * merged, has no `rejected_at` yet.
 *
 * @example
 * await bigquery.query(sql.rejectedByRun, { run_id: runId, attempt: run.attempt ?? '', reason: 'authentication' });
 * // [{ id: '7', field: 'email', reason: 'authentication', dek_fingerprint: '9f86d081884c7d65', run_id, rejected_at }]
 */
export const rejectedByRun = (d: Deployment): Statement<'run_id' | 'attempt' | 'reason'> =>
  statement(
    'rejected_values',
    { run_id: 'STRING', attempt: 'STRING', reason: 'STRING' },
    `SELECT ${shownId(d, 'r.id')} AS id, ${COLUMNS}, ${ENTRY}
FROM (
  ${rejections(d)}
) AS r
WHERE ${REASON}
ORDER BY r.id, field`,
  );

/**
 * The same, reason by reason; `staged` of them the run has not merged.
 *
 * @example
 * await bigquery.query(sql.rejectedCounts, { run_id: runId, attempt: run.attempt ?? '' });
 * // [{ reason: 'authentication', n: '7', staged: '0' }]
 */
export const rejectedCounts = (d: Deployment): Statement<'run_id' | 'attempt'> =>
  statement(
    'rejected',
    { run_id: 'STRING', attempt: 'STRING' },
    `SELECT reason, COUNT(*) AS n, COUNTIF(rejected_at IS NULL) AS staged
FROM (
  ${rejections(d)}
)
GROUP BY reason ORDER BY reason`,
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
