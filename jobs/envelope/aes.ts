import {
  type CipherGCMTypes,
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  type KeyObject,
} from 'node:crypto';
import { Rejection } from '../contract/reasons.ts';
import { randomSlice } from './random.ts';

/** AES-GCM as every format here uses it: IV 96 bits, tag 128 bits (NIST SP 800-38D §5.2.1). */
export const IV_BYTES = 12;
export const TAG_BYTES = 16;
const GCM_OPTIONS = { authTagLength: TAG_BYTES };
/** AES's block, and with it CBC's IV (NIST SP 800-38A §5.3). */
export const BLOCK_BYTES = 16;

/** An AES key and what OpenSSL calls its ciphers. */
export interface AesKey {
  readonly secret: KeyObject | Uint8Array;
  readonly gcm: CipherGCMTypes;
  readonly cbc: string;
}

/** By the key's length in bytes. */
const CIPHERS: Readonly<Record<number, Omit<AesKey, 'secret'>>> = {
  16: { gcm: 'aes-128-gcm', cbc: 'aes-128-cbc' },
  24: { gcm: 'aes-192-gcm', cbc: 'aes-192-cbc' },
  32: { gcm: 'aes-256-gcm', cbc: 'aes-256-cbc' },
};

/**
 * A key that is used once, or whose bytes change from use to use: making a KeyObject of it would cost more than
 * it saves. Throws Rejection `key-length` unless it has 16, 24 or 32 bytes.
 *
 * @example
 * aesKeyOnce(Buffer.alloc(32)).gcm; // 'aes-256-gcm'
 */
export function aesKeyOnce(bytes: Uint8Array): AesKey {
  const ciphers = CIPHERS[bytes.length];
  if (ciphers === undefined) throw new Rejection('key-length');
  return { secret: bytes, ...ciphers };
}

/**
 * A key for many values. Throws Rejection `key-length` as aesKeyOnce does.
 *
 * @example
 * const key = aesKey(dataKey); // then gcmOpen(key, …) for every row of the data key
 */
export function aesKey(bytes: Uint8Array): AesKey {
  return { ...aesKeyOnce(bytes), secret: createSecretKey(bytes) };
}

/**
 * Opens `ct | tag`. The caller has seen to it that `sealed` holds a tag.
 * Throws Rejection `authentication` where key, IV, AAD or a byte is not what it was sealed with.
 *
 * @example
 * gcmOpen(aesKey(dataKey), sealed.subarray(0, IV_BYTES), sealed.subarray(IV_BYTES));
 */
export function gcmOpen(key: AesKey, iv: Uint8Array, sealed: Uint8Array, aad?: Uint8Array): Buffer {
  const end = sealed.length - TAG_BYTES;
  const decipher = createDecipheriv(key.gcm, key.secret, iv, GCM_OPTIONS);
  if (aad !== undefined) decipher.setAAD(aad);
  decipher.setAuthTag(sealed.subarray(end));
  const opened = decipher.update(sealed.subarray(0, end));
  try {
    decipher.final();
  } catch {
    throw new Rejection('authentication');
  }
  return opened;
}

/**
 * Seals `plaintext` into `prefix | iv | ct | tag` with a fresh random IV.
 *
 * @example
 * gcmSeal(tinkPrefix(keyId), aesKey(bytes), plaintext, aad);
 */
export function gcmSeal(prefix: Uint8Array, key: AesKey, plaintext: Uint8Array, aad: Uint8Array): Buffer {
  const iv = randomSlice(IV_BYTES);
  const cipher = createCipheriv(key.gcm, key.secret, iv);
  cipher.setAAD(aad);
  const out = Buffer.allocUnsafe(prefix.length + IV_BYTES + plaintext.length + TAG_BYTES);
  out.set(prefix, 0);
  out.set(iv, prefix.length);
  out.set(cipher.update(plaintext), prefix.length + IV_BYTES);
  cipher.final();
  out.set(cipher.getAuthTag(), out.length - TAG_BYTES);
  return out;
}

/**
 * Opens AES-CBC with PKCS#7 padding (RFC 5652 §6.3). Throws Rejection `padding`.
 *
 * @example
 * cbcOpen(aesKey(dataKey), iv, sealed);
 */
export function cbcOpen(key: AesKey, iv: Uint8Array, sealed: Uint8Array): Buffer {
  const decipher = createDecipheriv(key.cbc, key.secret, iv);
  const head = decipher.update(sealed);
  try {
    return Buffer.concat([head, decipher.final()]);
  } catch {
    throw new Rejection('padding');
  }
}
