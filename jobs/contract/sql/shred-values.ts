import type { Deployment } from '../deployment.ts';
import type { Field } from '../fields.ts';
import { opened, sealedColumns } from './open-values.ts';
import { everyPartition } from './partitions.ts';
import { idText, isNamed } from './row-ids.ts';
import { CHAINS, literal, quoted, type Statement, shredded, statement, table } from './statement.ts';

/** Ids as their texts, a JSON array: @ids. */
const IDS = { ids: 'STRING' } as const;
/** @field is one field's name, or empty for all of them. */
const CHOICE = { ...IDS, field: 'STRING' } as const;

const chosen = (d: Deployment, field: Field): string =>
  `${isNamed(d, quoted(d.idColumn))} AND @field IN ('', ${literal(field.name)})`;

/**
 * Which of some ids are in the source table.
 *
 * @example
 * await bigquery.query(sql.knownIds, { ids: JSON.stringify(['7', '8']) }); // [{ id: '7' }]: 8 is not there
 */
export const knownIds = (d: Deployment): Statement<keyof typeof IDS> =>
  statement(
    'known_ids',
    IDS,
    `SELECT ${idText(d, quoted(d.idColumn))} AS id FROM ${table(d, 'source')} WHERE ${everyPartition(d)}${isNamed(d, quoted(d.idColumn))}`,
  );

/**
 * Shreds values, in one transaction with the entries that say so. What is left of a value is a mark, an empty sealed
 * value without a key, which no mode takes again; the empty value also holds where the first-level keyset itself has
 * sealed the value, and would still open what it sealed. With @source `cleared` the cipher text becomes empty, which a REQUIRED column
 * takes, too; the data key alone says nothing.
 *
 * @example
 * await bigquery.query(sql.shred, { ids: '["7"]', field: '', source: 'cleared' });
 */
export const shred = (d: Deployment): Statement<keyof typeof CHOICE | 'source'> =>
  statement(
    'shred',
    { ...CHOICE, source: 'STRING' },
    `DECLARE reseal_time TIMESTAMP DEFAULT CURRENT_TIMESTAMP();
BEGIN TRANSACTION;
${d.fields.map((field) => shredField(d, field)).join('\n')}
COMMIT TRANSACTION;`,
  );

function shredField(d: Deployment, field: Field): string {
  const cipherText = quoted(field.cipherText);
  const left = `${everyPartition(d)}${chosen(d, field)} AND (NOT ${shredded(field)} OR ${quoted(field.sealed)} != b'' OR ${quoted(field.plaintext)} IS NOT NULL OR @source = 'cleared' AND ${cipherText} != '')`;
  return `INSERT INTO ${table(d, 'shredded')} (id, field, source, shredded_at, shredded_by)
SELECT ${quoted(d.idColumn)}, ${literal(field.name)}, @source, reseal_time, SESSION_USER() FROM ${table(d, 'source')}
WHERE ${left};
UPDATE ${table(d, 'source')} SET
  ${quoted(field.plaintext)} = NULL,
  ${quoted(field.key)} = NULL,
  ${quoted(field.sealed)} = b'',
  ${quoted(field.resealedAt)} = NULL,
  ${quoted(field.resealedFrom)} = NULL,
  ${cipherText} = IF(@source = 'cleared' AND ${cipherText} IS NOT NULL, '', ${cipherText})
WHERE ${left};`;
}

/**
 * Proof by reading: how many values of some ids there are, and how many of them anything still opens or shows.
 *
 * @example
 * await bigquery.query(sql.proveShredded, { ids: '["7"]', field: '', ...chainsValues(newest) }); // [{ checked: '1', readable: '0' }]
 */
export const proveShredded = (d: Deployment): Statement<keyof typeof CHOICE | keyof typeof CHAINS> =>
  statement(
    'prove_shredded',
    { ...CHOICE, ...CHAINS },
    `SELECT COUNT(*) AS checked, COUNTIF(opened IS NOT NULL OR plaintext IS NOT NULL) AS readable
FROM (
${d.fields
  .map(
    (
      field,
    ) => `SELECT ${opened(d, sealedColumns(d, field))} AS opened, ${quoted(field.plaintext)} AS plaintext
FROM ${table(d, 'source')}
WHERE ${everyPartition(d)}${chosen(d, field)}`,
  )
  .join('\nUNION ALL\n')}
)`,
  );

/**
 * How many values of some ids the source columns still hold.
 *
 * @example
 * await bigquery.query(sql.sourcesOf, { ids: '["7"]', field: 'email' }); // [{ n: '1' }]
 */
export const sourcesOf = (d: Deployment): Statement<keyof typeof CHOICE> =>
  statement(
    'sources_of',
    CHOICE,
    `SELECT COUNT(*) AS n
FROM (
${d.fields
  .map(
    (field) => `SELECT ${quoted(field.cipherText)} AS cipher_text
FROM ${table(d, 'source')}
WHERE ${everyPartition(d)}${chosen(d, field)}`,
  )
  .join('\nUNION ALL\n')}
)
WHERE cipher_text != ''`,
  );

/**
 * Sealed values of some ids that runs have staged: they go with the run's merge, which does not take them.
 *
 * @example
 * await bigquery.query(sql.stagedOf, { ids: '["7"]', field: 'email' }); // [{ n: '0' }]
 */
export const stagedOf = (d: Deployment): Statement<keyof typeof CHOICE> =>
  statement(
    'staged_of',
    CHOICE,
    `SELECT COUNT(*) AS n FROM ${table(d, 'staging')} WHERE ${isNamed(d, 'id')} AND @field IN ('', field) AND reason IS NULL`,
  );
