import { DETERMINISTIC } from '../algorithms.ts';
import type { Deployment } from '../deployment.ts';
import type { Field } from '../fields.ts';
import { declareNewest, NEWEST } from './keyset-versions.ts';
import { everyPartition } from './partitions.ts';
import { idText, shownId } from './row-ids.ts';
import {
  CHAIN,
  CHAINS,
  type Chains,
  GIVEN,
  GIVEN_CHAINS,
  keysetChain,
  literal,
  quoted,
  type ReadStack,
  type Statement,
  statement,
  table,
} from './statement.ts';

/** What a sealed value is read from, as expressions. */
interface SealedColumns {
  id: string;
  /** The name of the field, which deterministic keying binds its values to. */
  field: string;
  key: string;
  sealed: string;
}

/**
 * The expression that opens a value sealed with the stack's own keying; it fails where a value does not open.
 *
 * @example
 * openedUnder(deployment, { id: 'id', field: 'field', key: 'bq_encryption_key', sealed: 'bq_encrypted_email' });
 */
export function openedUnder(d: ReadStack, columns: SealedColumns, chain = GIVEN): string {
  const first = keysetChain(chain);
  if (d.keying === 'deterministic')
    return `DETERMINISTIC_DECRYPT_STRING(${first}, ${columns.sealed}, ${columns.field})`;
  const text = idText(d, columns.id);
  const opener =
    d.keying === 'row' ? `AEAD.DECRYPT_BYTES(${first}, ${columns.key}, CAST(${text} AS BYTES))` : first;
  return `AEAD.DECRYPT_STRING(${opener}, ${columns.sealed}, ${text})`;
}

/**
 * The expression that opens a value by what its row says of itself: beside a value of shared or deterministic keying
 * stands a wrapped first-level keyset, whose type tells the two apart, beside one of row keying the row's own keyset. A
 * value that does not open is NULL, so that it breaks nobody else's read.
 *
 * @example
 * `SELECT ${opened(deployment, sealedColumns(deployment, field))} AS email FROM ${table(deployment, 'source')}`
 */
export function opened(d: ReadStack, columns: SealedColumns, { aead, deterministic } = GIVEN_CHAINS): string {
  const first = keysetChain(aead);
  const text = idText(d, columns.id);
  const rowKeyset = `SAFE.AEAD.DECRYPT_BYTES(${first}, ${columns.key}, CAST(${text} AS BYTES))`;
  return `CASE WHEN ${isDeterministic(d, columns.key)}
    THEN SAFE.DETERMINISTIC_DECRYPT_STRING(${keysetChain(deterministic)}, ${columns.sealed}, ${columns.field})
    WHEN ${columns.key} IN (SELECT wrapped FROM ${table(d, 'keysets')})
    THEN SAFE.AEAD.DECRYPT_STRING(${first}, ${columns.sealed}, ${text})
    ELSE SAFE.AEAD.DECRYPT_STRING(${rowKeyset}, ${columns.sealed}, ${text}) END`;
}

/**
 * Whether a value was sealed in deterministic keying; `key` is the expression of what stands beside it.
 *
 * @example
 * isDeterministic(deployment, '`bq_encryption_key`'); // '`bq_encryption_key` IN (SELECT …)'
 */
export const isDeterministic = (d: ReadStack, key: string): string =>
  `${key} IN (SELECT wrapped FROM ${table(d, 'keysets')} WHERE algorithm = ${literal(DETERMINISTIC)})`;

/**
 * Where the sealed value of a field stands in the source table.
 *
 * @example
 * sealedColumns(deployment, field);
 * // { id: '`id`', field: "'email'", key: '`bq_encryption_key`', sealed: '`bq_encrypted_email`' }
 */
export const sealedColumns = (d: ReadStack, field: Field): SealedColumns => ({
  id: quoted(d.idColumn),
  field: literal(field.name),
  key: quoted(field.key),
  sealed: quoted(field.sealed),
});

/**
 * `id, email, phone, …`: every field opened.
 *
 * @example
 * `SELECT ${openedFields(deployment)} FROM ${table(deployment, 'source')}`
 */
export function openedFields(d: ReadStack, chains?: Chains): string {
  const values = d.fields.map(
    (field) => `${opened(d, sealedColumns(d, field), chains)} AS ${quoted(field.name)}`,
  );
  return [`${quoted(d.idColumn)} AS id`, ...values].join(',\n  ');
}

/**
 * Whether a row has any sealed value.
 *
 * @example
 * anySealed(deployment); // '`bq_encrypted_email` IS NOT NULL'
 */
export function anySealed(d: ReadStack): string {
  const any = d.fields.map((field) => `${quoted(field.sealed)} IS NOT NULL`).join(' OR ');
  return d.partitionColumn === null ? any : `${everyPartition(d)}(${any})`;
}

/**
 * The column of `readValues` that says whether a field has a sealed value which does not open.
 *
 * @example
 * unreadableColumn(field); // 'email_unreadable'
 */
export const unreadableColumn = (field: Pick<Field, 'name'>): string => `${field.name}_unreadable`;

/**
 * What an analyst reads: id and values, in the clear; and of each field whether its value could not be opened.
 *
 * @example
 * await bigquery.query(sql.readValues, { ...chainsValues(newest), row_limit: 20 }); // [{ id: '1', email: 'ada@example.com', email_unreadable: 'false' }]
 */
export const readValues = (d: Deployment): Statement<keyof typeof CHAINS | 'row_limit'> =>
  statement(
    'read_values',
    { ...CHAINS, row_limit: 'INT64' },
    `SELECT ${shownId(d, 'v.id')} AS id, ${d.fields.map((field) => `${quoted(field.name)}, ${quoted(unreadableColumn(field))} AND ${quoted(field.name)} IS NULL AS ${quoted(unreadableColumn(field))}`).join(', ')}
FROM (
  SELECT ${openedFields(d)},
    ${d.fields.map((field) => `${quoted(field.sealed)} IS NOT NULL AND ${quoted(field.key)} IS NOT NULL AS ${quoted(unreadableColumn(field))}`).join(', ')}
  FROM ${table(d, 'source')}
  WHERE ${anySealed(d)}
) AS v
ORDER BY v.id LIMIT @row_limit`,
  );

/**
 * Reads back, and only counts, what a run merged: at most @row_limit values of each field, by the version that sealed
 * them.
 *
 * @example
 * const values = { ...chainValues(newest), resealed_millis: '1767323099000', row_limit: 10000 };
 * await bigquery.query(sql.proveMerged, values); // [{ field: 'email', readable: '990', checked: '990' }]
 */
export const proveMerged = (d: Deployment): Statement<keyof typeof CHAIN | 'resealed_millis' | 'row_limit'> =>
  statement(
    'read_back',
    { ...CHAIN, resealed_millis: 'INT64', row_limit: 'INT64' },
    d.fields
      .map((field) => {
        const columns = sealedColumns(d, field);
        return `SELECT ${literal(field.name)} AS field, COUNT(opened) AS readable, COUNT(*) AS checked
FROM (
  SELECT ${opened(d, columns, { aead: GIVEN, deterministic: GIVEN })} AS opened
  FROM (
    SELECT ${columns.id}, ${columns.key}, ${columns.sealed}
    FROM ${table(d, 'source')}
    WHERE ${everyPartition(d)}UNIX_MILLIS(${quoted(field.resealedAt)}) = @resealed_millis AND ${columns.sealed} IS NOT NULL
    ORDER BY ${quoted(field.resealedFrom)} LIMIT @row_limit
  )
)`;
      })
      .join('\nUNION ALL\n'),
  );

/**
 * The body of the stored procedure through which readers get at the values: it looks the newest keysets up
 * into variables, which KEYSET_CHAIN takes and a plain query could not.
 *
 * @example
 * `CREATE OR REPLACE PROCEDURE reseal_read.read_users() BEGIN ${readProcedureBody(deployment)} END`
 */
export const readProcedureBody = (d: ReadStack): string => `${declareNewest(d)}
SELECT ${openedFields(d, NEWEST)}
FROM ${table(d, 'source')}
WHERE ${anySealed(d)};`;
