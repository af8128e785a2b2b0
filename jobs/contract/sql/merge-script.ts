import type { Deployment } from '../deployment.ts';
import { type Field, patternsOf } from '../fields.ts';
import { erasable } from './select-values.ts';
import { sealedRow } from './staged-rows.ts';
import { literal, quoted, type Statement, shredded, statement, table, token } from './statement.ts';

/** What the merge's ASSERT says where the staging table no longer holds what was verified. */
export const STAGED_DIFFER = 'the staged rows are no longer those that were verified';

/**
 * The merge: one transaction, so a run is merged whole or not at all, and only once, since the ledger's state is
 * part of it. It writes the ledger first: heartbeats of other runs then wait for its end, where one that came in
 * between would have BigQuery roll it back. It takes the rows of the attempt that the ledger names, and raises where
 * they are not as many as were verified. A row is written only where its source still has the token it was sealed from (compare-and-set); a row
 * that changed meanwhile is left for the next run. What a value was sealed from earlier must not outlive its source:
 * where the source is NULL now, or changed and does not open, the sealed value is cleared. Variables have names that
 * no column has: a column would come before the variable.
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
${d.keying === 'shared' ? `${declareKeyset(d)}\n` : ''}BEGIN TRANSACTION;
UPDATE ${table(d, 'runs')} SET heartbeat = reseal_time WHERE run_id = @run_id AND owner = @owner AND state = 'verified';
IF @@row_count > 0 THEN
SET reseal_attempt = (SELECT IFNULL(attempt, '') FROM ${table(d, 'runs')} WHERE run_id = @run_id);
SET reseal_staged = (SELECT COUNT(*) FROM ${staged(d)} AND ${sealedRow(d)});
SET reseal_rejected = (SELECT COUNT(*) FROM ${staged(d)} AND reason IS NOT NULL);
ASSERT EXISTS (SELECT 1 FROM ${table(d, 'runs')} WHERE run_id = @run_id AND staged = reseal_staged AND rejected = reseal_rejected) AS '${STAGED_DIFFER}';
${d.fields.map((field) => [mergeSealed(d, field), countChanged(d, field), clearRejected(d, field), erase(d, field), clearPlaintext(d, field)].join('\n')).join('\n')}
DELETE FROM ${table(d, 'rejected')} AS r
WHERE r.source_format = ${literal(d.sourceFormat)} AND EXISTS (
  SELECT 1 FROM ${table(d, 'staging')} AS s
  WHERE s.run_id = @run_id AND s.attempt = reseal_attempt AND s.reason IS NOT NULL AND s.id = r.id AND s.field = r.field AND s.resealed_from = r.rejected_from
);
INSERT INTO ${table(d, 'rejected')} (id, field, run_id, reason, dek_fingerprint, source_format, value_pattern, rejected_from, rejected_at)
SELECT id, field, run_id, reason, dek_fingerprint, ${literal(d.sourceFormat)}, ${rejectedBy(d)}, resealed_from, reseal_time
FROM ${staged(d)} AND reason IS NOT NULL;
DELETE FROM ${table(d, 'staging')} WHERE run_id = @run_id;
UPDATE ${table(d, 'runs')}
SET state = 'succeeded', owner = NULL, merged = reseal_merged, erased = reseal_erased, changed_meanwhile = reseal_changed, ended_at = reseal_time, merged_at = CURRENT_TIMESTAMP()
WHERE run_id = @run_id;
END IF;
COMMIT TRANSACTION;`,
  );

/** The staged rows of the run's attempt; more conditions may follow. */
const staged = (d: Deployment): string =>
  `${table(d, 'staging')} WHERE run_id = @run_id AND attempt = reseal_attempt`;

/** In shared keying every row has the same wrapped keyset beside it, so staged rows need not carry it. */
const declareKeyset = (d: Deployment): string =>
  `DECLARE reseal_keyset BYTES DEFAULT (SELECT wrapped FROM ${table(d, 'keysets')} WHERE version = (SELECT keyset_version FROM ${table(d, 'runs')} WHERE run_id = @run_id));`;

/** The pattern that a value did not match, so that it is taken again once the stack has another. */
function rejectedBy({ fields }: Deployment): string {
  const patterns = Object.entries(patternsOf(fields)).map(
    ([name, pattern]) => ` WHEN ${literal(name)} THEN ${literal(pattern)}`,
  );
  return patterns.length === 0
    ? 'CAST(NULL AS STRING)'
    : `IF(reason = 'value-pattern', CASE field${patterns.join('')} END, NULL)`;
}

const ofSource = (name: string): string => `u.${quoted(name)}`;

/** Matches a staged row with the source that it was made from, and with nothing that was shredded meanwhile. */
const sameSource = (d: Deployment, field: Field): string =>
  `${ofSource(d.idColumn)} = s.id AND ${token(ofSource(field.cipherText), ofSource(field.dek))} = s.resealed_from AND NOT ${shredded(field, 'u.')}`;

/** Duplicates of a staged row are folded, since BigQuery takes no two sources for one target. */
function mergeSealed(d: Deployment, field: Field): string {
  const key =
    d.keying === 'shared'
      ? 'IFNULL(bq_encryption_key, reseal_keyset) AS bq_encryption_key'
      : 'bq_encryption_key';
  return `MERGE ${table(d, 'source')} AS u
USING (
  SELECT id, resealed_from, decrypted_email, ${key}, bq_encrypted_email
  FROM ${staged(d)} AND field = ${literal(field.name)} AND ${sealedRow(d)}
  QUALIFY ROW_NUMBER() OVER (PARTITION BY id, resealed_from ORDER BY bq_encrypted_email) = 1
) AS s
ON ${sameSource(d, field)}
WHEN MATCHED THEN UPDATE SET
  ${quoted(field.plaintext)} = ${d.storePlaintext ? 's.decrypted_email' : 'NULL'},
  ${quoted(field.key)} = s.bq_encryption_key,
  ${quoted(field.sealed)} = s.bq_encrypted_email,
  ${quoted(field.resealedAt)} = reseal_time,
  ${quoted(field.resealedFrom)} = s.resealed_from;
SET reseal_merged = reseal_merged + @@row_count;`;
}

/**
 * Counts the sealed values that the merge did not write, value by value: a table may have copies of a row, and one
 * that came or went meanwhile must not stand for another that changed. A jar may stage a value as often as it likes.
 */
const countChanged = (d: Deployment, field: Field): string =>
  `SET reseal_changed = reseal_changed + (
  SELECT IFNULL(SUM(GREATEST(s.copies - IFNULL(u.copies, 0), 0)), 0)
  FROM (
    SELECT id, resealed_from, ${d.batch.jarFile === null ? 'COUNT(*)' : '1'} AS copies
    FROM ${staged(d)} AND field = ${literal(field.name)} AND reason IS NULL
    GROUP BY id, resealed_from
  ) AS s
  LEFT JOIN (
    SELECT ${quoted(d.idColumn)} AS id, ${quoted(field.resealedFrom)} AS resealed_from, COUNT(*) AS copies
    FROM ${table(d, 'source')}
    WHERE ${quoted(field.resealedAt)} = reseal_time AND ${quoted(field.resealedFrom)} IS NOT NULL
    GROUP BY 1, 2
  ) AS u
  ON u.id = s.id AND u.resealed_from = s.resealed_from
);`;

/** The assignments that take a field's sealed value away; that of a shredded value stays as its mark. */
const cleared = (field: Field, alias = ''): string => `
  ${quoted(field.plaintext)} = NULL,
  ${quoted(field.sealed)} = IF(${alias}${quoted(field.key)} IS NULL, ${alias}${quoted(field.sealed)}, NULL),
  ${quoted(field.key)} = NULL,
  ${quoted(field.resealedAt)} = reseal_time,
  ${quoted(field.resealedFrom)} = NULL`;

/** A rejected value whose sealed form comes from an older source no longer shows that. */
const clearRejected = (d: Deployment, field: Field): string =>
  `MERGE ${table(d, 'source')} AS u
USING (
  SELECT DISTINCT id, resealed_from
  FROM ${staged(d)} AND field = ${literal(field.name)} AND reason IS NOT NULL
) AS s
ON ${sameSource(d, field)} AND ${ofSource(field.resealedFrom)} IS NOT NULL AND ${ofSource(field.resealedFrom)} != s.resealed_from
WHEN MATCHED THEN UPDATE SET${cleared(field, 'u.')};`;

const erase = (d: Deployment, field: Field): string =>
  `UPDATE ${table(d, 'source')} SET${cleared(field)}
WHERE ${erasable(field)};
SET reseal_erased = reseal_erased + @@row_count;`;

/** Plaintext that must not stand any longer: all that an earlier setting stored, and that of shredded values always. */
const clearPlaintext = (d: Deployment, field: Field): string =>
  `UPDATE ${table(d, 'source')} SET ${quoted(field.plaintext)} = NULL
WHERE ${quoted(field.plaintext)} IS NOT NULL${d.storePlaintext ? ` AND ${shredded(field)}` : ''};`;

/** What a merged run rejected, reason by reason. */
export const rejectedCounts = (d: Deployment): Statement<'run_id'> =>
  statement(
    'rejected',
    { run_id: 'STRING' },
    `SELECT reason, COUNT(*) AS n FROM ${table(d, 'rejected')} WHERE run_id = @run_id GROUP BY reason ORDER BY reason`,
  );
