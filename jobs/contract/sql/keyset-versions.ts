import type { Deployment } from '../deployment.ts';
import { kmsLiteral, literal, type ReadStack, type Statement, statement, table } from './statement.ts';

/** The key type of every first-level keyset. */
export const ALGORITHM = 'AEAD_AES_GCM_256';

/**
 * Makes the first keyset, inside BigQuery, where there is none: it never leaves Google unwrapped. Two first runs at
 * once must not make two. MERGE statements that only insert do not conflict with each other; one that may also
 * update does, so the later of the two is run again by BigQuery and then finds the other's row. The update itself
 * changes nothing.
 * https://cloud.google.com/bigquery/docs/data-manipulation-language#dml_statement_conflicts
 */
export const ensureKeyset = (d: Deployment): Statement<never> =>
  statement(
    'keyset',
    {},
    `MERGE ${table(d, 'keysets')} AS k
USING (SELECT 1 AS version) AS first
ON k.version = first.version
WHEN MATCHED THEN
  UPDATE SET version = first.version
WHEN NOT MATCHED THEN
  INSERT (version, wrapped, kms_key, algorithm, created_at)
  VALUES (first.version, KEYS.NEW_WRAPPED_KEYSET(${kmsLiteral(d)}, '${ALGORITHM}'), ${literal(d.bigqueryKek)}, '${ALGORITHM}', CURRENT_TIMESTAMP())`,
  );

/** The keyset that seals: the newest version, and of two of one version the older. */
const newest = (d: ReadStack): string =>
  `FROM ${table(d, 'keysets')} ORDER BY version DESC, created_at LIMIT 1`;

export const newestKeyset = (d: Deployment): Statement<never> =>
  statement('keyset_read', {}, `SELECT version, wrapped, kms_key ${newest(d)}`);

/** The keyset that a resumed run began with. */
export const keysetVersion = (d: Deployment): Statement<'version'> =>
  statement(
    'keyset_version',
    { version: 'INT64' },
    `SELECT version, wrapped FROM ${table(d, 'keysets')} WHERE version = @version ORDER BY created_at LIMIT 1`,
  );

/** The newest as a scalar subquery, for a script variable. */
export const newestWrapped = (d: ReadStack): string => `(SELECT wrapped ${newest(d)})`;
