import { z } from 'zod';
import { identifier, valuePattern } from './settings/patterns.ts';

/** The columns of the source table that belong to one value of a row (the e-mail address, say). */
export const fieldSchema = z.object({
  name: z.string(),
  cipherText: z.string(),
  dek: z.string(),
  plaintext: z.string(),
  key: z.string(),
  sealed: z.string(),
  resealedAt: z.string(),
  resealedFrom: z.string(),
  /** What the whole of a value has to match; null for any text. */
  valuePattern: valuePattern.nullable(),
});
export type Field = z.infer<typeof fieldSchema>;

const column = identifier.optional();

/** A field as a stack's file names it; a column that is absent gets its default from `withColumns`. */
export const fieldSetting = z.strictObject({
  name: identifier,
  cipherText: column,
  dek: column,
  plaintext: column,
  key: column,
  sealed: column,
  resealedAt: column,
  resealedFrom: column,
  valuePattern: valuePattern.optional(),
});
export type FieldSetting = z.infer<typeof fieldSetting>;

/**
 * The columns of each field. The first field has those of the seed (cipher_text, dek, decrypted_email …),
 * so that a table with one field needs no setting; a further one carries its name in all of them. The pattern is for
 * a field that has none of its own.
 *
 * @example
 * withColumns([{ name: 'email' }])[0].sealed; // 'bq_encrypted_email'
 */
export function withColumns(fields: FieldSetting[], pattern?: string): Field[] {
  return fields.map(({ name, ...given }, index) => {
    const columns =
      index === 0
        ? {
            cipherText: 'cipher_text',
            dek: 'dek',
            key: 'bq_encryption_key',
            resealedAt: 'resealed_at',
            resealedFrom: 'resealed_from',
          }
        : {
            cipherText: `${name}_cipher_text`,
            dek: `${name}_dek`,
            key: `bq_${name}_encryption_key`,
            resealedAt: `${name}_resealed_at`,
            resealedFrom: `${name}_resealed_from`,
          };
    return {
      name,
      cipherText: given.cipherText ?? columns.cipherText,
      dek: given.dek ?? columns.dek,
      plaintext: given.plaintext ?? `decrypted_${name}`,
      key: given.key ?? columns.key,
      sealed: given.sealed ?? `bq_encrypted_${name}`,
      resealedAt: given.resealedAt ?? columns.resealedAt,
      resealedFrom: given.resealedFrom ?? columns.resealedFrom,
      valuePattern: given.valuePattern ?? pattern ?? null,
    };
  });
}

/**
 * The patterns of the fields that have one, by the fields' names.
 *
 * @example
 * patternsOf(withColumns([{ name: 'email', valuePattern: '[^@]+@[^@]+' }])); // { email: '[^@]+@[^@]+' }
 */
export const patternsOf = (fields: readonly Field[]): Readonly<Record<string, string>> =>
  Object.fromEntries(
    fields.flatMap(({ name, valuePattern }) => (valuePattern === null ? [] : [[name, valuePattern]])),
  );

/**
 * The column of the read view that has a field's sealed value, in deterministic keying.
 *
 * @example
 * tokenColumn({ name: 'email' }); // 'email_token'
 */
export const tokenColumn = ({ name }: Pick<Field, 'name'>): string => `${name}_token`;

/**
 * Names that stand twice in a list, as they first stand there. BigQuery tells names of columns apart without regard to case.
 *
 * @example
 * repeated(['id', 'dek', 'ID']); // ['id']
 */
export function repeated(names: readonly string[]): string[] {
  const lower = names.map((name) => name.toLowerCase());
  return names.filter(
    (_, at) => lower.indexOf(lower[at] ?? '') === at && lower.lastIndexOf(lower[at] ?? '') > at,
  );
}

/**
 * Column names that stand for two things at once; only data keys may be shared between fields.
 *
 * @example
 * clashingColumns('id', withColumns([{ name: 'email', key: 'id' }])); // ['id']
 */
export function clashingColumns(idColumn: string, fields: Field[]): string[] {
  const own = fields.flatMap(({ name: _, dek: __, valuePattern: ___, ...columns }) => Object.values(columns));
  const deks = new Map(fields.map(({ dek }) => [dek.toLowerCase(), dek]));
  return repeated([idColumn, ...own, ...deks.values()]);
}
