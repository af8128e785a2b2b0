import { kmsLiteral, literal, type Statement, statement, table, type Warehouse } from './statement.ts';

/** The key type of every first-level keyset. */
export const ALGORITHM = 'AEAD_AES_GCM_256';

/**
 * Makes the first keyset, inside BigQuery, where there is none: it never leaves Google unwrapped. A MERGE,
 * because two first runs at once must not make two.
 */
export const ensureKeyset = (w: Warehouse): Statement<never> =>
  statement(
    'keyset',
    {},
    `MERGE ${table(w, 'keysets')} AS k
USING (SELECT 1 AS version) AS first
ON k.version >= first.version
WHEN NOT MATCHED THEN
  INSERT (version, wrapped, kms_key, algorithm, created_at)
  VALUES (first.version, KEYS.NEW_WRAPPED_KEYSET(${kmsLiteral(w)}, '${ALGORITHM}'), ${literal(w.bigqueryKek)}, '${ALGORITHM}', CURRENT_TIMESTAMP())`,
  );

/** The keyset that seals: the newest version, and of two of one version the older. */
const newest = (w: Warehouse): string =>
  `FROM ${table(w, 'keysets')} ORDER BY version DESC, created_at LIMIT 1`;

export const newestKeyset = (w: Warehouse): Statement<never> =>
  statement('keyset_read', {}, `SELECT version, wrapped ${newest(w)}`);

/** The keyset that a resumed run began with. */
export const keysetVersion = (w: Warehouse): Statement<'version'> =>
  statement(
    'keyset_version',
    { version: 'INT64' },
    `SELECT version, wrapped FROM ${table(w, 'keysets')} WHERE version = @version ORDER BY created_at LIMIT 1`,
  );

/** The newest as a scalar subquery, for a script variable. */
export const newestWrapped = (w: Warehouse): string => `(SELECT wrapped ${newest(w)})`;
