import type { Deployment } from '../deployment.ts';
import { newestWrapped } from './keyset-versions.ts';
import {
  kmsLiteral,
  literal,
  quoted,
  type ReadStack,
  type Statement,
  statement,
  table,
} from './statement.ts';

/** The columns that a sealed value is read from. */
interface SealedColumns {
  id: string;
  key: string;
  sealed: string;
}

/**
 * The expression that opens a value. KEYSET_CHAIN takes a literal, a parameter or a script variable, never a
 * column, hence one first-level keyset a statement and row keys below it.
 * https://cloud.google.com/bigquery/docs/reference/standard-sql/aead_encryption_functions#keyskeyset_chain
 */
export function decrypted(d: ReadStack, { id, key, sealed }: SealedColumns, keyset = '@keyset'): string {
  const chain = `KEYS.KEYSET_CHAIN(${kmsLiteral(d)}, ${keyset})`;
  const aad = `CAST(${id} AS STRING)`;
  const opener = d.keying === 'row' ? `AEAD.DECRYPT_BYTES(${chain}, ${key}, CAST(${aad} AS BYTES))` : chain;
  return `AEAD.DECRYPT_STRING(${opener}, ${sealed}, ${aad})`;
}

/** `id, email, phone, …`: every field decrypted, for the given keyset expression. */
function decryptedColumns(d: ReadStack, keyset?: string): string {
  const values = d.fields.map((field) => {
    const columns = { id: quoted(d.idColumn), key: quoted(field.key), sealed: quoted(field.sealed) };
    return `${decrypted(d, columns, keyset)} AS ${quoted(field.name)}`;
  });
  return [`${quoted(d.idColumn)} AS id`, ...values].join(',\n  ');
}

const anySealed = (d: ReadStack): string =>
  d.fields.map((field) => `${quoted(field.sealed)} IS NOT NULL`).join(' OR ');

/** What an analyst reads: id and values, in the clear. */
export const readValues = (d: Deployment): Statement<'keyset' | 'row_limit'> =>
  statement(
    'read_values',
    { keyset: 'BYTES', row_limit: 'INT64' },
    `SELECT ${decryptedColumns(d)}
FROM ${table(d, 'source')}
WHERE ${anySealed(d)}
ORDER BY id LIMIT @row_limit`,
  );

/** Reads back, and only counts, what a run merged: at most @row_limit values of each field. */
export const proveMerged = (d: Deployment): Statement<'keyset' | 'ended_millis' | 'row_limit'> =>
  statement(
    'read_back',
    { keyset: 'BYTES', ended_millis: 'INT64', row_limit: 'INT64' },
    d.fields
      .map((field) => {
        const columns = { id: quoted(d.idColumn), key: quoted(field.key), sealed: quoted(field.sealed) };
        return `SELECT ${literal(field.name)} AS field, COUNT(opened) AS readable, COUNT(*) AS checked
FROM (
  SELECT ${decrypted(d, columns)} AS opened
  FROM (
    SELECT ${columns.id}, ${columns.key}, ${columns.sealed}
    FROM ${table(d, 'source')}
    WHERE UNIX_MILLIS(${quoted(field.resealedAt)}) = @ended_millis AND ${columns.sealed} IS NOT NULL
    ORDER BY ${quoted(field.resealedFrom)} LIMIT @row_limit
  )
)`;
      })
      .join('\nUNION ALL\n'),
  );

/**
 * The body of the stored procedure through which readers get at the values: it looks the newest keyset up
 * into a variable, which KEYSET_CHAIN takes and a plain query could not.
 */
export const readProcedureBody = (
  d: ReadStack,
): string => `DECLARE reseal_keyset BYTES DEFAULT ${newestWrapped(d)};
SELECT ${decryptedColumns(d, 'reseal_keyset')}
FROM ${table(d, 'source')}
WHERE ${anySealed(d)};`;
