import type { Deployment } from '../deployment.ts';
import { BOUNDS, CLOSED, LEDGER, LEDGER_SELECT, type LedgerName } from '../ledger.ts';
import { DCU_USD_PER_HOUR, KMS_USD_PER_CALL } from '../prices.ts';
import { NOT_WHOLE } from '../verdict.ts';
import { boundType } from './row-ids.ts';
import { literal, type ParamType, type Statement, statement, table } from './statement.ts';

/** A ledger column as a parameter: a TIMESTAMP is bound as milliseconds. */
const parameterType = (d: Deployment, name: LedgerName): ParamType => {
  if (BOUNDS.includes(name)) return boundType(d);
  const { type } = LEDGER[name];
  return type === 'TIMESTAMP' ? 'INT64' : type;
};
const parameter = (name: LedgerName): string => {
  // No limit is 0: unlike a NULL, that goes through the job's and the workflow's requests in the same way.
  if (name === 'row_limit') return 'NULLIF(@row_limit, 0)';
  return LEDGER[name].type === 'TIMESTAMP' ? `TIMESTAMP_MILLIS(@${name})` : `@${name}`;
};

/** What the plan fixes. */
const PLANNED = [
  'run_id',
  'via',
  'owner',
  'engine',
  'mode',
  'source_format',
  'keying',
  'settings',
  'keyset_version',
  'snapshot',
  'row_limit',
  'id_from',
  'id_cutoff',
  'selected',
  'distinct_deks',
  'waves',
  'statement_millis',
] as const satisfies readonly LedgerName[];
type Planned = (typeof PLANNED)[number];

/**
 * Enters a run into the ledger, with its first owner; entering it again changes nothing. Statements that only insert
 * do not conflict with each other, one that may also update does: of two processes with one run id the later finds
 * the other's row.
 * https://cloud.google.com/bigquery/docs/data-manipulation-language#dml_statement_conflicts
 *
 * @example
 * await bigquery.query(sql.openRun, { ...planned, run_id: runId, owner, row_limit: 0 }); // a column a parameter
 */
export const openRun = (d: Deployment): Statement<Planned> =>
  statement(
    'open',
    Object.fromEntries(PLANNED.map((name) => [name, parameterType(d, name)])) as Record<Planned, ParamType>,
    `MERGE ${table(d, 'runs')} AS r
USING (SELECT @run_id AS run_id) AS entry
ON r.run_id = entry.run_id
WHEN MATCHED THEN
  UPDATE SET run_id = entry.run_id
WHEN NOT MATCHED THEN
  INSERT (${PLANNED.join(', ')}, waves_merged, state, started_at, heartbeat)
  VALUES (${PLANNED.map(parameter).join(', ')}, 0, 'planned', CURRENT_TIMESTAMP(), CURRENT_TIMESTAMP())`,
  );

/**
 * Counts that an engine may not know, and the batch that there may not be, come as texts, empty for unknown:
 * unlike a NULL, that goes through the job's and the workflow's requests in the same way.
 */
const known = (name: string): string => `SAFE_CAST(NULLIF(@${name}, '') AS INT64)`;

/**
 * KMS calls and the batch's usage, unknown where both are; the bytes that BigQuery reads are billed by the project's own
 * terms.
 */
const COST = `IF(COALESCE(${known('kms_calls')}, ${known('milli_dcu_seconds')}) IS NULL, NULL, IFNULL(${known('kms_calls')}, 0) * ${KMS_USD_PER_CALL}
  + IFNULL(${known('milli_dcu_seconds')}, 0) / 3600000 * ${DCU_USD_PER_HOUR})`;

/** Whether an earlier wave of the run is merged: its counts, calls and cost are in the row already. */
const LATER_WAVE = 'IFNULL(waves_merged, 0) > 0';

/** Whether the attempt has been staged before: what it took is in the sums. */
const COUNTED = "IFNULL(counted_attempt, '-') = @attempt";

/** What an attempt adds to a sum of the run's, once; what is unknown of one attempt is unknown of the run. */
const added = (name: LedgerName, amount: string): string =>
  `${name} = IF(${COUNTED}, ${name}, IF(${LATER_WAVE} OR counted_attempt IS NOT NULL, ${name}, 0) + ${amount})`;

/** A count of the wave at hand: it takes the place of the one that the wave has been verified with before. */
const counted = (name: 'staged' | 'rejected' | 'unauthenticated'): string =>
  `${name} = IFNULL(${name}, 0) - IFNULL(wave_${name}, 0) + @${name}, wave_${name} = @${name}`;

/** The batch of the attempt; a wave without a value has none, and the ledger keeps that of the wave before. */
const BATCH_ID = "batch_id = IF(@attempt = '', batch_id, NULLIF(@batch_id, ''))";

/**
 * The engine is at work, for the first time or again, and which attempt it is: empty for a wave without a value.
 * @batch_id is empty but for an attempt that is a batch; a wave without a value leaves the last one's in place. This
 * comes before the attempt is begun, so that the ledger knows of whatever is at work.
 *
 * @example
 * await bigquery.query(sql.markStaging, { run_id: runId, owner, attempt: 'reseal_pr_123_load_1', batch_id: '' });
 */
export const markStaging = (d: Deployment): Statement<'run_id' | 'owner' | 'attempt' | 'batch_id'> =>
  statement(
    'staging',
    { run_id: 'STRING', owner: 'STRING', attempt: 'STRING', batch_id: 'STRING' },
    `UPDATE ${table(d, 'runs')}
SET state = 'staging', attempt = NULLIF(@attempt, ''), ${BATCH_ID}, staging_at = IF(${LATER_WAVE}, staging_at, CURRENT_TIMESTAMP()), staged_at = NULL, verified_at = NULL, ended_at = NULL
WHERE run_id = @run_id AND owner = @owner AND state NOT IN ('verified', ${CLOSED.map(literal).join(', ')})`,
  );

const STAGED = {
  run_id: 'STRING',
  owner: 'STRING',
  attempt: 'STRING',
  kms_calls: 'STRING',
  batch_id: 'STRING',
  milli_dcu_seconds: 'STRING',
} as const;

/**
 * The engine has staged a wave, and what that took: it is paid for whether or not what was staged is whole and merged.
 *
 * @example
 * const batch = { batch_id: '', milli_dcu_seconds: '' };
 * await bigquery.query(sql.markStaged, { run_id: runId, owner, attempt, kms_calls: '100', ...batch });
 */
export const markStaged = (d: Deployment): Statement<keyof typeof STAGED> =>
  statement(
    'mark_staged',
    STAGED,
    `UPDATE ${table(d, 'runs')}
SET staged_at = CURRENT_TIMESTAMP(), attempt = NULLIF(@attempt, ''), ${BATCH_ID},
  ${added('kms_calls', known('kms_calls'))}, ${added('milli_dcu_seconds', known('milli_dcu_seconds'))}, ${added('cost_usd', COST)}, counted_attempt = NULLIF(@attempt, '')
WHERE run_id = @run_id AND owner = @owner AND state = 'staging'`,
  );

const VERIFIED = {
  run_id: 'STRING',
  owner: 'STRING',
  staged: 'INT64',
  rejected: 'INT64',
  unauthenticated: 'INT64',
} as const;

/**
 * Every selected value of a wave is sealed or rejected, and what is sealed opens: the wave may be merged.
 *
 * @example
 * await bigquery.query(sql.markVerified, { run_id: runId, owner, staged: 990, rejected: 10, unauthenticated: 0 });
 */
export const markVerified = (d: Deployment): Statement<keyof typeof VERIFIED> =>
  statement(
    'verified',
    VERIFIED,
    `UPDATE ${table(d, 'runs')}
SET state = 'verified', verified_at = CURRENT_TIMESTAMP(),
  ${(['staged', 'rejected', 'unauthenticated'] as const).map(counted).join(', ')}, error_code = NULL, error = NULL
WHERE run_id = @run_id AND owner = @owner AND state = 'staging'`,
  );

/**
 * The run ends without a merge, and has no owner any more; it is for its owner alone to say so. Where the rows of its
 * attempt were not whole, that attempt is noted for good, whatever befalls a later one.
 *
 * @example
 * await bigquery.query(sql.endRun, { run_id: runId, owner, state: 'cancelled', error_code: 'cancelled', error: 'ctrl-C' });
 */
export const endRun = (d: Deployment): Statement<'run_id' | 'owner' | 'state' | 'error_code' | 'error'> =>
  statement(
    'end',
    { run_id: 'STRING', owner: 'STRING', state: 'STRING', error_code: 'STRING', error: 'STRING' },
    `UPDATE ${table(d, 'runs')}
SET state = @state, error_code = @error_code, error = @error, not_whole = IF(@error_code IN (${NOT_WHOLE.map(literal).join(', ')}) AND attempt IS NOT NULL, CONCAT(IFNULL(not_whole, ' '), attempt, ' '), not_whole), owner = NULL, ended_at = CURRENT_TIMESTAMP()
WHERE run_id = @run_id AND owner = @owner AND state NOT IN (${CLOSED.map(literal).join(', ')})`,
  );

/**
 * Nobody will resume the run. Why it broke off stays on record.
 *
 * @example
 * await bigquery.query(sql.abandonRun, { run_id: runId, owner });
 */
export const abandonRun = (d: Deployment): Statement<'run_id' | 'owner'> =>
  statement(
    'abandon',
    { run_id: 'STRING', owner: 'STRING' },
    `UPDATE ${table(d, 'runs')}
SET state = 'abandoned', owner = NULL, ended_at = CURRENT_TIMESTAMP()
WHERE run_id = @run_id AND owner = @owner AND state NOT IN (${CLOSED.map(literal).join(', ')})`,
  );

/**
 * One run's row, for `ledgerRow`.
 *
 * @example
 * const [row] = await bigquery.query(sql.readRun, { run_id: runId });
 * ledgerRow(row).state; // 'succeeded'
 */
export const readRun = (d: Deployment): Statement<'run_id'> =>
  statement(
    'ledger',
    { run_id: 'STRING' },
    `SELECT ${LEDGER_SELECT} FROM ${table(d, 'runs')} WHERE run_id = @run_id`,
  );

/** Later than any run: the moment for `history` that leaves none out. */
export const ALL_TIME = 8_640_000_000_000_000;

/**
 * The newest runs that were planned before a moment, newest first.
 *
 * @example
 * await bigquery.query(sql.history, { before_millis: ALL_TIME, row_limit: 20 });
 */
export const history = (d: Deployment): Statement<'before_millis' | 'row_limit'> =>
  statement(
    'history',
    { before_millis: 'INT64', row_limit: 'INT64' },
    `SELECT ${LEDGER_SELECT} FROM ${table(d, 'runs')} AS r
WHERE UNIX_MILLIS(r.started_at) < @before_millis ORDER BY r.started_at DESC LIMIT @row_limit`,
  );
