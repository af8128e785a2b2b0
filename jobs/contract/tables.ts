import { ALGORITHMS } from './algorithms.ts';
import type { Deployment } from './deployment.ts';
import { BOUNDS, LEDGER } from './ledger.ts';
import type { IdType } from './settings/choices.ts';
import type { TableName } from './settings/table-settings.ts';
import { boundType } from './sql/row-ids.ts';

/**
 * The schemas of the seven tables, in the form BigQuery's REST API and Pulumi both take. The program
 * creates them, the direct engine loads into them, the sandbox runs on them: one definition for all.
 */
export interface Column {
  name: string;
  type: IdType | 'BYTES' | 'FLOAT64' | 'BOOL' | 'JSON';
  mode: 'REQUIRED' | 'NULLABLE';
  description: string;
}

/** REST names some types otherwise than SQL does: https://cloud.google.com/bigquery/docs/reference/rest/v2/tables */
const SQL_NAMES: Readonly<Record<string, string>> = { INTEGER: 'INT64', FLOAT: 'FLOAT64', BOOLEAN: 'BOOL' };

/**
 * The name that SQL has for a type of REST's.
 *
 * @example
 * sqlTypeName('INTEGER'); // 'INT64'
 */
export const sqlTypeName = (rest: string): string => SQL_NAMES[rest] ?? rest;

type Shape = Pick<Deployment, 'idColumn' | 'idType' | 'fields'>;
type IdShape = Pick<Deployment, 'idType'>;

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

/**
 * The users table as the application leaves it, with the columns that Reseal fills.
 *
 * @example
 * sourceColumns(deployment)[0].name; // 'id'
 */
export function sourceColumns({ idColumn, idType, fields }: Shape): Column[] {
  const columns = [
    column(idColumn, idType, 'The customer; as text the AAD of every sealed value', 'REQUIRED'),
  ];
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
  const names = columns.map(({ name }) => name.toLowerCase());
  return columns.filter((_, index) => names.indexOf(names[index] ?? '') === index);
}

/** The column of the staging table that holds plaintext where the stack stores it. */
export const STAGED_PLAINTEXT = 'decrypted_email';

/**
 * Where an engine leaves its rows, sealed or rejected, until the run is verified and merged.
 *
 * @example
 * stagingColumns(deployment).map(({ name }) => name).includes('attempt'); // true
 */
function stagingColumns({ idType }: IdShape): Column[] {
  return [
    column('id', idType, 'The row of the source table', 'REQUIRED'),
    column('cipher_text', 'STRING', "The source; written only by a user's own jar"),
    column('dek', 'STRING', "The source; written only by a user's own jar"),
    column(STAGED_PLAINTEXT, 'STRING', 'The value in the clear, where the stack stores plaintext'),
    column(
      'bq_encryption_key',
      'BYTES',
      "The row's own keyset, sealed; NULL but in row keying: the merge fills it",
    ),
    column('bq_encrypted_email', 'BYTES', "The value in BigQuery's AEAD format"),
    column('run_id', 'STRING', "The run; NULL from a user's own jar"),
    column('attempt', 'STRING', "The batch or load job that wrote the row; NULL from a user's own jar"),
    column('field', 'STRING', "Which of the stack's fields; NULL is the first"),
    column('resealed_from', 'BYTES', 'SHA-256 of cipher text, newline, data key: the compare-and-set token'),
    column('reason', 'STRING', 'Why the row was rejected; NULL for a sealed row'),
    column('unauthenticated', 'BOOL', 'TRUE for a sealed value whose source had no tag'),
    column('dek_fingerprint', 'STRING', 'Of a rejected row: first 16 hex digits of SHA-256 of its dek'),
  ];
}

/**
 * Rows that could not be re-encrypted, and why.
 *
 * @example
 * rejectedColumns(deployment).length; // 9
 */
function rejectedColumns({ idType }: IdShape): Column[] {
  return [
    column('id', idType, 'The row of the source table', 'REQUIRED'),
    column('field', 'STRING', "Which of the stack's fields", 'REQUIRED'),
    column('run_id', 'STRING', 'The run that rejected it', 'REQUIRED'),
    column('reason', 'STRING', 'Why; docs/reasons.md lists the words', 'REQUIRED'),
    column('dek_fingerprint', 'STRING', 'First 16 hex digits of SHA-256 of the dek'),
    column('source_format', 'STRING', 'The format it was read as', 'REQUIRED'),
    column('value_pattern', 'STRING', 'For value-pattern: what it did not match'),
    column(
      'rejected_from',
      'BYTES',
      'SHA-256 of cipher text, newline, data key: taken again once it changes',
      'REQUIRED',
    ),
    column('rejected_at', 'TIMESTAMP', 'When', 'REQUIRED'),
  ];
}

/**
 * Which values an operator shredded. An entry has nothing of the value.
 *
 * @example
 * shreddedColumns(deployment).length; // 5
 */
function shreddedColumns({ idType }: IdShape): Column[] {
  return [
    column('id', idType, 'The row of the source table', 'REQUIRED'),
    column('field', 'STRING', "Which of the stack's fields", 'REQUIRED'),
    column('source', 'STRING', 'Whether the source columns were kept or cleared', 'REQUIRED'),
    column('shredded_at', 'TIMESTAMP', 'When', 'REQUIRED'),
    column('shredded_by', 'STRING', 'The account that did it', 'REQUIRED'),
  ];
}

/**
 * The first-level keysets, wrapped by Cloud KMS.
 *
 * @example
 * keysetColumns()[1].name; // 'wrapped'
 */
export function keysetColumns(): Column[] {
  return [
    column('version', 'INT64', '1, 2, …: the newest of its algorithm seals', 'REQUIRED'),
    column('wrapped', 'BYTES', 'KMS ciphertext, empty AAD, of the serialised Tink keyset', 'REQUIRED'),
    column('kms_key', 'STRING', 'The CryptoKey that wraps it', 'REQUIRED'),
    column('algorithm', 'STRING', ALGORITHMS.join(' or '), 'REQUIRED'),
    column('created_at', 'TIMESTAMP', 'When', 'REQUIRED'),
    column(
      'same_keys_as',
      'INT64',
      'The version whose keys these are, wrapped by another KMS key since: their seals count together. NULL for a version with a primary key of its own',
    ),
  ];
}

/**
 * What the engine inside BigQuery opens values with: for each try of a run one row with a keyset that KMS wrapped, and a
 * row for each data key, sealed with that keyset.
 *
 * @example
 * dataKeyColumns()[0].name; // 'run_id'
 */
function dataKeyColumns(): Column[] {
  return [
    column('run_id', 'STRING', 'The run whose values they open', 'REQUIRED'),
    column(
      'key_set',
      'STRING',
      'One try of the run: the load job that brings the keys, and a random mark',
      'REQUIRED',
    ),
    column(
      'wrapped_keyset',
      'BYTES',
      'The keyset that the data keys of the try are sealed with, as KMS wrapped it',
    ),
    column('name', 'BYTES', 'SHA-256 of the data key as the source has it, wrapped; NULL for the keyset'),
    column('sealed', 'BYTES', 'What opens its values, sealed; the AAD is the run and the name'),
    column('key_ids', 'STRING', 'In the format tink: the ids of the keys in it, eight hex digits each'),
    column('reason', 'STRING', 'Why none of its values opens; docs/reasons.md lists the words'),
    column('in_job', 'BOOL', 'TRUE for a key that BigQuery cannot use: the job seals its values'),
  ];
}

/**
 * The ledger: one row a run.
 *
 * @example
 * runColumns(deployment)[0].name; // 'run_id'
 */
const runColumns = (d: IdShape): Column[] =>
  Object.entries(LEDGER).map(([name, { type, mode, description }]) =>
    column(name, BOUNDS.includes(name) ? boundType(d) : type, description, mode),
  );

/**
 * The columns of every table, by the table's part in a run.
 *
 * @example
 * tableColumns(deployment).keysets[0].name; // 'version'
 */
export const tableColumns = (d: Shape): Record<TableName, Column[]> => ({
  source: sourceColumns(d),
  staging: stagingColumns(d),
  rejected: rejectedColumns(d),
  shredded: shreddedColumns(d),
  keysets: keysetColumns(),
  dataKeys: dataKeyColumns(),
  runs: runColumns(d),
});
