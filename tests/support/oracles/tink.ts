import { fileURLToPath } from 'node:url';
import { askPython } from './python.ts';

/** A ciphertext in Tink's AEAD format; `keyset` is a serialised, cleartext Keyset. Both base64. */
export interface TinkCiphertext {
  keyset: string;
  ciphertext: string;
  aad: string;
}

const script = fileURLToPath(new URL('tink.py', import.meta.url));

/** Opens ciphertexts with official Tink: each one's plaintext in base64, or why it did not open. */
export const tinkOpen = (items: readonly TinkCiphertext[]): Promise<(string | { error: string })[]> =>
  askPython(script, items);
