import {
  type CipherGCM,
  type CipherGCMTypes,
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  type DecipherGCM,
  type KeyObject,
} from 'node:crypto';
import { randomSlice } from './random.ts';
import { Refusal } from './reasons.ts';

/** AES-GCM as every format here uses it: IV 96 bits, tag 128 bits (NIST SP 800-38D §5.2.1). */
export const IV_BYTES = 12;
export const TAG_BYTES = 16;
/** AES's block, and with it CBC's IV (NIST SP 800-38A §5.3). */
export const BLOCK_BYTES = 16;

/** A key for many values, or the bytes of one that is used once: a KeyObject costs more than it saves then. */
export type AesKey = KeyObject | Uint8Array;

/** An AES key that is used once. Throws Refusal `key-length` unless it has 16, 24 or 32 bytes. */
export function aesKeyOnce(bytes: Uint8Array): Uint8Array {
  if (bytes.length !== 16 && bytes.length !== 24 && bytes.length !== 32) throw new Refusal('key-length');
  return bytes;
}

/** An AES key ready for many values. Throws Refusal `key-length` as aesKeyOnce does. */
export const aesKey = (bytes: Uint8Array): KeyObject => createSecretKey(aesKeyOnce(bytes));

const bits = (key: AesKey): number =>
  8 * (key instanceof Uint8Array ? key.length : (key.symmetricKeySize ?? 0));

/**
 * Opens `ct | tag`. The caller has seen to it that `sealed` holds a tag.
 * Throws Refusal `authentication` where key, IV, AAD or a byte is not what it was sealed with.
 */
export function gcmOpen(key: AesKey, iv: Uint8Array, sealed: Uint8Array, aad?: Uint8Array): Buffer {
  const end = sealed.length - TAG_BYTES;
  const decipher = createDecipheriv(`aes-${bits(key)}-gcm` as CipherGCMTypes, key, iv, {
    authTagLength: TAG_BYTES,
  }) as DecipherGCM;
  if (aad !== undefined) decipher.setAAD(aad);
  decipher.setAuthTag(sealed.subarray(end));
  const opened = decipher.update(sealed.subarray(0, end));
  try {
    decipher.final();
  } catch {
    throw new Refusal('authentication');
  }
  return opened;
}

/** Seals `plaintext` into `prefix | iv | ct | tag` with a fresh random IV. */
export function gcmSeal(prefix: Uint8Array, key: AesKey, plaintext: Uint8Array, aad: Uint8Array): Buffer {
  const iv = randomSlice(IV_BYTES);
  const cipher = createCipheriv(`aes-${bits(key)}-gcm` as CipherGCMTypes, key, iv) as CipherGCM;
  cipher.setAAD(aad);
  const out = Buffer.allocUnsafe(prefix.length + IV_BYTES + plaintext.length + TAG_BYTES);
  out.set(prefix, 0);
  out.set(iv, prefix.length);
  out.set(cipher.update(plaintext), prefix.length + IV_BYTES);
  cipher.final();
  out.set(cipher.getAuthTag(), out.length - TAG_BYTES);
  return out;
}

/** Opens AES-CBC with PKCS#7 padding (RFC 5652 §6.3). Throws Refusal `padding`. */
export function cbcOpen(key: KeyObject, iv: Uint8Array, sealed: Uint8Array): Buffer {
  const decipher = createDecipheriv(`aes-${bits(key)}-cbc`, key, iv);
  const head = decipher.update(sealed);
  try {
    return Buffer.concat([head, decipher.final()]);
  } catch {
    throw new Refusal('padding');
  }
}
