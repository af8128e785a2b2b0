import type { Deployment } from '../deployment.ts';
import { everyPartition } from './partitions.ts';
import {
  kmsLiteral,
  literal,
  quoted,
  type ReadStack,
  type Statement,
  statement,
  table,
} from './statement.ts';

/** The key type of every first-level keyset. */
export const ALGORITHM = 'AEAD_AES_GCM_256';

/**
 * Adds a version unless it is there, made inside BigQuery: a keyset never leaves Google unwrapped. Two that add one at
 * once must not make two. MERGE statements that only insert do not conflict with each other; one that may also update
 * does, so the later of the two is run again by BigQuery and then finds the other's row. The update itself changes
 * nothing.
 * https://cloud.google.com/bigquery/docs/data-manipulation-language#dml_statement_conflicts
 */
const addVersion = (d: Deployment, version: string, wrapped: string): string =>
  `MERGE ${table(d, 'keysets')} AS k
USING (SELECT ${version} AS version) AS added
ON k.version = added.version
WHEN MATCHED THEN
  UPDATE SET version = added.version
WHEN NOT MATCHED THEN
  INSERT (version, wrapped, kms_key, algorithm, created_at)
  VALUES (added.version, ${wrapped}, ${literal(d.bigqueryKek)}, '${ALGORITHM}', CURRENT_TIMESTAMP())`;

/**
 * Makes the first keyset where there is none.
 *
 * @example
 * await bigquery.query(sql.ensureKeyset, {});
 */
export const ensureKeyset = (d: Deployment): Statement<never> =>
  statement('keyset', {}, addVersion(d, '1', `KEYS.NEW_WRAPPED_KEYSET(${kmsLiteral(d)}, '${ALGORITHM}')`));

/**
 * Makes the next version: a new primary key, beside every key that there was.
 * https://cloud.google.com/bigquery/docs/reference/standard-sql/aead_encryption_functions#keysrotate_wrapped_keyset
 *
 * @example
 * const [{ version, wrapped }] = await bigquery.query(sql.newestKeyset, {});
 * await bigquery.query(sql.rotateKeyset, { version: Number(version) + 1, keyset: wrapped });
 */
export const rotateKeyset = (d: Deployment): Statement<'version' | 'keyset'> =>
  statement(
    'rotate',
    { version: 'INT64', keyset: 'BYTES' },
    addVersion(d, '@version', `KEYS.ROTATE_WRAPPED_KEYSET(${kmsLiteral(d)}, @keyset, '${ALGORITHM}')`),
  );

/**
 * Every version with the seals that it has made: what runs staged under it.
 *
 * @example
 * await bigquery.query(sql.keysetVersions, {});
 * // [{ version: '1', wrapped: 'CiQA…', kms_key: 'projects/…', algorithm: 'AEAD_AES_GCM_256', created_at: '1767323045000', seals: '1000' }]
 */
export const keysetVersions = (d: Deployment): Statement<never> =>
  statement(
    'keysets',
    {},
    `SELECT k.version, k.wrapped, k.kms_key, k.algorithm, UNIX_MILLIS(k.created_at) AS created_at, IFNULL(r.seals, 0) AS seals
FROM (SELECT * FROM ${table(d, 'keysets')} WHERE TRUE QUALIFY ROW_NUMBER() OVER (PARTITION BY version ORDER BY created_at) = 1) AS k
LEFT JOIN (SELECT keyset_version, SUM(staged) AS seals FROM ${table(d, 'runs')} GROUP BY keyset_version) AS r
ON r.keyset_version = k.version
ORDER BY k.version`,
  );

/**
 * What ciphertexts under the primary key of a keyset begin with: Tink's prefix, version byte and key id.
 *
 * @example
 * await bigquery.query(sql.keysetPrefix, { keyset: wrapped }); // [{ prefix: 'AUzp7ic=' }]
 */
export const keysetPrefix = (d: Deployment): Statement<'keyset'> =>
  statement(
    'keyset_prefix',
    { keyset: 'BYTES' },
    `SELECT SUBSTR(AEAD.ENCRYPT(KEYS.KEYSET_CHAIN(${kmsLiteral(d)}, @keyset), b'', b''), 1, 5) AS prefix`,
  );

/**
 * How many values each first-level key has sealed that stand in the source table: the value itself in shared keying,
 * the row's keyset in row keying. Whatever stands in a row, its prefix says which key.
 *
 * @example
 * await bigquery.query(sql.sealedByPrefix, {}); // [{ prefix: 'AUzp7ic=', n: '1000' }]
 */
export const sealedByPrefix = (d: Deployment): Statement<never> =>
  statement(
    'sealed_by_prefix',
    {},
    `SELECT prefix, COUNT(*) AS n
FROM (
${d.fields
  .map(
    (
      field,
    ) => `SELECT SUBSTR(IF(${quoted(field.key)} IN (SELECT wrapped FROM ${table(d, 'keysets')}), ${quoted(field.sealed)}, ${quoted(field.key)}), 1, 5) AS prefix
FROM ${table(d, 'source')}
WHERE ${everyPartition(d)}${quoted(field.sealed)} IS NOT NULL AND ${quoted(field.key)} IS NOT NULL`,
  )
  .join('\nUNION ALL\n')}
)
GROUP BY prefix
ORDER BY prefix`,
  );

/** The keyset that seals: the newest version, and of two of one version the older. */
const newest = (d: ReadStack): string =>
  `FROM ${table(d, 'keysets')} ORDER BY version DESC, created_at LIMIT 1`;

/**
 * The keyset that seals now, with the KMS key that wraps it; no row where none has been made.
 *
 * @example
 * await bigquery.query(sql.newestKeyset, {}); // [{ version: '1', wrapped: 'CiQA…', kms_key: 'projects/…' }], or none
 */
export const newestKeyset = (d: Deployment): Statement<never> =>
  statement('keyset_read', {}, `SELECT version, wrapped, kms_key ${newest(d)}`);

/**
 * The keyset that a resumed run began with.
 *
 * @example
 * await bigquery.query(sql.keysetVersion, { version: 1 }); // [{ version: '1', wrapped: 'CiQA…' }]
 */
export const keysetVersion = (d: Deployment): Statement<'version'> =>
  statement(
    'keyset_version',
    { version: 'INT64' },
    `SELECT version, wrapped FROM ${table(d, 'keysets')} WHERE version = @version ORDER BY created_at LIMIT 1`,
  );

/**
 * The newest as a scalar subquery, for a script variable.
 *
 * @example
 * `DECLARE reseal_keyset BYTES DEFAULT ${newestWrapped(deployment)};`
 */
export const newestWrapped = (d: ReadStack): string => `(SELECT wrapped ${newest(d)})`;
