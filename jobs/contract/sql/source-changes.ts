import type { Deployment } from '../deployment.ts';
import type { Field } from '../fields.ts';
import type { Reach } from './partitions.ts';
import { erasable } from './select-values.ts';
import { sealedRow } from './staged-rows.ts';
import { literal, quoted, shredded, table, token } from './statement.ts';

/** One statement of the merge over the source table, what the script does after it, and the query that this issues. */
interface SourceChange {
  readonly sql: string;
  readonly after: readonly string[];
  readonly query?: string;
}

/**
 * What the merge does to the source table as far as it reaches, statement by statement: four for each field.
 *
 * @example
 * sourceChanges(deployment, everywhere(deployment)).map(({ sql, after }) => [`${sql};`, ...after].join('\n'));
 */
export const sourceChanges = (d: Deployment, reach: Reach): SourceChange[] =>
  d.fields.flatMap((field) => [
    {
      sql: mergeSealed(d, field, reach),
      after: [
        'SET reseal_merged = reseal_merged + @@row_count;',
        `SET reseal_changed = reseal_changed + (${changed(d, field, reach)});`,
      ],
      query: changed(d, field, reach),
    },
    { sql: clearRejected(d, field, reach), after: [] },
    { sql: erase(d, field, reach), after: ['SET reseal_erased = reseal_erased + @@row_count;'] },
    { sql: clearPlaintext(d, field, reach), after: [] },
  ]);

/**
 * The staged rows of the run's attempt; more conditions may follow.
 *
 * @example
 * `SELECT COUNT(*) FROM ${staged(deployment)} AND reason IS NOT NULL`
 */
export const staged = (d: Deployment): string =>
  `${table(d, 'staging')} WHERE run_id = @run_id AND attempt = reseal_attempt`;

const ofSource = (name: string): string => `u.${quoted(name)}`;

/** Matches a staged row with the source that it was made from, and with nothing that was shredded meanwhile. */
const sameSource = (d: Deployment, field: Field, reach: Reach): string =>
  `${reach.staged('u.')}${ofSource(d.idColumn)} = s.id AND ${token(ofSource(field.cipherText), ofSource(field.dek))} = s.resealed_from AND NOT ${shredded(field, 'u.')}`;

/** Duplicates of a staged row are folded, since BigQuery takes no two sources for one target. */
function mergeSealed(d: Deployment, field: Field, reach: Reach): string {
  const key =
    d.keying !== 'row'
      ? 'IFNULL(bq_encryption_key, reseal_keyset) AS bq_encryption_key'
      : 'bq_encryption_key';
  return `MERGE ${table(d, 'source')} AS u
USING (
  SELECT id, resealed_from, decrypted_email, ${key}, bq_encrypted_email
  FROM ${staged(d)} AND field = ${literal(field.name)} AND ${sealedRow(d)}
  QUALIFY ROW_NUMBER() OVER (PARTITION BY id, resealed_from ORDER BY bq_encrypted_email) = 1
) AS s
ON ${sameSource(d, field, reach)}
WHEN MATCHED THEN UPDATE SET
  ${quoted(field.plaintext)} = ${d.storePlaintext ? 's.decrypted_email' : 'NULL'},
  ${quoted(field.key)} = s.bq_encryption_key,
  ${quoted(field.sealed)} = s.bq_encrypted_email,
  ${quoted(field.resealedAt)} = reseal_time,
  ${quoted(field.resealedFrom)} = s.resealed_from`;
}

/**
 * How many sealed values the merge did not write, value by value: a table may have copies of a row, and one that came
 * or went meanwhile must not stand for another that changed. A jar may stage a value as often as it likes.
 */
const changed = (d: Deployment, field: Field, reach: Reach): string =>
  `SELECT IFNULL(SUM(GREATEST(s.copies - IFNULL(u.copies, 0), 0)), 0)
  FROM (
    SELECT id, resealed_from, ${d.batch.jarFile === null ? 'COUNT(*)' : '1'} AS copies
    FROM ${staged(d)} AND field = ${literal(field.name)} AND ${sealedRow(d)}
    GROUP BY id, resealed_from
  ) AS s
  LEFT JOIN (
    SELECT ${quoted(d.idColumn)} AS id, ${quoted(field.resealedFrom)} AS resealed_from, COUNT(*) AS copies
    FROM ${table(d, 'source')}
    WHERE ${reach.staged('')}${quoted(field.resealedAt)} = reseal_time AND ${quoted(field.resealedFrom)} IS NOT NULL
    GROUP BY 1, 2
  ) AS u
  ON u.id = s.id AND u.resealed_from = s.resealed_from`;

/** The assignments that take a field's sealed value away; that of a shredded value stays as its mark. */
const cleared = (field: Field, alias = ''): string => `
  ${quoted(field.plaintext)} = NULL,
  ${quoted(field.sealed)} = IF(${alias}${quoted(field.key)} IS NULL, ${alias}${quoted(field.sealed)}, NULL),
  ${quoted(field.key)} = NULL,
  ${quoted(field.resealedAt)} = reseal_time,
  ${quoted(field.resealedFrom)} = NULL`;

/** A rejected value whose sealed form comes from an older source no longer shows that. */
const clearRejected = (d: Deployment, field: Field, reach: Reach): string =>
  `MERGE ${table(d, 'source')} AS u
USING (
  SELECT DISTINCT id, resealed_from
  FROM ${staged(d)} AND field = ${literal(field.name)} AND reason IS NOT NULL
) AS s
ON ${sameSource(d, field, reach)} AND ${ofSource(field.resealedFrom)} IS NOT NULL AND ${ofSource(field.resealedFrom)} != s.resealed_from
WHEN MATCHED THEN UPDATE SET${cleared(field, 'u.')}`;

const erase = (d: Deployment, field: Field, reach: Reach): string =>
  `UPDATE ${table(d, 'source')} SET${cleared(field)}
WHERE ${reach.cleared('')}${erasable(field)}`;

/** Plaintext that must not stand any longer: all that an earlier setting stored, and that of shredded values always. */
const clearPlaintext = (d: Deployment, field: Field, reach: Reach): string =>
  `UPDATE ${table(d, 'source')} SET ${quoted(field.plaintext)} = NULL
WHERE ${reach.cleared('')}${unwanted(d, field)}`;

const unwanted = (d: Deployment, field: Field): string =>
  `${quoted(field.plaintext)} IS NOT NULL${d.storePlaintext ? ` AND ${shredded(field)}` : ''}`;

/**
 * Whether a row has something of a field that the merge takes away, whatever was staged.
 *
 * @example
 * `SELECT COUNT(*) FROM ${table(d, 'source')} WHERE ${clearable(d, field)}`
 */
export const clearable = (d: Deployment, field: Field): string =>
  `(${erasable(field)} OR ${unwanted(d, field)})`;
