import { createCipheriv, randomBytes } from 'node:crypto';
import type { SourceFormat } from '../contract/settings/choices.ts';
import { sealAead } from './aead.ts';
import { aesKey, gcmSeal } from './aes.ts';
import { type Keyset, newKeyset, serializeKeyset } from './keysets.ts';

const NONE = Buffer.alloc(0);

/** A data key as an application makes it: KMS wraps it, and it encrypts values. */
export interface SourceKey {
  /** What KMS is to wrap. */
  readonly unwrapped: Buffer;
  /** The `dek` column of its values; empty in the format that has the wrapped key inside the cipher text. */
  dek(wrapped: Buffer): string;
  /** The `cipher_text` column. */
  encrypt(wrapped: Buffer, text: string | Buffer): string;
}

/**
 * A fresh data key of a source format, of so many bytes: what `formats.ts` opens, from the application's side. For
 * made-up users.
 *
 * @example
 * const key = sourceKey('gcm');
 * const wrapped = await wrapKey(client, kek, key.unwrapped);
 * const row = { cipher_text: key.encrypt(wrapped, 'a@example.com'), dek: key.dek(wrapped) };
 */
export function sourceKey(format: SourceFormat, bytes: 16 | 24 | 32 = 32): SourceKey {
  const raw = randomBytes(bytes);
  const dek = (wrapped: Buffer): string => wrapped.toString('base64');
  switch (format) {
    case 'tink': {
      const keyset = keysetOf(raw);
      const encrypt = (_: Buffer, text: string | Buffer): string =>
        sealAead(keyset, Buffer.from(text), NONE).toString('base64');
      return { unwrapped: serializeKeyset(keyset), dek, encrypt };
    }
    case 'tink-envelope':
      return envelopeKey(raw);
    case 'gcm':
      return { unwrapped: raw, dek, encrypt: (_, text) => gcm(raw, text).toString('base64') };
    case 'dotted':
      return { unwrapped: raw, dek, encrypt: (_, text) => dotted(raw, Buffer.from(text)) };
  }
}

function keysetOf(aes: Buffer): Keyset {
  const { primaryKeyId, keys } = newKeyset();
  return { primaryKeyId, keys: keys.map((key) => ({ ...key, aes })) };
}

/**
 * An AesGcmKey (field 3), wrapped inside each cipher text behind its length of four bytes.
 * https://github.com/tink-crypto/tink-java/blob/main/src/main/java/com/google/crypto/tink/aead/KmsEnvelopeAead.java
 */
function envelopeKey(raw: Buffer): SourceKey {
  return {
    unwrapped: Buffer.concat([Buffer.from([0x1a, raw.length]), raw]),
    dek: () => '',
    encrypt(wrapped, text) {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(wrapped.length);
      return Buffer.concat([length, wrapped, gcm(raw, text)]).toString('base64');
    },
  };
}

const gcm = (raw: Buffer, text: string | Buffer): Buffer =>
  gcmSeal(NONE, aesKey(raw), Buffer.from(text), NONE);

/** iv.ct: texts of an even length with a 12-byte IV and GCM, odd ones with 16 bytes and CBC. */
function dotted(raw: Buffer, text: Buffer): string {
  if (text.length % 2 === 0) {
    const sealed = gcm(raw, text);
    return `${sealed.toString('base64', 0, 12)}.${sealed.toString('base64', 12)}`;
  }
  const iv = randomBytes(16);
  const cipher = createCipheriv(aesKey(raw).cbc, raw, iv);
  return `${iv.toString('base64')}.${Buffer.concat([cipher.update(text), cipher.final()]).toString('base64')}`;
}
