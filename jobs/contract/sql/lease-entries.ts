import type { Deployment } from '../deployment.ts';
import { LEASE_SECONDS } from '../lease-terms.ts';
import { CLOSED, LEDGER_SELECT } from '../ledger.ts';
import { literal, type Statement, statement, table } from './statement.ts';

const MOMENT = 'UNIX_MILLIS(CURRENT_TIMESTAMP())';
/** How long an owner has not been heard of, by BigQuery's clock alone; NULL without one. */
const SILENT = `${MOMENT} - UNIX_MILLIS(heartbeat)`;
const closed = CLOSED.map(literal).join(', ');

/**
 * Makes @owner the run's, where nobody is, where the owner has not been heard of for too long, or where it is still
 * @from_owner: the one that the caller has seen and may take the run from; empty for none. Of several at once one
 * comes through, since the others then meet another owner and a new heartbeat. Repeating it renews the lease.
 *
 * A merge renews no lease while it lasts, and this statement waits for its end: whoever has been heard of since the
 * caller has seen the heartbeat of @seen_millis is at work, however long ago that was.
 *
 * @example
 * const mine = { run_id: runId, owner: 'job:laptop:4711:5ab0-1f0c22d4', from_owner: '', seen_millis: run.heartbeat };
 * await bigquery.query(sql.takeLease, mine);
 * const [lease] = await bigquery.query(sql.readLease, { run_id: runId }); // whose it is now
 */
export const takeLease = (d: Deployment): Statement<'run_id' | 'owner' | 'from_owner' | 'seen_millis'> =>
  statement(
    'take_lease',
    { run_id: 'STRING', owner: 'STRING', from_owner: 'STRING', seen_millis: 'INT64' },
    `UPDATE ${table(d, 'runs')}
SET owner = @owner, heartbeat = CURRENT_TIMESTAMP()
WHERE run_id = @run_id AND state NOT IN (${closed})
  AND (owner IS NULL OR owner = @owner OR owner = @from_owner OR ${SILENT} >= ${LEASE_SECONDS * 1000} AND UNIX_MILLIS(heartbeat) <= @seen_millis)`,
  );

/**
 * Makes @owner the run's in the place of @from_owner, who hands it over, and of nobody else: a run that has been ended, or
 * taken over, in between is left alone. Repeating it renews the lease.
 *
 * @example
 * const owner = 'cloud-run:reseal-dev-x7k2p:9f3a1c:workflow:5f2c';
 * await bigquery.query(sql.takeHandedOver, { run_id: runId, owner, from_owner: 'workflow:5f2c' });
 */
export const takeHandedOver = (d: Deployment): Statement<'run_id' | 'owner' | 'from_owner'> =>
  statement(
    'take_handed_over',
    { run_id: 'STRING', owner: 'STRING', from_owner: 'STRING' },
    `UPDATE ${table(d, 'runs')} SET owner = @owner, heartbeat = CURRENT_TIMESTAMP()
WHERE run_id = @run_id AND state NOT IN (${closed}) AND owner IN (@owner, @from_owner)`,
  );

/**
 * The owner is still at work; of a run that it holds no longer nothing is changed.
 *
 * @example
 * await bigquery.query(sql.renewLease, { run_id: runId, owner: 'job:laptop:4711:5ab0-1f0c22d4' });
 */
export const renewLease = (d: Deployment): Statement<'run_id' | 'owner'> =>
  statement(
    'renew_lease',
    { run_id: 'STRING', owner: 'STRING' },
    `UPDATE ${table(d, 'runs')} SET heartbeat = CURRENT_TIMESTAMP() WHERE run_id = @run_id AND owner = @owner`,
  );

/**
 * Nobody drives the run any more; it stays in its state. Of a run that another owner holds nothing is changed.
 *
 * @example
 * await bigquery.query(sql.letGo, { run_id: runId, owner: 'job:laptop:4711:5ab0-1f0c22d4' });
 */
export const letGo = (d: Deployment): Statement<'run_id' | 'owner'> =>
  statement(
    'let_go',
    { run_id: 'STRING', owner: 'STRING' },
    `UPDATE ${table(d, 'runs')} SET owner = NULL WHERE run_id = @run_id AND owner = @owner`,
  );

/**
 * Who drives a run, how many milliseconds ago it was heard of, and the run's state.
 *
 * @example
 * await bigquery.query(sql.readLease, { run_id: runId });
 * // [{ owner: 'job:laptop:4711:5ab0-1f0c22d4', silent_millis: '2150', state: 'staging' }]
 */
export const readLease = (d: Deployment): Statement<'run_id'> =>
  statement(
    'lease',
    { run_id: 'STRING' },
    `SELECT owner, ${SILENT} AS silent_millis, state FROM ${table(d, 'runs')} WHERE run_id = @run_id`,
  );

/** BigQuery's time travel: an older run cannot be staged any more. https://cloud.google.com/bigquery/docs/time-travel */
const RESUMABLE_MS = 7 * 24 * 3600 * 1000;

/**
 * The runs that broke off, or whose owner has gone, newest first. One is left out where a run that began later has
 * succeeded and took its values: one of the same mode without a limit, or with no lower one, or one of all values.
 *
 * @example
 * const rows = await bigquery.query(sql.unfinishedRuns, {});
 * rows.map(ledgerRow); // each has silent_millis beside the ledger's columns
 */
export const unfinishedRuns = (d: Deployment): Statement<never> =>
  statement(
    'unfinished',
    {},
    `SELECT ${LEDGER_SELECT}, ${SILENT} AS silent_millis
FROM ${table(d, 'runs')} AS r
WHERE r.state NOT IN (${closed}) AND UNIX_MILLIS(r.snapshot) > ${MOMENT} - ${RESUMABLE_MS}
  AND r.started_at > (SELECT IFNULL(MAX(started_at), TIMESTAMP_MILLIS(0)) FROM ${table(d, 'runs')} WHERE state = 'succeeded' AND mode = 'all' AND row_limit IS NULL)
  AND NOT EXISTS (
    SELECT 1 FROM ${table(d, 'runs')} AS later
    WHERE later.mode = r.mode AND later.state = 'succeeded' AND later.started_at > r.started_at AND (later.row_limit IS NULL OR later.row_limit >= r.row_limit)
  )
ORDER BY r.started_at DESC LIMIT 20`,
  );
