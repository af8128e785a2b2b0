import type { Deployment } from '../deployment.ts';
import { openedUnder } from './open-values.ts';
import { CHAIN, literal, type Statement, statement, table, token } from './statement.ts';

/** An attempt: the batch or the load job that wrote the rows. A second one never adds to the first. */
const ATTEMPT = { run_id: 'STRING', attempt: 'STRING' } as const;

/**
 * Takes over what a user's own jar left: it knows no run, so the rows without one are this run's, and the
 * token comes from the source columns that it carried along.
 *
 * @example
 * await bigquery.query(sql.adopt, { run_id: runId, attempt });
 */
export const adopt = (d: Deployment): Statement<keyof typeof ATTEMPT> =>
  statement(
    'adopt',
    ATTEMPT,
    `UPDATE ${table(d, 'staging')}
SET run_id = @run_id, attempt = @attempt, field = ${literal((d.fields[0] as { name: string }).name)}, resealed_from = ${token('cipher_text', 'dek')}
WHERE run_id IS NULL`,
  );

/**
 * Removes what any attempt of a run staged; that is for the run's owner alone to do.
 *
 * @example
 * await bigquery.query(sql.clearStaged, { run_id: runId, owner });
 */
export const clearStaged = (d: Deployment): Statement<'run_id' | 'owner'> =>
  statement(
    'clear_staged',
    { run_id: 'STRING', owner: 'STRING' },
    `DELETE FROM ${table(d, 'staging')} WHERE run_id = @run_id AND EXISTS (SELECT 1 FROM ${table(d, 'runs')} WHERE run_id = @run_id AND owner = @owner)`,
  );

/**
 * Removes what one attempt staged.
 *
 * @example
 * await bigquery.query(sql.clearAttempt, { run_id: runId, attempt });
 */
export const clearAttempt = (d: Deployment): Statement<keyof typeof ATTEMPT> =>
  statement(
    'clear_attempt',
    ATTEMPT,
    `DELETE FROM ${table(d, 'staging')} WHERE run_id = @run_id AND attempt = @attempt`,
  );

/**
 * Whether a staged row is a sealed value that the stack takes. One without a tag that was staged while the stack still
 * accepted it does not count once the stack rejects such values: the counts differ, and the run stages anew.
 *
 * @example
 * sealedRow(deployment, 's.'); // 's.reason IS NULL'
 */
export const sealedRow = (d: Deployment, alias = ''): string =>
  `${alias}reason IS NULL${d.unauthenticated === 'reject' ? ` AND ${alias}unauthenticated IS NOT TRUE` : ''}`;

/** Staged rows of an attempt, each beside the rejection of the same source by an earlier run, if there is one. */
const besideKnown = (d: Deployment): string =>
  `${table(d, 'staging')} AS s
LEFT JOIN (
  SELECT DISTINCT id, field, rejected_from FROM ${table(d, 'rejected')} WHERE source_format = ${literal(d.sourceFormat)}
) AS known
ON known.id = s.id AND known.field = s.field AND known.rejected_from = s.resealed_from
WHERE s.run_id = @run_id AND s.attempt = @attempt`;

/** Whether such a row is a rejection that no earlier run has made. */
const NEWLY_REJECTED = 's.reason IS NOT NULL AND known.id IS NULL';

/**
 * How many values the engine sealed and rejected, and how many of these an earlier run has not rejected already: a
 * value that is known to be rejected as it stands must not stop a run again.
 *
 * @example
 * await bigquery.query(sql.stagedCounts, { run_id: runId, attempt });
 * // [{ staged: '990', unauthenticated: '0', rejected: '10', newly_rejected: '10' }]
 */
export const stagedCounts = (d: Deployment): Statement<keyof typeof ATTEMPT> =>
  statement(
    'staged',
    ATTEMPT,
    `SELECT COUNTIF(${sealedRow(d, 's.')}) AS staged, COUNTIF(s.unauthenticated) AS unauthenticated,
  COUNTIF(s.reason IS NOT NULL) AS rejected,
  COUNTIF(${NEWLY_REJECTED}) AS newly_rejected
FROM ${besideKnown(d)}`,
  );

/**
 * Which runs have rows in the staging table, and how many; a run_id of NULL is a jar's.
 *
 * @example
 * await bigquery.query(sql.stagedRuns, {}); // [{ run_id: null, n: '100' }]
 */
export const stagedRuns = (d: Deployment): Statement<never> =>
  statement(
    'staged_runs',
    {},
    `SELECT run_id, COUNT(*) AS n FROM ${table(d, 'staging')} GROUP BY run_id ORDER BY run_id`,
  );

/**
 * Why values were rejected that no earlier run has rejected, the most frequent reason first: what a run that stops
 * because of them says.
 *
 * @example
 * await bigquery.query(sql.stagedReasons, { run_id: runId, attempt }); // [{ reason: 'encoding', n: '10' }]
 */
export const stagedReasons = (d: Deployment): Statement<keyof typeof ATTEMPT> =>
  statement(
    'reasons',
    ATTEMPT,
    `SELECT s.reason, COUNT(*) AS n
FROM ${besideKnown(d)} AND ${NEWLY_REJECTED} GROUP BY s.reason ORDER BY n DESC, s.reason`,
  );

/**
 * BigQuery opens what the engine sealed: tag and AAD prove each row, and a stored plaintext must be what
 * comes out. The statement fails where a row does not open. Tokens are hashes, so the first of them in
 * order are a fair sample, the same one each time.
 *
 * @example
 * await bigquery.query(sql.proveStaged, { run_id: runId, attempt, ...chainValues(keyset) }); // [{ checked: '990', wrong: '0' }]
 */
export const proveStaged = (d: Deployment): Statement<keyof typeof ATTEMPT | keyof typeof CHAIN> =>
  statement(
    'prove',
    { ...ATTEMPT, ...CHAIN },
    `SELECT COUNT(*) AS checked, COUNTIF(opened IS NULL OR opened != IFNULL(decrypted_email, opened)) AS wrong
FROM (
  SELECT ${openedUnder(d, { id: 'id', field: 'field', key: 'bq_encryption_key', sealed: 'bq_encrypted_email' })} AS opened, decrypted_email
  FROM (
    SELECT id, field, decrypted_email, bq_encryption_key, bq_encrypted_email
    FROM ${table(d, 'staging')}
    WHERE run_id = @run_id AND attempt = @attempt AND ${sealedRow(d)}
    ORDER BY resealed_from, id LIMIT ${d.verifyRows}
  )
)`,
  );
