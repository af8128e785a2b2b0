import { z } from 'zod';
import { REASONS, Rejection } from '../contract/reasons.ts';
import { SOURCE_FORMATS, UNAUTHENTICATED } from '../contract/settings/choices.ts';
import { valueMatcher } from '../contract/value-pattern.ts';
import { openAead } from './aead.ts';
import { aesKey, gcmOpen, IV_BYTES } from './aes.ts';
import { asDataKey, type DataKey } from './brands.ts';
import { decodeBase64 } from './encoding.ts';
import { formatOf } from './formats.ts';
import { parseKeyset } from './keysets.ts';

/** The vectors file; docs/vectors.md says what each kind means. Bytes are base64, raw keys hex. */
const source = {
  format: z.enum(SOURCE_FORMATS),
  cipher_text: z.string(),
  key: z.string().optional(),
  keyset: z.string().optional(),
  kek: z.string().optional(),
  unauthenticated: z.enum(UNAUTHENTICATED).default('accept'),
  value_pattern: z.string().optional(),
};
const sealed = { keyset: z.string(), aad: z.string(), ciphertext: z.string() };
const vectorSchema = z.union([
  z.object({ kind: z.literal('source'), plaintext: z.string(), ...source }),
  z.object({ kind: z.literal('sealed'), plaintext: z.string(), ...sealed }),
  z.object({
    kind: z.literal('sealed-row-key'),
    plaintext: z.string(),
    row_keyset_sealed: z.string(),
    ...sealed,
  }),
  z.object({ kind: z.literal('refused'), reason: z.enum(REASONS), ...source }),
  z.object({ kind: z.literal('refused'), reason: z.enum(REASONS), ...sealed, format: z.literal('sealed') }),
]);
export const vectorsSchema = z.object({ vectors: z.array(vectorSchema) });
export type Vector = z.infer<typeof vectorSchema>;

const bytes = (base64: string): Buffer => {
  const decoded = decodeBase64(base64);
  if (decoded === null) throw new Rejection('encoding');
  return decoded;
};

function open(vector: Vector): Buffer {
  if ('format' in vector && vector.format !== 'sealed') return openSource(vector);
  const aad = Buffer.from(vector.aad);
  const first = parseKeyset(bytes(vector.keyset));
  if (vector.kind !== 'sealed-row-key') return openAead(first, bytes(vector.ciphertext), aad);
  const row = parseKeyset(openAead(first, bytes(vector.row_keyset_sealed), aad));
  return openAead(row, bytes(vector.ciphertext), aad);
}

function openSource(vector: Extract<Vector, { cipher_text: string }>): Buffer {
  const format = formatOf(vector.format);
  const key = dataKey(vector, () => format.wrappedKey('', vector.cipher_text));
  const { plaintext } = format.prepare(key, vector.unauthenticated)(vector.cipher_text);
  if (vector.value_pattern !== undefined && !valueMatcher(vector.value_pattern)(plaintext))
    throw new Rejection('value-pattern');
  return plaintext;
}

/** The unwrapped data key: given, or inside the cipher text under a KEK that stands in for KMS's. */
function dataKey(vector: Extract<Vector, { cipher_text: string }>, wrapped: () => Buffer): DataKey {
  if (vector.kek !== undefined) {
    const kek = aesKey(Buffer.from(vector.kek, 'hex'));
    const inside = wrapped();
    return asDataKey(gcmOpen(kek, inside.subarray(0, IV_BYTES), inside.subarray(IV_BYTES)));
  }
  return asDataKey(vector.keyset === undefined ? Buffer.from(vector.key ?? '', 'hex') : bytes(vector.keyset));
}

/**
 * What went wrong with a vector, or null. Expected and actual outcome are named, contents are not.
 *
 * @example
 * checkVector(vector); // null, or 'expected opened, got padding'
 */
export function checkVector(vector: Vector): string | null {
  const expected = vector.kind === 'refused' ? vector.reason : 'opened';
  let outcome: string;
  try {
    const opened = open(vector).toString();
    outcome = vector.kind === 'refused' || opened === vector.plaintext ? 'opened' : 'another plaintext';
  } catch (error) {
    if (!(error instanceof Rejection)) throw error;
    outcome = error.reason;
  }
  return outcome === expected ? null : `expected ${expected}, got ${outcome}`;
}
