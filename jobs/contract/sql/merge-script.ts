import type { Deployment } from '../deployment.ts';
import { patternsOf } from '../fields.ts';
import { declareRanges, findRanges } from './partition-ranges.ts';
import { withinRanges } from './partitions.ts';
import { declareRewrap, rewrapInMerge, rewraps } from './rewrap-row-keysets.ts';
import { sourceChanges, staged } from './source-changes.ts';
import { sealedRow } from './staged-rows.ts';
import { literal, type Statement, statement, table } from './statement.ts';

/** What the merge's ASSERT says where the staging table no longer holds what was verified. */
export const STAGED_DIFFER = 'the staged rows are no longer those that were verified';

/** What it says where nobody could open what it would write any more. */
export const KEYSET_GONE = 'the table of keysets no longer has the version that sealed the staged rows';

/**
 * The merge of a wave: one transaction, so a wave is merged whole or not at all, and only once, since the ledger's
 * state is part of it. The run's last wave ends the run; after any other it goes on with the next. All waves of a run
 * carry one moment, by which a row says which run sealed it.
 *
 * It writes the ledger and the table of data keys first: heartbeats and keys of other runs then wait for its end, where
 * what came in between would have BigQuery roll it back. It takes the rows of the attempt that the ledger names, and
 * raises where they are not as many as were verified, or where the keyset that is to stand beside them has gone. A row
 * is written only where its source still has the token it was sealed from (compare-and-set); a row that changed meanwhile
 * is left for the next run. In the mode `stale` row keysets of an older version are sealed anew as well. What a value was
 * sealed from earlier must not outlive its source: where the source is NULL now, or changed and does not open, the sealed
 * value is cleared.
 * Variables have names that no column has: a column would come before the variable.
 *
 * In a transaction CURRENT_TIMESTAMP() is the moment of its start. The moments of its end, and the heartbeat of a driver
 * that goes on with the next wave, are written once it is committed; its own stand where that is cut short.
 * https://cloud.google.com/bigquery/docs/transactions
 *
 * @example
 * await bigquery.query(sql.merge, { run_id: runId, owner });
 * const [row] = await bigquery.query(sql.readRun, { run_id: runId }); // state 'succeeded', merged, erased, changed_meanwhile
 */
export const merge = (d: Deployment): Statement<'run_id' | 'owner'> =>
  statement(
    'merge',
    { run_id: 'STRING', owner: 'STRING' },
    `DECLARE reseal_time TIMESTAMP DEFAULT CURRENT_TIMESTAMP();
DECLARE reseal_attempt STRING;
DECLARE reseal_staged INT64 DEFAULT 0;
DECLARE reseal_rejected INT64 DEFAULT 0;
DECLARE reseal_merged INT64 DEFAULT 0;
DECLARE reseal_changed INT64 DEFAULT 0;
DECLARE reseal_erased INT64 DEFAULT 0;
${d.keying !== 'row' ? `${declareKeyset(d)}\n` : ''}${declareRanges(d)}${rewraps(d) ? `${declareRewrap(d)}\n` : ''}BEGIN TRANSACTION;
UPDATE ${table(d, 'runs')} SET heartbeat = reseal_time, resealed_at = IFNULL(resealed_at, reseal_time) WHERE run_id = @run_id AND owner = @owner AND state = 'verified';
IF @@row_count > 0 THEN
DELETE FROM ${table(d, 'dataKeys')} WHERE run_id = @run_id;
SET reseal_time = (SELECT resealed_at FROM ${table(d, 'runs')} WHERE run_id = @run_id);
SET reseal_attempt = (SELECT IFNULL(attempt, '') FROM ${table(d, 'runs')} WHERE run_id = @run_id);
SET reseal_staged = (SELECT COUNT(*) FROM ${staged(d)} AND ${sealedRow(d)});
SET reseal_rejected = (SELECT COUNT(*) FROM ${staged(d)} AND reason IS NOT NULL);
ASSERT EXISTS (SELECT 1 FROM ${table(d, 'runs')} WHERE run_id = @run_id AND wave_staged = reseal_staged AND wave_rejected = reseal_rejected) AS '${STAGED_DIFFER}';
${assertKeyset(d)}${findRanges(d)}${sourceChanges(d, withinRanges(d))
  .flatMap(({ sql, after }) => [`${sql};`, ...after])
  .join('\n')}
${rewraps(d) ? `${rewrapInMerge(d)}\n` : ''}DELETE FROM ${table(d, 'rejected')} AS r
WHERE r.source_format = ${literal(d.sourceFormat)} AND EXISTS (
  SELECT 1 FROM ${table(d, 'staging')} AS s
  WHERE s.run_id = @run_id AND s.attempt = reseal_attempt AND s.reason IS NOT NULL AND s.id = r.id AND s.field = r.field AND s.resealed_from = r.rejected_from
);
INSERT INTO ${table(d, 'rejected')} (id, field, run_id, reason, dek_fingerprint, source_format, value_pattern, rejected_from, rejected_at)
SELECT id, field, run_id, reason, dek_fingerprint, ${literal(d.sourceFormat)}, ${rejectedBy(d)}, resealed_from, reseal_time
FROM ${staged(d)} AND reason IS NOT NULL;
DELETE FROM ${table(d, 'staging')} WHERE run_id = @run_id;
UPDATE ${table(d, 'runs')}
SET state = IF(${LAST_WAVE}, 'succeeded', 'planned'), owner = IF(${LAST_WAVE}, NULL, owner), ended_at = IF(${LAST_WAVE}, CURRENT_TIMESTAMP(), NULL), merged_at = CURRENT_TIMESTAMP(),
  merged = IFNULL(merged, 0) + reseal_merged,${rewraps(d) ? ' rewrapped = IFNULL(rewrapped, 0) + reseal_rewrapped,' : ''} erased = IFNULL(erased, 0) + reseal_erased, changed_meanwhile = IFNULL(changed_meanwhile, 0) + reseal_changed,
  waves_merged = IFNULL(waves_merged, 0) + 1, wave_staged = NULL, wave_rejected = NULL, wave_unauthenticated = NULL
WHERE run_id = @run_id;
END IF;
COMMIT TRANSACTION;
IF reseal_attempt IS NOT NULL THEN
UPDATE ${table(d, 'runs')}
SET heartbeat = CURRENT_TIMESTAMP(), merged_at = CURRENT_TIMESTAMP(), ended_at = IF(state = 'succeeded', CURRENT_TIMESTAMP(), ended_at)
WHERE run_id = @run_id AND (owner = @owner OR state = 'succeeded');
END IF;`,
  );

/** Of the ledger's row before the wave is entered into it. */
const LAST_WAVE = 'IFNULL(waves_merged, 0) + 1 >= IFNULL(waves, 1)';

/** But in row keying every row has the same wrapped keyset beside it, so staged rows need not carry it. */
const declareKeyset = (d: Deployment): string =>
  `DECLARE reseal_keyset BYTES DEFAULT (SELECT wrapped FROM ${table(d, 'keysets')} WHERE version = (SELECT keyset_version FROM ${table(d, 'runs')} WHERE run_id = @run_id) ORDER BY created_at LIMIT 1);`;

const assertKeyset = ({ keying }: Deployment): string =>
  keying === 'row' ? '' : `ASSERT reseal_keyset IS NOT NULL OR reseal_staged = 0 AS '${KEYSET_GONE}';\n`;

/** The pattern that a value did not match, so that it is taken again once the stack has another. */
function rejectedBy({ fields }: Deployment): string {
  const patterns = Object.entries(patternsOf(fields)).map(
    ([name, pattern]) => ` WHEN ${literal(name)} THEN ${literal(pattern)}`,
  );
  return patterns.length === 0
    ? 'CAST(NULL AS STRING)'
    : `IF(reason = 'value-pattern', CASE field${patterns.join('')} END, NULL)`;
}

/**
 * What a merged run rejected, reason by reason.
 *
 * @example
 * await bigquery.query(sql.rejectedCounts, { run_id: runId }); // [{ reason: 'authentication', n: '7' }]
 */
export const rejectedCounts = (d: Deployment): Statement<'run_id'> =>
  statement(
    'rejected',
    { run_id: 'STRING' },
    `SELECT reason, COUNT(*) AS n FROM ${table(d, 'rejected')} WHERE run_id = @run_id GROUP BY reason ORDER BY reason`,
  );
