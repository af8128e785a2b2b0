import type { Deployment } from '../deployment.ts';
import { addVersion } from './keyset-versions.ts';
import { CHAIN, GIVEN, keysetChain, type Statement, statement, table } from './statement.ts';

/**
 * Makes a version, @of, anew under another KMS key: the same keys, so everything that it opens stays readable. But for
 * row keying rows are told by the wrapped keyset beside them, hence a version more and never another in place of one.
 * https://cloud.google.com/bigquery/docs/reference/standard-sql/aead_encryption_functions#keysrewrap_keyset
 *
 * @example
 * const values = { version: last + 1, of: newest.version, ...chainValues(newest), target: kmsUri(key) };
 * await bigquery.query(sql.rewrapKeyset, values);
 */
export const rewrapKeyset = (d: Deployment): Statement<'version' | 'of' | 'target' | keyof typeof CHAIN> =>
  statement(
    'rewrap',
    { version: 'INT64', of: 'INT64', target: 'STRING', ...CHAIN },
    addVersion(d, {
      version: '@version',
      kms: '@target',
      wrapped: 'KEYS.REWRAP_KEYSET(@kms, @target, @keyset)',
      algorithm: ofVersion(d, 'MIN(algorithm)'),
      sameKeysAs: ofVersion(d, 'MIN(IFNULL(same_keys_as, version))'),
    }),
  );

/** Of the version that is made anew: the same whichever row of it is looked at. */
const ofVersion = (d: Deployment, expression: string): string =>
  `(SELECT ${expression} FROM ${table(d, 'keysets')} WHERE version = @of)`;

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

/** What seals and opens under a keyset of the type that the stack's keying needs. */
interface Functions {
  readonly encrypt: string;
  readonly decryptBytes: string;
  /** Bytes of an empty text with the prefix of Tink, 5: with IV, 12, and tag, 16, or with AES-SIV's one of both, 16. */
  readonly overhead: number;
}

const functionsOf = ({ keying }: Deployment): Functions =>
  keying === 'deterministic'
    ? { encrypt: 'DETERMINISTIC_ENCRYPT', decryptBytes: 'DETERMINISTIC_DECRYPT_BYTES', overhead: 21 }
    : { encrypt: 'AEAD.ENCRYPT', decryptBytes: 'AEAD.DECRYPT_BYTES', overhead: 33 };

/**
 * Whether the primary key of a wrapped keyset seals as BigQuery's own do in the stack's keying, and what it seals with
 * it opens; NULL where it is of another type. The statement fails where the KMS key did not wrap it, and where it is no
 * keyset. That is all there is to see: functions that look into a keyset take one in the clear, never a chain.
 *
 * @example
 * await bigquery.query(sql.inspectKeyset, chainValues(given)); // [{ fits: 'true' }]
 */
export function inspectKeyset(d: Deployment): Statement<keyof typeof CHAIN> {
  const { encrypt, decryptBytes, overhead } = functionsOf(d);
  return statement(
    'inspect_keyset',
    CHAIN,
    `SELECT BYTE_LENGTH(sealed) = ${overhead} AND SUBSTR(sealed, 1, 1) = b'\\x01' AND ${decryptBytes}(${keysetChain(GIVEN)}, sealed, b'reseal') = b'' AS fits
FROM (SELECT SAFE.${encrypt}(${keysetChain(GIVEN)}, b'', b'reseal') AS sealed)`,
  );
}

/**
 * Whether a keyset opens what another one of its type seals.
 *
 * @example
 * await bigquery.query(sql.opensOther, { ...chainValues(given), other_kms: kms, other_keyset: keyset }); // [{ opens: 'true' }]
 */
export function opensOther(d: Deployment): Statement<'other_kms' | 'other_keyset' | keyof typeof CHAIN> {
  const { encrypt, decryptBytes } = functionsOf(d);
  return statement(
    'opens_other',
    { other_kms: 'STRING', other_keyset: 'BYTES', ...CHAIN },
    `SELECT SAFE.${decryptBytes}(${keysetChain(GIVEN)}, ${encrypt}(${keysetChain({ kms: '@other_kms', keyset: '@other_keyset' })}, b'reseal', b''), b'') IS NOT NULL AS opens`,
  );
}
