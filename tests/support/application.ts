import { createCipheriv, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SourceFormat } from '../../jobs/contract/settings/choices.ts';
import { sealAead } from '../../jobs/envelope/aead.ts';
import { aesKey, gcmSeal } from '../../jobs/envelope/aes.ts';
import { newKeyset, serializeKeyset } from '../../jobs/envelope/keysets.ts';

const NONE = Buffer.alloc(0);

/** A row of the users table as an application leaves it. */
export interface UserRow {
  id: string;
  cipher_text: string;
  dek: string;
}

/** A data key in the hands of the application: wrapped for the dek column, and encrypting texts. */
export interface ApplicationKey {
  /** What KMS returns for it. */
  readonly unwrapped: Buffer;
  readonly dek: string;
  encrypt(text: string | Buffer): string;
}

/** An application with a KEK: it makes data keys and encrypts values in one of the source formats. */
export class Application {
  readonly kek = randomBytes(32);
  readonly format: SourceFormat;

  constructor(format: SourceFormat = 'gcm') {
    this.format = format;
  }

  /** iv | ct | tag under the KEK, as the sandbox's KMS wraps. */
  wrap(key: Buffer): Buffer {
    return gcmSeal(NONE, aesKey(this.kek), key, NONE);
  }

  newKey(): ApplicationKey {
    const raw = randomBytes(32);
    if (this.format === 'tink') {
      const keyset = newKeyset();
      const unwrapped = serializeKeyset(keyset);
      return {
        unwrapped,
        dek: this.wrap(unwrapped).toString('base64'),
        encrypt: (text) => sealAead(keyset, Buffer.from(text), NONE).toString('base64'),
      };
    }
    if (this.format === 'tink-envelope') return this.#envelopeKey(raw);
    return {
      unwrapped: raw,
      dek: this.wrap(raw).toString('base64'),
      encrypt: (text) =>
        this.format === 'gcm' ? gcm(raw, text).toString('base64') : dotted(raw, Buffer.from(text)),
    };
  }

  /** An AesGcmKey (field 3, 32 bytes), wrapped inside each cipher text. */
  #envelopeKey(raw: Buffer): ApplicationKey {
    const unwrapped = Buffer.concat([Buffer.from([0x1a, raw.length]), raw]);
    const wrapped = this.wrap(unwrapped);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(wrapped.length);
    return {
      unwrapped,
      dek: '',
      encrypt: (text) => Buffer.concat([length, wrapped, gcm(raw, text)]).toString('base64'),
    };
  }

  /** kek.json in `folder`; its path. */
  writeKek(folder: string): string {
    const path = join(folder, 'kek.json');
    const algorithm = 'AES-256-GCM, iv 12 | ciphertext | tag 16, no AAD';
    writeFileSync(path, JSON.stringify({ algorithm, material_base64: this.kek.toString('base64') }));
    return path;
  }
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
  const cipher = createCipheriv('aes-256-cbc', raw, iv);
  return `${iv.toString('base64')}.${Buffer.concat([cipher.update(text), cipher.final()]).toString('base64')}`;
}

/** Users as newline-delimited JSON in `folder`; the file's path. */
export function writeUsers(folder: string, rows: readonly UserRow[], name = 'users.ndjson'): string {
  const path = join(folder, name);
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return path;
}
