import { z } from 'zod';
import { KEYINGS, SOURCE_FORMATS } from '../../jobs/contract/deployment.ts';
import { flag, identifier, policyTag } from './patterns.ts';
import { setting } from './setting.ts';

const column = identifier.optional();

/** A field as a stack's file names it; whatever column is absent gets its default from fields.ts. */
export const fieldSetting = z.strictObject({
  name: identifier,
  cipherText: column,
  dek: column,
  plaintext: column,
  key: column,
  sealed: column,
  resealedAt: column,
  resealedFrom: column,
});
export type FieldSetting = z.infer<typeof fieldSetting>;

/** What the tables are called, and how their values are encrypted. */
export const dataSettings = {
  rejectedTable: setting(identifier.default('users_rejected'), {
    description: 'The table for values that could not be re-encrypted, and why.',
    example: 'users_rejected',
  }),
  keysetsTable: setting(identifier.default('keysets'), {
    description: 'The table for the wrapped first-level keysets.',
    example: 'keysets',
  }),
  runsTable: setting(identifier.default('runs'), {
    description: 'The ledger: one row a run.',
    example: 'runs',
  }),
  readProcedure: setting(identifier.default('read_users'), {
    description: 'The stored procedure that reads the values back.',
    example: 'read_users',
  }),
  createSourceTable: setting(flag.default(true), {
    description: 'Whether to create dataset and source table; false when the application has both already.',
    example: 'false',
  }),
  idColumn: setting(identifier.default('id'), {
    description: 'The INT64 column that identifies a row; the additional data of every sealed value.',
    example: 'id',
  }),
  fields: setting(
    z
      .array(fieldSetting, { error: 'must be a list of fields' })
      .min(1, { error: 'must name at least one field' })
      .default([{ name: 'email' }]),
    {
      description:
        "The encrypted values of a row, each with the columns it lives in. The first field has the seed's columns by default, a further field F has F_cipher_text, F_dek, decrypted_F, bq_F_encryption_key, bq_encrypted_F, F_resealed_at and F_resealed_from.",
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
  keying: setting(z.enum(KEYINGS, { error: `must be one of ${KEYINGS.join(', ')}` }).default('row'), {
    description: 'A fresh key for every value (row), or the first-level keyset for all (shared).',
    example: 'row',
  }),
  storePlaintext: setting(flag.default(false), {
    description: 'Whether the plaintext column is filled, as the seed did.',
    example: 'false',
  }),
  columnPolicyTag: setting(policyTag.optional(), {
    description: 'A policy tag for the plaintext columns; required in production where they are filled.',
    example: 'projects/example-data/locations/us-central1/taxonomies/123/policyTags/456',
    absent: 'no tag',
  }),
};
