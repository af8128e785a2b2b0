import type { Deployment } from '../deployment.ts';
import type { Field } from '../fields.ts';
import { literal, quoted, type Statement, statement, table, token } from './statement.ts';

/**
 * The merge: one transaction, so a run is merged whole or not at all, and only once, since the ledger's
 * state is part of it. A row is written only where its source still has the token it was sealed from
 * (compare-and-set); a row that changed meanwhile is left for the next run. Duplicates of a staged row are
 * folded, since BigQuery takes no two sources for one target. Variables have names that no column has: a column
 * would come before the variable.
 */
export const merge = (d: Deployment): Statement<'run_id'> =>
  statement(
    'merge',
    { run_id: 'STRING' },
    `DECLARE reseal_time TIMESTAMP DEFAULT CURRENT_TIMESTAMP();
DECLARE reseal_staged INT64 DEFAULT 0;
DECLARE reseal_merged INT64 DEFAULT 0;
${d.keying === 'shared' ? `${declareKeyset(d)}\n` : ''}BEGIN TRANSACTION;
IF EXISTS (SELECT 1 FROM ${table(d, 'runs')} WHERE run_id = @run_id AND state = 'verified') THEN
SET reseal_staged = (SELECT COUNT(*) FROM ${table(d, 'staging')} WHERE run_id = @run_id AND reason IS NULL);
${d.fields.map((field) => mergeField(d, field)).join('\n')}
INSERT INTO ${table(d, 'rejected')} (id, field, run_id, reason, dek_fingerprint, source_format, rejected_from, rejected_at)
SELECT id, field, run_id, reason, dek_fingerprint, ${literal(d.sourceFormat)}, resealed_from, reseal_time
FROM ${table(d, 'staging')} WHERE run_id = @run_id AND reason IS NOT NULL;
DELETE FROM ${table(d, 'staging')} WHERE run_id = @run_id;
UPDATE ${table(d, 'runs')}
SET state = 'succeeded', merged = reseal_merged, changed_meanwhile = GREATEST(reseal_staged - reseal_merged, 0), ended_at = reseal_time
WHERE run_id = @run_id;
END IF;
COMMIT TRANSACTION;`,
  );

/** In shared keying every row has the same wrapped keyset beside it, so staged rows need not carry it. */
const declareKeyset = (d: Deployment): string =>
  `DECLARE reseal_keyset BYTES DEFAULT (SELECT wrapped FROM ${table(d, 'keysets')} WHERE version = (SELECT keyset_version FROM ${table(d, 'runs')} WHERE run_id = @run_id));`;

function mergeField(d: Deployment, field: Field): string {
  const column = (name: string): string => `u.${quoted(name)}`;
  const key =
    d.keying === 'shared'
      ? 'IFNULL(bq_encryption_key, reseal_keyset) AS bq_encryption_key'
      : 'bq_encryption_key';
  return `MERGE ${table(d, 'source')} AS u
USING (
  SELECT id, resealed_from, decrypted_email, ${key}, bq_encrypted_email
  FROM ${table(d, 'staging')}
  WHERE run_id = @run_id AND field = ${literal(field.name)} AND reason IS NULL
  QUALIFY ROW_NUMBER() OVER (PARTITION BY id, resealed_from ORDER BY bq_encrypted_email) = 1
) AS s
ON ${column(d.idColumn)} = s.id AND ${token(column(field.cipherText), column(field.dek))} = s.resealed_from
WHEN MATCHED THEN UPDATE SET
  ${quoted(field.plaintext)} = ${d.storePlaintext ? 's.decrypted_email' : 'NULL'},
  ${quoted(field.key)} = s.bq_encryption_key,
  ${quoted(field.sealed)} = s.bq_encrypted_email,
  ${quoted(field.resealedAt)} = reseal_time,
  ${quoted(field.resealedFrom)} = s.resealed_from;
SET reseal_merged = reseal_merged + @@row_count;`;
}

/** What a merged run rejected, reason by reason. */
export const rejectedCounts = (d: Deployment): Statement<'run_id'> =>
  statement(
    'rejected',
    { run_id: 'STRING' },
    `SELECT reason, COUNT(*) AS n FROM ${table(d, 'rejected')} WHERE run_id = @run_id GROUP BY reason ORDER BY reason`,
  );
