import { AEAD, type Algorithm, algorithmOf, DETERMINISTIC } from '../algorithms.ts';
import type { Deployment } from '../deployment.ts';
import { everyPartition } from './partitions.ts';
import {
  CHAIN,
  type Chain,
  type Chains,
  GIVEN,
  keyNameOf,
  keysetChain,
  kmsUri,
  literal,
  quoted,
  type ReadStack,
  type Statement,
  statement,
  table,
  uriOf,
} from './statement.ts';

/** A version as expressions. */
interface AddedVersion {
  readonly version: string;
  /** The URI of the key that wraps it. */
  readonly kms: string;
  readonly wrapped: string;
  /** The type of its keys: of the stack's keying unless given, as an expression. */
  readonly algorithm?: string;
  /** The version that has its keys already. */
  readonly sameKeysAs?: string;
}

/**
 * Adds a version unless it is there, made inside BigQuery: a keyset never leaves Google unwrapped. Two that add one at
 * once must not make two. MERGE statements that only insert do not conflict with each other; one that may also update
 * does, so the later of the two is run again by BigQuery and then finds the other's row. The update itself changes
 * nothing.
 * https://cloud.google.com/bigquery/docs/data-manipulation-language#dml_statement_conflicts
 *
 * @example
 * addVersion(deployment, { version: '@version', kms: '@kms', wrapped: '@keyset' });
 */
export const addVersion = (
  d: Deployment,
  { version, kms, wrapped, algorithm = literal(algorithmOf(d.keying)), sameKeysAs }: AddedVersion,
): string =>
  `MERGE ${table(d, 'keysets')} AS k
USING (SELECT ${version} AS version, ${sameKeysAs ?? 'CAST(NULL AS INT64)'} AS same_keys_as) AS added
ON k.version = added.version
WHEN MATCHED THEN
  UPDATE SET version = added.version
WHEN NOT MATCHED THEN
  INSERT (version, wrapped, kms_key, algorithm, created_at, same_keys_as)
  VALUES (added.version, ${wrapped}, ${keyNameOf(kms)}, ${algorithm}, CURRENT_TIMESTAMP(), added.same_keys_as)`;

/**
 * Makes the first keyset of the type that the stack's keying needs, where there is none. Keysets of both types have one
 * sequence of versions. That two at once must not make two holds as for `addVersion`.
 *
 * @example
 * await bigquery.query(sql.ensureKeyset, {});
 */
export function ensureKeyset(d: Deployment): Statement<never> {
  const algorithm = algorithmOf(d.keying);
  return statement(
    'keyset',
    {},
    `MERGE ${table(d, 'keysets')} AS k
USING (SELECT ${literal(algorithm)} AS algorithm, IFNULL(MAX(version), 0) + 1 AS version FROM ${table(d, 'keysets')}) AS added
ON k.algorithm = added.algorithm
WHEN MATCHED THEN
  UPDATE SET algorithm = added.algorithm
WHEN NOT MATCHED THEN
  INSERT (version, wrapped, kms_key, algorithm, created_at)
  VALUES (added.version, KEYS.NEW_WRAPPED_KEYSET(${literal(kmsUri(d.bigqueryKek))}, ${literal(algorithm)}), ${literal(d.bigqueryKek)}, added.algorithm, CURRENT_TIMESTAMP())`,
  );
}

/**
 * Makes the next version: a new primary key, beside every key that there was.
 * https://cloud.google.com/bigquery/docs/reference/standard-sql/aead_encryption_functions#keysrotate_wrapped_keyset
 *
 * @example
 * await bigquery.query(sql.rotateKeyset, { version: last + 1, ...chainValues(newest) });
 */
export const rotateKeyset = (d: Deployment): Statement<'version' | keyof typeof CHAIN> =>
  statement(
    'rotate',
    { version: 'INT64', ...CHAIN },
    addVersion(d, {
      version: '@version',
      kms: '@kms',
      wrapped: `KEYS.ROTATE_WRAPPED_KEYSET(@kms, @keyset, ${literal(algorithmOf(d.keying))})`,
    }),
  );

/**
 * What a run of the ledger has sealed under its version of the first-level keyset: the values that it staged, or their
 * row keysets, and the row keysets that it sealed anew.
 */
const SEALS = 'IFNULL(staged, 0) + IFNULL(rewrapped, 0)';

/** Each version once, with the version whose keys it has: its own number unless another KMS key wraps them now. */
const versions = (d: Deployment): string =>
  `SELECT *, IFNULL(same_keys_as, version) AS keys_of FROM ${table(d, 'keysets')} WHERE TRUE QUALIFY ROW_NUMBER() OVER (PARTITION BY version ORDER BY created_at) = 1`;

/**
 * Every version with the seals that its keys have made: what runs staged or sealed anew under them.
 *
 * @example
 * await bigquery.query(sql.keysetVersions, {});
 * // [{ version: '1', wrapped: 'CiQA…', kms_key: 'projects/…', algorithm: 'AEAD_AES_GCM_256', created_at: '1767323045000', seals: '1000' }]
 */
export const keysetVersions = (d: Deployment): Statement<never> =>
  statement(
    'keysets',
    {},
    `SELECT k.version, k.wrapped, k.kms_key, k.algorithm, k.keys_of, UNIX_MILLIS(k.created_at) AS created_at, IFNULL(r.seals, 0) AS seals
FROM (${versions(d)}) AS k
LEFT JOIN (
  SELECT sealing.keys_of, SUM(${SEALS}) AS seals
  FROM ${table(d, 'runs')} AS run
  JOIN (${versions(d)}) AS sealing
  ON sealing.version = run.keyset_version
  GROUP BY sealing.keys_of
) AS r
ON r.keys_of = k.keys_of
ORDER BY k.version`,
  );

/**
 * What ciphertexts under the primary key of a keyset of AES-GCM begin with: Tink's prefix, version byte and key id.
 *
 * @example
 * await bigquery.query(sql.keysetPrefix, chainValues(version)); // [{ prefix: 'AUzp7ic=' }]
 */
export const keysetPrefix = (): Statement<keyof typeof CHAIN> =>
  prefixOf('keyset_prefix', `AEAD.ENCRYPT(${keysetChain(GIVEN)}, b'', b'')`);

/**
 * The same for a keyset of AES-SIV.
 *
 * @example
 * await bigquery.query(sql.deterministicPrefix, chainValues(version)); // [{ prefix: 'AUzp7ic=' }]
 */
export const deterministicPrefix = (): Statement<keyof typeof CHAIN> =>
  prefixOf('deterministic_prefix', `DETERMINISTIC_ENCRYPT(${keysetChain(GIVEN)}, b'', b'')`);

const prefixOf = (name: string, sealed: string): Statement<keyof typeof CHAIN> =>
  statement(name, CHAIN, `SELECT SUBSTR(${sealed}, 1, 5) AS prefix`);

/**
 * How many values each first-level key has sealed that stand in the source table: the row's keyset in row keying, the
 * value itself in any other. Whatever stands in a row, its prefix says which key.
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

/** What is read of a version. */
const COLUMNS = 'version, wrapped, kms_key, algorithm';

/**
 * The keyset that seals now, with the KMS key that wraps it: of the type that the stack's keying needs the newest
 * version, and of two of one version the older. No row where none has been made.
 *
 * @example
 * await bigquery.query(sql.newestKeyset, {});
 * // [{ version: '1', wrapped: 'CiQA…', kms_key: 'projects/…', algorithm: 'AEAD_AES_GCM_256' }], or none
 */
export const newestKeyset = (d: Deployment): Statement<never> =>
  statement(
    'keyset_read',
    {},
    `SELECT ${COLUMNS} FROM ${table(d, 'keysets')} WHERE algorithm = ${literal(algorithmOf(d.keying))} ORDER BY version DESC, created_at LIMIT 1`,
  );

/**
 * The newest version of each type that there is, the newest of all last: together they open whatever stands in rows.
 *
 * @example
 * await bigquery.query(sql.newestKeysets, {});
 * // [{ version: '1', wrapped: 'CiQA…', kms_key: 'projects/…', algorithm: 'AEAD_AES_GCM_256' }]
 */
export const newestKeysets = (d: Deployment): Statement<never> =>
  statement(
    'keysets_read',
    {},
    `SELECT ${COLUMNS} FROM ${table(d, 'keysets')} WHERE TRUE QUALIFY ROW_NUMBER() OVER (PARTITION BY algorithm ORDER BY version DESC, created_at) = 1 ORDER BY version`,
  );

/**
 * The keyset that a resumed run began with.
 *
 * @example
 * await bigquery.query(sql.keysetVersion, { version: 1 });
 * // [{ version: '1', wrapped: 'CiQA…', kms_key: 'projects/…', algorithm: 'AEAD_AES_GCM_256' }]
 */
export const keysetVersion = (d: Deployment): Statement<'version'> =>
  statement(
    'keyset_version',
    { version: 'INT64' },
    `SELECT ${COLUMNS} FROM ${table(d, 'keysets')} WHERE version = @version ORDER BY created_at LIMIT 1`,
  );

/** The script variables that `declareVersion` declares. */
export const VERSION: Chain = { kms: 'reseal_kms', keyset: 'reseal_keyset' };
/** Those that `declareNewest` declares. */
export const NEWEST: Chains = {
  aead: VERSION,
  deterministic: { kms: 'reseal_deterministic_kms', keyset: 'reseal_deterministic_keyset' },
};

/**
 * Declares the newest version of each type as script variables. Numbers are looked up first: a version that is added in
 * between must not lend its keyset to another's KMS key. Where there is no version of a type, the newest of the other
 * stands for it, since KEYSET_CHAIN takes no NULL; nothing in a row asks for it then.
 *
 * @example
 * `${declareNewest(deployment)} SELECT AEAD.DECRYPT_STRING(${keysetChain(NEWEST.aead)}, …)`
 */
export const declareNewest = (d: ReadStack): string =>
  `DECLARE reseal_version INT64 DEFAULT ${newestOf(d, AEAD)};
DECLARE reseal_deterministic_version INT64 DEFAULT ${newestOf(d, DETERMINISTIC)};
${declareVersion(d, 'reseal_version', NEWEST.aead)}
${declareVersion(d, 'reseal_deterministic_version', NEWEST.deterministic)}`;

const newestOf = (d: ReadStack, algorithm: Algorithm): string =>
  `(SELECT IFNULL(MAX(IF(algorithm = ${literal(algorithm)}, version, NULL)), MAX(version)) FROM ${table(d, 'keysets')})`;

/**
 * Declares one version as script variables; `version` is an expression.
 *
 * @example
 * declareVersion(deployment, '3'); // 'DECLARE reseal_kms STRING DEFAULT …'
 */
export function declareVersion(d: ReadStack, version: string, { kms, keyset }: Chain = VERSION): string {
  const of = (expression: string): string =>
    `(SELECT ${expression} FROM ${table(d, 'keysets')} WHERE version = ${version} ORDER BY created_at LIMIT 1)`;
  return `DECLARE ${kms} STRING DEFAULT ${of(uriOf('kms_key'))};
DECLARE ${keyset} BYTES DEFAULT ${of('wrapped')};`;
}

/**
 * The highest number that a version has, of whichever type; 0 where there is none.
 *
 * @example
 * await bigquery.query(sql.lastVersion, {}); // [{ version: '2' }]
 */
export const lastVersion = (d: Deployment): Statement<never> =>
  statement('last_version', {}, `SELECT IFNULL(MAX(version), 0) AS version FROM ${table(d, 'keysets')}`);

/**
 * How many values, or row keysets, a version of the first-level keyset has sealed so far, together with the versions that have the same
 * keys.
 *
 * @example
 * await bigquery.query(sql.sealsUnder, { version: 1 }); // [{ seals: '1000' }]
 */
export const sealsUnder = (d: Deployment): Statement<'version'> =>
  statement(
    'seals',
    { version: 'INT64' },
    `SELECT IFNULL(SUM(${SEALS}), 0) AS seals FROM ${table(d, 'runs')}
WHERE keyset_version IN (
  SELECT version FROM ${table(d, 'keysets')}
  WHERE IFNULL(same_keys_as, version) IN (SELECT IFNULL(same_keys_as, version) FROM ${table(d, 'keysets')} WHERE version = @version)
)`,
  );
