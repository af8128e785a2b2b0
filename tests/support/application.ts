import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SourceFormat } from '../../jobs/contract/settings/choices.ts';
import { aesKey, gcmSeal } from '../../jobs/envelope/aes.ts';
import { sourceKey } from '../../jobs/envelope/source-keys.ts';

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

  newKey(bytes: 16 | 24 | 32 = 32): ApplicationKey {
    const key = sourceKey(this.format, bytes);
    const wrapped = this.wrap(key.unwrapped);
    return {
      unwrapped: key.unwrapped,
      dek: key.dek(wrapped),
      encrypt: (text) => key.encrypt(wrapped, text),
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

/** Data keys of which so many fall into each wave of a run: which one it is, a key's SHA-256 decides. */
export function keysInWaves(application: Application, waves: number, each: number): ApplicationKey[] {
  const found = Array.from({ length: waves }, (): ApplicationKey[] => []);
  while (found.some((keys) => keys.length < each)) {
    const key = application.newKey();
    const wave = createHash('sha256').update(key.dek).digest().readUInt32BE(0) % waves;
    if ((found[wave]?.length ?? each) < each) found[wave]?.push(key);
  }
  return found.flat();
}

/** Users with consecutive ids under one data key: user7@example.com has the id 7. */
export const usersUnder =
  (key: ApplicationKey) =>
  (from: number, to: number): UserRow[] =>
    Array.from({ length: to - from + 1 }, (_, at) => ({
      id: String(from + at),
      cipher_text: key.encrypt(`user${from + at}@example.com`),
      dek: key.dek,
    }));

/** Users as newline-delimited JSON in `folder`; the file's path. */
export function writeUsers(folder: string, rows: readonly UserRow[], name = 'users.ndjson'): string {
  const path = join(folder, name);
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return path;
}
