import { Rejection } from '../contract/reasons.ts';
import { type AesKey, aesKey, aesKeyOnce, gcmOpen, gcmSeal, IV_BYTES, TAG_BYTES } from './aes.ts';
import type { Keyset, KeysetKey } from './keysets.ts';

/**
 * Tink's wire format for AEAD, which is BigQuery's: 0x01 | key id, big-endian | IV | ciphertext | tag.
 * https://developers.google.com/tink/wire-format#tink_output_prefix
 */
export const TINK_VERSION = 1;
const PREFIX_BYTES = 5;
/** What a ciphertext has beside the value: prefix, IV and tag. */
export const TINK_OVERHEAD_BYTES = PREFIX_BYTES + IV_BYTES + TAG_BYTES;

/** What a keyset can do, its keys prepared once for many rows. */
export interface Aead {
  /** Seals under the primary key. */
  seal(plaintext: Uint8Array, aad: Uint8Array): Buffer;
  /** Throws Rejection `truncated`, `version`, `unknown-key` or `authentication`, looked at in this order. */
  open(ciphertext: Uint8Array, aad: Uint8Array): Buffer;
}

/**
 * The five bytes that stand before a ciphertext of the key, written over `prefix` where one is given.
 *
 * @example
 * tinkPrefix(0x01020304).toString('hex'); // '0101020304'
 */
export function tinkPrefix(keyId: number, prefix: Buffer = Buffer.allocUnsafe(PREFIX_BYTES)): Buffer {
  prefix.writeUInt8(TINK_VERSION, 0);
  prefix.writeUInt32BE(keyId, 1);
  return prefix;
}

/**
 * Prepares a keyset; `prepare` is `aesKeyOnce` where it seals or opens one value only.
 * Throws Rejection `unknown-key` where no key can be used, since all are disabled, of another type or without the
 * TINK prefix, `key-length` for an AES key of an impossible size.
 *
 * @example
 * const { seal, open } = aead(parseKeyset(bytes));
 * open(seal(plaintext, aad), aad); // plaintext again
 */
export function aead(keyset: Keyset, prepare: (bytes: Uint8Array) => AesKey = aesKey): Aead {
  return behindPrefix(keyset, ({ aes }) => aes && prepare(aes), {
    overheadBytes: IV_BYTES + TAG_BYTES,
    seal: gcmSeal,
    open: (key, sealed, aad) => gcmOpen(key, sealed.subarray(0, IV_BYTES), sealed.subarray(IV_BYTES), aad),
  });
}

/** A cipher as Tink uses it, behind its prefix. */
interface Cipher<Key> {
  /** What a ciphertext has beside prefix and value. */
  readonly overheadBytes: number;
  /** The whole ciphertext, with the prefix. */
  seal(prefix: Uint8Array, key: Key, plaintext: Uint8Array, aad: Uint8Array): Buffer;
  /** Opens what stands behind the prefix. Throws Rejection `authentication`. */
  open(key: Key, sealed: Buffer, aad: Uint8Array): Buffer;
}

/**
 * What the usable keys of a keyset can do; `prepare` gives null for one of another type. Throws Rejection `unknown-key`
 * where there is none.
 *
 * @example
 * behindPrefix(keyset, ({ aes }) => aes && aesKey(aes), { overheadBytes: 28, seal, open });
 */
export function behindPrefix<Key>(
  { primaryKeyId, keys: all }: Keyset,
  prepare: (key: KeysetKey) => Key | null,
  cipher: Cipher<Key>,
): Aead {
  const keys = new Map<number, Key>();
  for (const key of all) {
    const prepared = key.enabled && key.tinkPrefix ? prepare(key) : null;
    if (prepared !== null) keys.set(key.id, prepared);
  }
  if (keys.size === 0) throw new Rejection('unknown-key');
  const primary = keys.get(primaryKeyId);
  const prefix = tinkPrefix(primaryKeyId);
  return {
    seal(plaintext, aad) {
      if (primary === undefined) throw new Rejection('unknown-key');
      return cipher.seal(prefix, primary, plaintext, aad);
    },
    open(ciphertext, aad) {
      if (ciphertext.length < PREFIX_BYTES + cipher.overheadBytes) throw new Rejection('truncated');
      const view = Buffer.from(ciphertext.buffer, ciphertext.byteOffset, ciphertext.length);
      if (view[0] !== TINK_VERSION) throw new Rejection('version');
      const key = keys.get(view.readUInt32BE(1));
      if (key === undefined) throw new Rejection('unknown-key');
      return cipher.open(key, view.subarray(PREFIX_BYTES), aad);
    },
  };
}

/**
 * Seals one value under a keyset's primary key; for many values prepare the keyset with `aead` once.
 *
 * @example
 * sealAead(newKeyset(), Buffer.from('ada@example.com'), Buffer.from('42'));
 */
export const sealAead = (keyset: Keyset, plaintext: Uint8Array, aad: Uint8Array): Buffer =>
  aead(keyset, aesKeyOnce).seal(plaintext, aad);

/**
 * Opens one value; errors as Aead.open's and aead's.
 *
 * @example
 * openAead(keyset, ciphertext, Buffer.from('42')).toString(); // 'ada@example.com'
 */
export const openAead = (keyset: Keyset, ciphertext: Uint8Array, aad: Uint8Array): Buffer =>
  aead(keyset, aesKeyOnce).open(ciphertext, aad);
