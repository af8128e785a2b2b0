import type { Deployment } from './deployment.ts';

/**
 * The schemas of the five tables, in the form BigQuery's REST API and Pulumi both take. The program
 * creates them, the direct engine loads into them, the sandbox runs on them: one definition for all.
 */
export interface Column {
  name: string;
  type: 'INT64' | 'STRING' | 'BYTES' | 'TIMESTAMP' | 'FLOAT64' | 'JSON';
  mode: 'REQUIRED' | 'NULLABLE';
  description: string;
}

type Shape = Pick<Deployment, 'idColumn' | 'fields'>;

const column = (
  name: string,
  type: Column['type'],
  description: string,
  mode: Column['mode'] = 'NULLABLE',
): Column => ({
  name,
  type,
  mode,
  description,
});

/** The users table as the application leaves it, with the columns that Reseal fills. */
export function sourceColumns({ idColumn, fields }: Shape): Column[] {
  const columns = [column(idColumn, 'INT64', 'The customer; also the AAD of every sealed value', 'REQUIRED')];
  const only = fields.length === 1;
  for (const field of fields) {
    const mode = only ? 'REQUIRED' : 'NULLABLE';
    columns.push(
      column(field.cipherText, 'STRING', `The ${field.name} as the application encrypted it`, mode),
      column(field.dek, 'STRING', 'Its data key, wrapped by Cloud KMS, base64 or hex', mode),
      column(
        field.plaintext,
        'STRING',
        `The ${field.name} in the clear; NULL unless the stack stores plaintext`,
      ),
      column(field.key, 'BYTES', "The row's own keyset, sealed; NULL shreds the value"),
      column(field.sealed, 'BYTES', `The ${field.name} in BigQuery's AEAD format`),
      column(field.resealedAt, 'TIMESTAMP', 'When it was re-encrypted'),
      column(
        field.resealedFrom,
        'BYTES',
        'SHA-256 of cipher text, newline, data key: the source it came from',
      ),
    );
  }
  // Fields may share a data key column; a table may not have it twice.
  return columns.filter((one, index) => columns.findIndex((other) => other.name === one.name) === index);
}

/** The column of the staging table that holds plaintext where the stack stores it. */
export const STAGED_PLAINTEXT = 'decrypted_email';

/** Where an engine leaves its rows, sealed or refused, until the run is verified and merged. */
export function stagingColumns(): Column[] {
  return [
    column('id', 'INT64', 'The row of the source table', 'REQUIRED'),
    column('cipher_text', 'STRING', "The source; written only by a user's own jar"),
    column('dek', 'STRING', "The source; written only by a user's own jar"),
    column(STAGED_PLAINTEXT, 'STRING', 'The value in the clear, where the stack stores plaintext'),
    column(
      'bq_encryption_key',
      'BYTES',
      "The row's own keyset, sealed; NULL in shared keying: the merge fills it",
    ),
    column('bq_encrypted_email', 'BYTES', "The value in BigQuery's AEAD format"),
    column('run_id', 'STRING', "The run; NULL from a user's own jar"),
    column('field', 'STRING', "Which of the stack's fields; NULL is the first"),
    column('resealed_from', 'BYTES', 'SHA-256 of cipher text, newline, data key: the compare-and-set token'),
    column('reason', 'STRING', 'Why the row was refused; NULL for a sealed row'),
    column('dek_fingerprint', 'STRING', 'Of a refused row: first 16 hex digits of SHA-256 of its dek'),
  ];
}

/** Rows that could not be re-encrypted, and why. */
export function rejectedColumns(): Column[] {
  return [
    column('id', 'INT64', 'The row of the source table', 'REQUIRED'),
    column('field', 'STRING', "Which of the stack's fields", 'REQUIRED'),
    column('run_id', 'STRING', 'The run that refused it', 'REQUIRED'),
    column('reason', 'STRING', 'Why; docs/reasons.md lists the words', 'REQUIRED'),
    column('dek_fingerprint', 'STRING', 'First 16 hex digits of SHA-256 of the dek'),
    column('source_format', 'STRING', 'The format it was read as', 'REQUIRED'),
    column(
      'rejected_from',
      'BYTES',
      'SHA-256 of cipher text, newline, data key: taken again once it changes',
      'REQUIRED',
    ),
    column('rejected_at', 'TIMESTAMP', 'When', 'REQUIRED'),
  ];
}

/** The first-level keysets, wrapped by Cloud KMS. */
export function keysetColumns(): Column[] {
  return [
    column('version', 'INT64', '1, 2, …: the newest seals', 'REQUIRED'),
    column('wrapped', 'BYTES', 'KMS ciphertext, empty AAD, of the serialised Tink keyset', 'REQUIRED'),
    column('kms_key', 'STRING', 'The CryptoKey that wraps it', 'REQUIRED'),
    column('algorithm', 'STRING', 'AEAD_AES_GCM_256', 'REQUIRED'),
    column('created_at', 'TIMESTAMP', 'When', 'REQUIRED'),
  ];
}

/** The ledger: one row a run. */
export function runColumns(): Column[] {
  return [
    column('run_id', 'STRING', 'Every id of the run derives from it', 'REQUIRED'),
    column('state', 'STRING', 'planned, staging, verified, succeeded, failed or cancelled', 'REQUIRED'),
    column('driver', 'STRING', 'job or workflow', 'REQUIRED'),
    column('engine', 'STRING', 'direct or dataproc', 'REQUIRED'),
    column('mode', 'STRING', 'pending, rejected or all', 'REQUIRED'),
    column('source_format', 'STRING', 'How the source was read', 'REQUIRED'),
    column('keying', 'STRING', 'row or shared', 'REQUIRED'),
    column('keyset_version', 'INT64', 'The first-level keyset that sealed'),
    column('snapshot', 'TIMESTAMP', 'The rows were selected and read as of this moment'),
    column('id_cutoff', 'INT64', 'The highest id that a row limit lets in'),
    column('selected', 'INT64', 'Values to re-encrypt'),
    column('distinct_deks', 'INT64', 'Distinct data keys among them'),
    column('staged', 'INT64', 'Values sealed'),
    column('rejected', 'INT64', 'Values refused'),
    column('merged', 'INT64', 'Values written into the source table'),
    column(
      'changed_meanwhile',
      'INT64',
      'Values whose source changed between stage and merge: left as they were',
    ),
    column('kms_calls', 'INT64', 'KMS Decrypt calls for data keys'),
    column('started_at', 'TIMESTAMP', 'When the run was planned', 'REQUIRED'),
    column('ended_at', 'TIMESTAMP', 'When it succeeded, failed or was cancelled'),
    column('batch_id', 'STRING', 'The Dataproc batch'),
    column('milli_dcu_seconds', 'INT64', "The batch's approximate usage"),
    column('cost_usd', 'FLOAT64', 'Estimated from usage and KMS calls'),
    column('error_code', 'STRING', 'Stable code of the failure'),
    column('error', 'STRING', 'What went wrong and what to change'),
  ];
}
