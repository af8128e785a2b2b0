import { aessiv } from '@noble/ciphers/aes.js';
import { Rejection } from '../contract/reasons.ts';
import { type Aead, behindPrefix } from './aead.ts';
import type { Keyset, KeysetKey } from './keysets.ts';

/** AES-SIV's synthetic IV, which is the tag as well (RFC 5297 §2.6). */
const SIV_BYTES = 16;
/** Two keys of AES-256; Tink takes no others (proto/aes_siv.proto: "Only valid value is: 64"). */
const KEY_BYTES = 64;

/**
 * Prepares a keyset of AES-SIV: equal values under one AAD become equal ciphertexts, in Tink's wire format, which is
 * that of BigQuery's DETERMINISTIC_* functions: 0x01 | key id, big-endian | SIV | ciphertext. The AAD is always one
 * component of RFC 5297's vector, also an empty one (proto/aes_siv.proto). `open` throws as Aead.open does.
 * Throws Rejection `unknown-key` where no key can be used, since all are disabled, of another type or without the TINK
 * prefix, `key-length` for a key that has not 64 bytes. The keyset's bytes are used until the last value.
 * https://developers.google.com/tink/wire-format#deterministic_aead
 *
 * @example
 * const { seal } = deterministicAead(newKeyset(DETERMINISTIC));
 * seal(plaintext, Buffer.from('email')).equals(seal(plaintext, Buffer.from('email'))); // true
 */
export function deterministicAead(keyset: Keyset): Aead {
  return behindPrefix(keyset, sized, {
    overheadBytes: SIV_BYTES,
    seal: (prefix, key, plaintext, aad) => Buffer.concat([prefix, aessiv(key, aad).encrypt(plaintext)]),
    open: opened,
  });
}

function sized({ siv }: KeysetKey): Uint8Array | null {
  if (siv !== null && siv.length !== KEY_BYTES) throw new Rejection('key-length');
  return siv;
}

function opened(key: Uint8Array, sealed: Uint8Array, aad: Uint8Array): Buffer {
  try {
    return Buffer.from(aessiv(key, aad).decrypt(sealed));
  } catch {
    throw new Rejection('authentication');
  }
}
