import type { Deployment } from '../deployment.ts';
import { addVersion } from './keyset-versions.ts';
import { CHAIN, GIVEN, keysetChain, type Statement, statement, table } from './statement.ts';

/**
 * Makes the newest version anew under another KMS key: the same keys, so everything that it opens stays readable. In
 * shared keying rows are told by the wrapped keyset beside them, hence a version more and never another in place of one.
 * https://cloud.google.com/bigquery/docs/reference/standard-sql/aead_encryption_functions#keysrewrap_keyset
 *
 * @example
 * await bigquery.query(sql.rewrapKeyset, { version: newest.version + 1, ...chainValues(newest), target: kmsUri(key) });
 */
export const rewrapKeyset = (d: Deployment): Statement<'version' | 'target' | keyof typeof CHAIN> =>
  statement(
    'rewrap',
    { version: 'INT64', target: 'STRING', ...CHAIN },
    addVersion(d, {
      version: '@version',
      kms: '@target',
      wrapped: 'KEYS.REWRAP_KEYSET(@kms, @target, @keyset)',
      sameKeysAs: `(SELECT MIN(IFNULL(same_keys_as, version)) FROM ${table(d, 'keysets')} WHERE version = @version - 1)`,
    }),
  );

/**
 * Adds a wrapped keyset that was made elsewhere; @same_keys_as is the version whose primary key it has, 0 for none.
 *
 * @example
 * await bigquery.query(sql.adoptKeyset, { version: 2, ...chainValues(given), same_keys_as: 0 });
 */
export const adoptKeyset = (d: Deployment): Statement<'version' | 'same_keys_as' | keyof typeof CHAIN> =>
  statement(
    'adopt_keyset',
    { version: 'INT64', same_keys_as: 'INT64', ...CHAIN },
    addVersion(d, {
      version: '@version',
      kms: '@kms',
      wrapped: '@keyset',
      sameKeysAs: 'NULLIF(@same_keys_as, 0)',
    }),
  );

/** An empty text under a key of AES-GCM with the prefix of Tink: prefix 5, IV 12, tag 16. */
const SEALED_BYTES = 33;

/**
 * Whether the primary key of a wrapped keyset seals as BigQuery's own do, and what it seals with it opens. The statement
 * fails where the KMS key did not wrap it, where it is no keyset, and where its primary key is not one of AEAD. That is
 * all there is to see: functions that look into a keyset take one in the clear, never a chain.
 *
 * @example
 * await bigquery.query(sql.inspectKeyset, chainValues(given)); // [{ fits: 'true' }]
 */
export const inspectKeyset = (): Statement<keyof typeof CHAIN> =>
  statement(
    'inspect_keyset',
    CHAIN,
    `SELECT BYTE_LENGTH(sealed) = ${SEALED_BYTES} AND SUBSTR(sealed, 1, 1) = b'\\x01' AND AEAD.DECRYPT_BYTES(${keysetChain(GIVEN)}, sealed, b'reseal') = b'' AS fits
FROM (SELECT AEAD.ENCRYPT(${keysetChain(GIVEN)}, b'', b'reseal') AS sealed)`,
  );

/**
 * Whether a keyset opens what another one seals.
 *
 * @example
 * await bigquery.query(sql.opensOther, { ...chainValues(given), other_kms: kms, other_keyset: keyset }); // [{ opens: 'true' }]
 */
export const opensOther = (): Statement<'other_kms' | 'other_keyset' | keyof typeof CHAIN> =>
  statement(
    'opens_other',
    { other_kms: 'STRING', other_keyset: 'BYTES', ...CHAIN },
    `SELECT SAFE.AEAD.DECRYPT_BYTES(${keysetChain(GIVEN)}, AEAD.ENCRYPT(${keysetChain({ kms: '@other_kms', keyset: '@other_keyset' })}, b'reseal', b''), b'') IS NOT NULL AS opens`,
  );
