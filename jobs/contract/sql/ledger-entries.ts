import { DCU_USD_PER_HOUR, KMS_USD_PER_CALL } from '../../run/cost.ts';
import { type Statement, statement, table, type Warehouse } from './statement.ts';

/** Where a run stands. All but `succeeded` can be resumed. */
export const RUN_STATES = ['planned', 'staging', 'verified', 'succeeded', 'failed', 'cancelled'] as const;
export type RunState = (typeof RUN_STATES)[number];

const OPEN = {
  run_id: 'STRING',
  driver: 'STRING',
  engine: 'STRING',
  mode: 'STRING',
  source_format: 'STRING',
  keying: 'STRING',
  keyset_version: 'INT64',
  snapshot_millis: 'INT64',
  id_cutoff: 'INT64',
  selected: 'INT64',
  distinct_deks: 'INT64',
} as const;

/** Enters a run into the ledger; entering it again changes nothing. */
export const openRun = (w: Warehouse): Statement<keyof typeof OPEN> =>
  statement(
    'open',
    OPEN,
    `MERGE ${table(w, 'runs')} AS r
USING (SELECT @run_id AS run_id) AS entry
ON r.run_id = entry.run_id
WHEN NOT MATCHED THEN
  INSERT (run_id, state, driver, engine, mode, source_format, keying, keyset_version, snapshot, id_cutoff, selected, distinct_deks, started_at)
  VALUES (@run_id, 'planned', @driver, @engine, @mode, @source_format, @keying, @keyset_version, TIMESTAMP_MILLIS(@snapshot_millis), @id_cutoff, @selected, @distinct_deks, CURRENT_TIMESTAMP())`,
  );

/**
 * Counts that an engine may not know, and the batch that there may not be, come as texts, empty for unknown:
 * unlike a NULL, that goes through the job's and the workflow's requests in the same way.
 */
const known = (parameter: string): string => `SAFE_CAST(NULLIF(${parameter}, '') AS INT64)`;

/** KMS calls and the batch's usage; BigQuery's bytes are the project's own affair. */
const COST = `IFNULL(${known('@kms_calls')}, 0) * ${KMS_USD_PER_CALL}
  + IFNULL(${known('@milli_dcu_seconds')}, 0) / 3600000 * ${DCU_USD_PER_HOUR}`;

/** The engine is at work, for the first time or again; @batch_id is empty for the direct one. */
export const markStaging = (w: Warehouse): Statement<'run_id' | 'batch_id'> =>
  statement(
    'staging',
    { run_id: 'STRING', batch_id: 'STRING' },
    `UPDATE ${table(w, 'runs')} 
SET state = 'staging', batch_id = NULLIF(@batch_id, ''), ended_at = NULL, error_code = NULL, error = NULL
WHERE run_id = @run_id AND state NOT IN ('verified', 'succeeded')`,
  );

const VERIFIED = {
  run_id: 'STRING',
  staged: 'INT64',
  rejected: 'INT64',
  kms_calls: 'STRING',
  batch_id: 'STRING',
  milli_dcu_seconds: 'STRING',
} as const;

/** Every selected value is staged or refused, and what is staged opens: the run may be merged. */
export const markVerified = (w: Warehouse): Statement<keyof typeof VERIFIED> =>
  statement(
    'verified',
    VERIFIED,
    `UPDATE ${table(w, 'runs')}
SET state = 'verified', staged = @staged, rejected = @rejected, kms_calls = ${known('@kms_calls')}, batch_id = NULLIF(@batch_id, ''),
  milli_dcu_seconds = ${known('@milli_dcu_seconds')}, cost_usd = ${COST}
WHERE run_id = @run_id AND state = 'staging'`,
  );

/** The run ends without a merge; one that has succeeded stays so. */
export const endRun = (w: Warehouse): Statement<'run_id' | 'state' | 'error_code' | 'error'> =>
  statement(
    'end',
    { run_id: 'STRING', state: 'STRING', error_code: 'STRING', error: 'STRING' },
    `UPDATE ${table(w, 'runs')}
SET state = @state, error_code = @error_code, error = @error, ended_at = CURRENT_TIMESTAMP()
WHERE run_id = @run_id AND state != 'succeeded'`,
  );

const COLUMNS = `run_id, state, driver, engine, mode, source_format, keying, keyset_version, UNIX_MILLIS(snapshot) AS snapshot_millis,
  id_cutoff, selected, distinct_deks, staged, rejected, merged, changed_meanwhile, kms_calls, UNIX_MILLIS(started_at) AS started_millis,
  UNIX_MILLIS(ended_at) AS ended_millis, batch_id, milli_dcu_seconds, cost_usd, error_code, error`;

export const readRun = (w: Warehouse): Statement<'run_id'> =>
  statement(
    'ledger',
    { run_id: 'STRING' },
    `SELECT ${COLUMNS} FROM ${table(w, 'runs')} WHERE run_id = @run_id`,
  );

/** The newest runs, newest first. */
export const history = (w: Warehouse): Statement<'row_limit'> =>
  statement(
    'history',
    { row_limit: 'INT64' },
    `SELECT ${COLUMNS} FROM ${table(w, 'runs')} ORDER BY started_at DESC LIMIT @row_limit`,
  );

/** How the newest merged run keyed its rows: readers open all rows in one way. */
export const lastKeying = (w: Warehouse): Statement<never> =>
  statement(
    'last_keying',
    {},
    `SELECT keying FROM ${table(w, 'runs')} WHERE state = 'succeeded' AND merged > 0 ORDER BY started_at DESC LIMIT 1`,
  );
