import { z } from 'zod';
import { fieldSetting } from '../fields.ts';
import { ENGINES, ID_TYPES, KEYINGS, SOURCE_FORMATS, UNAUTHENTICATED } from './choices.ts';
import {
  amount,
  flag,
  folder,
  identifier,
  projectId,
  region,
  share,
  valuePattern,
  whole,
} from './patterns.ts';
import { setting } from './setting.ts';

/** Why a column of another type cannot be what tells rows apart. */
const NO_ID: Readonly<Record<string, string>> = {
  FLOAT64: 'two numbers that look alike may differ, and NaN equals nothing',
  // The connector takes no table with such a column: https://github.com/GoogleCloudDataproc/spark-bigquery-connector/issues/1234
  BIGNUMERIC: 'Spark has no number of 76 digits; NUMERIC or STRING holds such ids',
  BYTES: 'most bytes are no text, and an id has to be one',
  // Spark reads it as a whole number, and what it writes as one no load job takes for a time.
  TIME: 'BigQuery clusters no table by it, and Spark cannot write it; STRING holds such ids',
};

/** What is said of a type that `idType` does not take. */
function idTypeFault({ input }: { readonly input?: unknown }): string {
  const why = NO_ID[String(input).toUpperCase()];
  return `must be one of ${ID_TYPES.join(', ')}${why === undefined ? '' : `: ${why}`}`;
}

/**
 * The settings that reach a run as they stand in a stack's file. Each is defined here and nowhere else: the
 * stack's outputs, the job and the SQL statements know it by this name.
 */
export const runSettings = {
  project: setting(projectId, {
    description: 'The Google Cloud project that everything is created in.',
    example: 'example-data-dev',
    seed: 'dataproc_bigquery_project_id',
  }),
  location: setting(region.default('us-central1'), {
    description: 'The one region of dataset, batches, bucket, keys, workflow and subnetwork.',
    example: 'us-central1',
    seed: 'dataproc_bigquery_location',
  }),
  tempFolder: setting(folder.default('temp'), {
    description: 'The folder of the bucket for temporary files.',
    example: 'temp',
  }),
  readLimitRows: setting(whole(1, Number.MAX_SAFE_INTEGER).optional(), {
    description: 'At most so many rows a run, by id, behind those of the last run with a limit.',
    example: '100000',
    absent: 'no limit',
    seed: 'dataproc_bigquery_read_limits',
  }),
  idColumn: setting(identifier.default('id'), {
    description:
      'The column that identifies a row; its value as text is the additional data of every sealed value, but in deterministic keying.',
    example: 'id',
  }),
  idType: setting(z.enum(ID_TYPES, { error: idTypeFault }).default('INT64'), {
    description:
      "The type of that column, which the ids of the other tables take, too. In a table of the stack's own it cannot be changed once there is the table.",
    example: 'STRING',
  }),
  fields: setting(
    z
      .array(fieldSetting, { error: 'must be a list of fields' })
      .min(1, { error: 'must name at least one field' })
      .default([{ name: 'email' }]),
    {
      description:
        "The encrypted values of a row, each with the columns it lives in. The first field has the seed's columns by default, a further field F has F_cipher_text, F_dek, decrypted_F, bq_F_encryption_key, bq_encrypted_F, F_resealed_at and F_resealed_from. Each may have a valuePattern of its own.",
      example: '[{name: email}, {name: phone, dek: dek}]',
    },
  ),
  sourceFormat: setting(
    z.enum(SOURCE_FORMATS, { error: `must be one of ${SOURCE_FORMATS.join(', ')}` }).default('gcm'),
    {
      description:
        'How the application encrypted the values: gcm is base64 of iv, cipher text, tag; dotted base64 of iv, a dot, base64 of the rest (AES-GCM or AES-CBC); tink a TINK-prefixed AES-GCM cipher text; tink-envelope Tink’s KmsEnvelopeAead.',
      example: 'gcm',
    },
  ),
  unauthenticated: setting(
    z.enum(UNAUTHENTICATED, { error: `must be ${UNAUTHENTICATED.join(' or ')}` }).optional(),
    {
      description:
        'Whether values without a tag are sealed: those of AES-CBC, which only the dotted format has. Nothing proves that such a value is what the application encrypted (security.md).',
      example: 'accept',
      absent: '`accept` with `dotted`, `reject` in production and with every other format',
    },
  ),
  valuePattern: setting(valuePattern.optional(), {
    description:
      'What the whole of a value has to match, in the syntax of [RE2](https://github.com/google/re2/wiki/Syntax); another is rejected. Without `\\p` and `\\C`, and in ASCII where there is `(?i)`. With several fields it stands in each of `fields`.',
    example: '[^@]+@[^@]+',
    absent: 'any text',
  }),
  keying: setting(z.enum(KEYINGS, { error: `must be one of ${KEYINGS.join(', ')}` }).default('row'), {
    description:
      'A fresh key for every value (row), the first-level keyset for all (shared), or one by which equal values of a field become equal, for joins and GROUP BY (deterministic; analysts.md says what that gives away).',
    example: 'row',
  }),
  storePlaintext: setting(flag.default(false), {
    description: 'Whether the plaintext column is filled, as the seed did.',
    example: 'false',
  }),
  engines: setting(
    z
      .array(z.enum(ENGINES, { error: `must name ${ENGINES.join(' or ')}` }), {
        error: 'must be a list of engines',
      })
      .min(1, { error: 'must allow at least one engine' })
      .default(['direct', 'dataproc']),
    {
      description:
        'The engines that may run: direct (this process), dataproc (a batch), bigquery (inside BigQuery). Production takes no direct.',
      example: '[dataproc]',
    },
  ),
  directMaxRows: setting(whole(0, 10_000_000).default(100_000), {
    description: 'Up to so many selected rows the engine `auto` takes direct, where it is allowed.',
    example: '100000',
  }),
  waveDeks: setting(whole(1, 100_000_000).optional(), {
    description:
      'A run over more distinct data keys than this goes in waves of about so many, each staged, verified and merged before the next: an interruption loses one wave, and neither the quota of KMS nor the time that a batch may take bounds the run.',
    example: '1000000',
    absent: 'all at once',
  }),
  confirmAboveUsd: setting(amount.default(100), {
    description:
      'A run started by hand that is expected to cost more than so many US$ asks first; `--yes` answers beforehand.',
    example: '100',
  }),
  maxRejectedShare: setting(share.default(0.05), {
    description:
      'A run that would reject a larger share of its values, and more than ten, stops before the merge; `--accept-rejected` goes on.',
    example: '0.05',
  }),
  verifyRows: setting(whole(0, Number.MAX_SAFE_INTEGER).default(50_000), {
    description: 'At most so many staged rows are decrypted by BigQuery before the merge.',
    example: '50000',
  }),
};
