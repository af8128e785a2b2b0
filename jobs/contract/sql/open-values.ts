import { newestWrapped } from './keyset-versions.ts';
import {
  kmsLiteral,
  literal,
  quoted,
  type Statement,
  statement,
  table,
  type Warehouse,
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
export function decrypted(w: Warehouse, { id, key, sealed }: SealedColumns, keyset = '@keyset'): string {
  const chain = `KEYS.KEYSET_CHAIN(${kmsLiteral(w)}, ${keyset})`;
  const aad = `CAST(${id} AS STRING)`;
  const opener = w.keying === 'row' ? `AEAD.DECRYPT_BYTES(${chain}, ${key}, CAST(${aad} AS BYTES))` : chain;
  return `AEAD.DECRYPT_STRING(${opener}, ${sealed}, ${aad})`;
}

/** `id, email, phone, …`: every field decrypted, for the given keyset expression. */
function decryptedColumns(w: Warehouse, keyset?: string): string {
  const values = w.fields.map((field) => {
    const columns = { id: quoted(w.idColumn), key: quoted(field.key), sealed: quoted(field.sealed) };
    return `${decrypted(w, columns, keyset)} AS ${quoted(field.name)}`;
  });
  return [`${quoted(w.idColumn)} AS id`, ...values].join(',\n  ');
}

const anySealed = (w: Warehouse): string =>
  w.fields.map((field) => `${quoted(field.sealed)} IS NOT NULL`).join(' OR ');

/** What an analyst reads: id and values, in the clear. */
export const readValues = (w: Warehouse): Statement<'keyset' | 'row_limit'> =>
  statement(
    'read_values',
    { keyset: 'BYTES', row_limit: 'INT64' },
    `SELECT ${decryptedColumns(w)}
FROM ${table(w, 'source')}
WHERE ${anySealed(w)}
ORDER BY id LIMIT @row_limit`,
  );

/** Reads back, and only counts, what a run merged: at most @row_limit values of each field. */
export const proveMerged = (w: Warehouse): Statement<'keyset' | 'ended_millis' | 'row_limit'> =>
  statement(
    'read_back',
    { keyset: 'BYTES', ended_millis: 'INT64', row_limit: 'INT64' },
    w.fields
      .map((field) => {
        const columns = { id: quoted(w.idColumn), key: quoted(field.key), sealed: quoted(field.sealed) };
        return `SELECT ${literal(field.name)} AS field, COUNT(opened) AS readable, COUNT(*) AS checked
FROM (
  SELECT ${decrypted(w, columns)} AS opened
  FROM (
    SELECT ${columns.id}, ${columns.key}, ${columns.sealed}
    FROM ${table(w, 'source')}
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
  w: Warehouse,
): string => `DECLARE reseal_keyset BYTES DEFAULT ${newestWrapped(w)};
SELECT ${decryptedColumns(w, 'reseal_keyset')}
FROM ${table(w, 'source')}
WHERE ${anySealed(w)};`;
