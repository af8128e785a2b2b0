import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Rejection } from '../../jobs/contract/reasons.ts';
import type { SourceFormat, Unauthenticated } from '../../jobs/contract/settings/choices.ts';
import { valueMatcher } from '../../jobs/contract/value-pattern.ts';
import { openAead } from '../../jobs/envelope/aead.ts';
import { aesKey, gcmOpen, IV_BYTES } from '../../jobs/envelope/aes.ts';
import { asDataKey } from '../../jobs/envelope/brands.ts';
import { type Vector, vectorsSchema } from '../../jobs/envelope/check-vector.ts';
import { decodeDek } from '../../jobs/envelope/encoding.ts';
import { formatOf } from '../../jobs/envelope/formats.ts';
import { parseKeyset } from '../../jobs/envelope/keysets.ts';

/** What the envelope code makes of an input; tests/spark/application/support/outcomes.py says the same of Python's. */

export interface SourceInput {
  readonly kind: 'source';
  readonly format: SourceFormat;
  /** The unwrapped data key, in hex. */
  readonly key: string;
  readonly cipher_text: string;
  readonly unauthenticated: Unauthenticated;
}
export type Input =
  | SourceInput
  | { readonly kind: 'dek'; readonly text: string }
  | { readonly kind: 'sealed'; readonly keyset: string; readonly ciphertext: string; readonly aad: string }
  | { readonly kind: 'pattern'; readonly pattern: string; readonly values: readonly string[] };

/** A hash, so that no input's outcome is long. */
const shown = (bytes: Uint8Array): string =>
  `opened ${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}`;

/** The outcome in a word: opened and to what, or the reason. Anything else that is thrown is a bug. */
export function outcomeOf(input: Input): string {
  try {
    switch (input.kind) {
      case 'source': {
        const format = formatOf(input.format);
        // As the engine does it: the data key comes first.
        if (input.format === 'tink-envelope') format.wrappedKey('', input.cipher_text);
        const key = asDataKey(Buffer.from(input.key, 'hex'));
        return shown(format.prepare(key, input.unauthenticated)(input.cipher_text).plaintext);
      }
      case 'dek':
        return shown(decodeDek(input.text));
      case 'sealed': {
        const bytes = (text: string) => Buffer.from(text, 'base64');
        return shown(
          openAead(parseKeyset(bytes(input.keyset)), bytes(input.ciphertext), Buffer.from(input.aad)),
        );
      }
      case 'pattern': {
        const matches = valueMatcher(input.pattern);
        return input.values.map((value) => (matches(Buffer.from(value)) ? '1' : '0')).join('');
      }
    }
  } catch (error) {
    if (error instanceof Rejection) return error.reason;
    throw error;
  }
}

/** The hash of a plaintext, as `outcomeOf` shows it. */
export const openedTo = (plaintext: string): string => shown(Buffer.from(plaintext));

/** The vectors to start from, written by independent implementations. */
export function seeds(): { sources: (SourceInput & { plaintext: string })[]; sealed: SealedSeed[] } {
  const vectors = ['envelope.json', 'values.json'].flatMap((name) => {
    const file = new URL(`../fixtures/${name}`, import.meta.url);
    return vectorsSchema.parse(JSON.parse(readFileSync(file, 'utf8'))).vectors;
  });
  return {
    sources: vectors.flatMap((vector) => (vector.kind === 'source' ? [sourceSeed(vector)] : [])),
    sealed: vectors.flatMap((vector) =>
      vector.kind === 'sealed'
        ? [
            {
              keyset: vector.keyset,
              ciphertext: vector.ciphertext,
              aad: vector.aad,
              plaintext: vector.plaintext,
            },
          ]
        : [],
    ),
  };
}

type SealedSeed = Record<'keyset' | 'ciphertext' | 'aad' | 'plaintext', string>;

function sourceSeed(vector: Extract<Vector, { kind: 'source' }>): SourceInput & { plaintext: string } {
  let key: Uint8Array = Buffer.from(vector.key ?? '', 'hex');
  if (vector.keyset !== undefined) key = Buffer.from(vector.keyset, 'base64');
  if (vector.kek !== undefined) {
    const wrapped = formatOf(vector.format).wrappedKey('', vector.cipher_text);
    key = gcmOpen(
      aesKey(Buffer.from(vector.kek, 'hex')),
      wrapped.subarray(0, IV_BYTES),
      wrapped.subarray(IV_BYTES),
    );
  }
  const { format, cipher_text, plaintext, unauthenticated } = vector;
  return {
    kind: 'source',
    format,
    key: Buffer.from(key).toString('hex'),
    cipher_text,
    unauthenticated,
    plaintext,
  };
}
