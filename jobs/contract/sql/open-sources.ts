import type { Deployment } from '../deployment.ts';
import { patternsOf } from '../fields.ts';
import type { Reason } from '../reasons.ts';
import { anchored } from '../value-pattern.ts';
import { literal } from './statement.ts';

/**
 * How BigQuery reads the application's values: what jobs/envelope/formats.ts does, in SQL. Functions under SAFE. say
 * NULL for whatever goes wrong, so every reason but the last one is found before a value is opened.
 */

/** IV and tag of AES-GCM, and AES's block, in bytes (NIST SP 800-38D §5.2.1, SP 800-38A §5.3). */
const [IV, TAG, BLOCK] = [12, 16, 16];
/** KmsEnvelopeAead starts with the wrapped key's length, big-endian. */
const ENVELOPE_LENGTH = 4;
/** Tink's prefix: 0x01 and the key's id. https://developers.google.com/tink/wire-format#tink_output_prefix */
const [TINK_VERSION, TINK_PREFIX] = ["b'\\x01'", 5];

/** Base64 as `decodeBase64` takes it, standard, padded and canonical (RFC 4648 §4 and §3.5); NULL for any other text. */
const strict = (text: string): string =>
  `IF(TO_BASE64(SAFE.FROM_BASE64(${text})) = ${text}, SAFE.FROM_BASE64(${text}), NULL)`;

/**
 * Selected values taken apart: beside all columns of `from`, which has a cipher_text and a dek, `key_text`, the wrapped
 * data key as the source has it, and `source_bytes`, what the data key opens; either is NULL where it is not to be had.
 *
 * @example
 * `SELECT DISTINCT key_text FROM (${sourceParts(deployment, selectedValues(deployment))})`
 */
export function sourceParts(d: Pick<Deployment, 'sourceFormat'>, from: string): string {
  const ofColumn = "IFNULL(dek, '') AS key_text";
  switch (d.sourceFormat) {
    case 'gcm':
    case 'tink':
      return `SELECT *, ${ofColumn}, ${strict('cipher_text')} AS source_bytes FROM (${from})`;
    case 'dotted':
      return `SELECT *, ${ofColumn}, CONCAT(source_iv, source_body) AS source_bytes
FROM (
  SELECT *, IF(dot > 0, ${strict('SUBSTR(cipher_text, 1, GREATEST(dot - 1, 0))')}, NULL) AS source_iv, ${strict('SUBSTR(cipher_text, dot + 1)')} AS source_body
  FROM (SELECT *, STRPOS(cipher_text, '.') AS dot FROM (${from}))
)`;
    case 'tink-envelope':
      return `SELECT *, IF(${WHOLE_ENVELOPE}, TO_BASE64(SUBSTR(envelope, ${ENVELOPE_LENGTH + 1}, wrapped_length)), NULL) AS key_text,
  IF(${WHOLE_ENVELOPE}, SUBSTR(envelope, ${ENVELOPE_LENGTH + 1} + wrapped_length), NULL) AS source_bytes
FROM (
  SELECT *, IF(BYTE_LENGTH(envelope) >= ${ENVELOPE_LENGTH}, CAST(CONCAT('0x', TO_HEX(SUBSTR(envelope, 1, ${ENVELOPE_LENGTH}))) AS INT64), 0) AS wrapped_length
  FROM (SELECT *, ${strict('cipher_text')} AS envelope FROM (${from}))
)`;
  }
}

/** Whether an envelope has a wrapped key, and behind it no less than IV and tag. */
const WHOLE_ENVELOPE = `wrapped_length > 0 AND BYTE_LENGTH(envelope) >= ${ENVELOPE_LENGTH + IV + TAG} + wrapped_length`;

const reason = (name: Reason): string => literal(name);

/** Whether a value of the dotted format is one of AES-CBC, by its IV. */
const isCbc = `BYTE_LENGTH(source_iv) = ${BLOCK}`;

/**
 * Why a value that was taken apart cannot be opened whatever its key: the branches of a CASE, in the order in which
 * jobs/envelope/formats.ts looks. In the format `tink` the key's `key_ids` are at hand.
 *
 * @example
 * `CASE ${sourceFaults(deployment)} END`
 */
export function sourceFaults({ sourceFormat, unauthenticated }: Deployment): string {
  const when = (test: string, name: Reason): string => `WHEN ${test} THEN ${reason(name)}`;
  const shorter = (bytes: string, least: number): string => `BYTE_LENGTH(${bytes}) < ${least}`;
  switch (sourceFormat) {
    case 'gcm':
      return [
        when('source_bytes IS NULL', 'encoding'),
        when(shorter('source_bytes', IV + TAG), 'truncated'),
      ].join(' ');
    case 'dotted':
      return [
        when('source_bytes IS NULL', 'encoding'),
        when(`BYTE_LENGTH(source_iv) = ${IV} AND ${shorter('source_body', TAG)}`, 'truncated'),
        when(`BYTE_LENGTH(source_iv) NOT IN (${IV}, ${BLOCK})`, 'iv-length'),
        ...(unauthenticated === 'reject' ? [when(isCbc, 'unauthenticated')] : []),
        when(
          `${isCbc} AND (BYTE_LENGTH(source_body) = 0 OR MOD(BYTE_LENGTH(source_body), ${BLOCK}) != 0)`,
          'block-length',
        ),
      ].join(' ');
    case 'tink':
      return [
        when('source_bytes IS NULL', 'encoding'),
        when(shorter('source_bytes', TINK_PREFIX + IV + TAG), 'truncated'),
        when(`SUBSTR(source_bytes, 1, 1) != ${TINK_VERSION}`, 'version'),
        when(
          `STRPOS(CONCAT(key_ids, ','), CONCAT(TO_HEX(SUBSTR(source_bytes, 2, ${TINK_PREFIX - 1})), ',')) = 0`,
          'unknown-key',
        ),
      ].join(' ');
    case 'tink-envelope':
      return [when('envelope IS NULL', 'encoding'), when('source_bytes IS NULL', 'truncated')].join(' ');
  }
}

/**
 * The expression that opens `source_bytes` with a data key in the clear: a keyset, and in the dotted format the bytes of
 * the key, which opens values of two ciphers. NULL where it does not open. BigQuery adds raw keys to a keyset that is
 * there; the fresh one opens nothing.
 * https://cloud.google.com/bigquery/docs/reference/standard-sql/aead_encryption_functions#keysadd_key_from_raw_bytes
 *
 * @example
 * `SELECT ${openedSource(deployment, 'data_key')} AS opened`
 */
export function openedSource({ sourceFormat }: Deployment, key: string): string {
  const opened = (keyset: string): string => `SAFE.AEAD.DECRYPT_BYTES(${keyset}, source_bytes, b'')`;
  if (sourceFormat !== 'dotted') return opened(key);
  const raw = (type: string): string =>
    `KEYS.ADD_KEY_FROM_RAW_BYTES(KEYS.NEW_KEYSET('AEAD_AES_GCM_256'), '${type}', ${key})`;
  return `IF(${isCbc}, ${opened(raw('AES_CBC_PKCS'))}, ${opened(raw('AES_GCM'))})`;
}

/**
 * Why a value that could be opened by all that was known beforehand is rejected nevertheless: the branches of a CASE
 * over `opened`, its bytes, and `opened_text`, the same as a text.
 *
 * @example
 * `CASE ${openedFaults(deployment)} END`
 */
export function openedFaults({ sourceFormat, fields }: Deployment): string {
  const unopened =
    sourceFormat === 'dotted'
      ? `IF(${isCbc}, ${reason('padding')}, ${reason('authentication')})`
      : reason('authentication');
  const patterns = Object.entries(patternsOf(fields)).map(
    ([name, pattern]) =>
      `WHEN field = ${literal(name)} AND NOT REGEXP_CONTAINS(opened_text, ${literal(anchored(pattern))}) THEN ${reason('value-pattern')}`,
  );
  return [
    `WHEN opened IS NULL THEN ${unopened}`,
    `WHEN opened_text IS NULL THEN ${reason('plaintext-not-utf8')}`,
    ...patterns,
  ].join(' ');
}

/**
 * Whether a value that was sealed had no tag: TRUE, or NULL.
 *
 * @example
 * untagged(deployment); // 'CAST(NULL AS BOOL)' but for the dotted format
 */
export const untagged = ({ sourceFormat }: Deployment): string =>
  sourceFormat === 'dotted' ? `IF(${isCbc}, TRUE, NULL)` : 'CAST(NULL AS BOOL)';
