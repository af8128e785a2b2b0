import { fileURLToPath } from 'node:url';
import { askPython } from './python.ts';

/** What a value is sealed with. `keyset` is a serialised, cleartext Keyset in base64. */
interface TinkSealing {
  keyset: string;
  aad: string;
  /** The keyset is one of AES-SIV. */
  deterministic?: boolean;
}

/** A ciphertext in Tink's format, in base64. */
export interface TinkCiphertext extends TinkSealing {
  ciphertext: string;
}

/** A value to seal, in base64. */
export interface TinkPlaintext extends TinkSealing {
  plaintext: string;
}

const script = fileURLToPath(new URL('tink.py', import.meta.url));

/** Opens ciphertexts with official Tink: each one's plaintext in base64, or why it did not open. */
export const tinkOpen = (items: readonly TinkCiphertext[]): Promise<(string | { error: string })[]> =>
  askPython(script, items);

/** Seals values with official Tink: each one's ciphertext in base64, or why it was not sealed. */
export const tinkSeal = (items: readonly TinkPlaintext[]): Promise<(string | { error: string })[]> =>
  askPython(script, items);

/** A keyset of AES-SIV that official Tink made, serialised. */
export async function tinkDeterministicKeyset(): Promise<Buffer> {
  const [keyset] = await askPython<string[]>(script, [{}]);
  return Buffer.from(keyset ?? '', 'base64');
}
