import { Rejection } from '../contract/reasons.ts';
import { asCiphertext, asWrappedKey, type Ciphertext, type WrappedKey } from './brands.ts';

const HEX = /^(?:[0-9a-fA-F]{2})+$/;

/**
 * Base64 with the standard alphabet, padded and canonical (RFC 4648 §4 and §3.5), or null. Node's decoder
 * skips what it does not know, so the text is held against its own re-encoding.
 *
 * @example
 * decodeBase64('YQ=='); // <Buffer 61>
 * decodeBase64('YQ'); // null: not padded
 */
export function decodeBase64(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : null;
}

/**
 * The bytes of a cipher_text, or part of one. Throws Rejection `encoding`.
 *
 * @example
 * decodeCipherText('YQ=='); // <Buffer 61>
 */
export function decodeCipherText(text: string): Ciphertext {
  const bytes = decodeBase64(text);
  if (bytes === null) throw new Rejection('encoding');
  return asCiphertext(bytes);
}

/**
 * The bytes of a dek column: hex where the text is nothing else, base64 otherwise. (Hex digits alone can be
 * base64 too; for a KMS ciphertext of 60 bytes and more the chance of that is below 2^-100.)
 * Throws Rejection `encoding`, and `dek-refused` for an empty one, which KMS would not take.
 *
 * @example
 * decodeDek('0a1b'); // <Buffer 0a 1b>
 */
export function decodeDek(text: string): WrappedKey {
  const bytes = HEX.test(text) ? Buffer.from(text, 'hex') : decodeBase64(text);
  if (bytes === null) throw new Rejection('encoding');
  if (bytes.length === 0) throw new Rejection('dek-refused');
  return asWrappedKey(bytes);
}
