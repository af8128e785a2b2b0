/**
 * The keyset functions that call Cloud KMS. They run once, while a statement is translated, and not once a row.
 * The interface stands apart from its implementation so that the translator knows nothing of Cloud KMS.
 */
export interface KeyFunctions {
  /** Unwraps a keyset; returns the handle under which the AEAD functions find it. */
  chain(kms: string, wrapped: Uint8Array): string;
  newWrapped(kms: string, type: string): Buffer;
  rotateWrapped(kms: string, wrapped: Uint8Array, type: string): Buffer;
  rewrap(source: string, target: string, wrapped: Uint8Array): Buffer;
}

/** Where names are looked up and nothing is run: in the first pass over a statement, and when a view is made. */
export const NO_KEYS: KeyFunctions = {
  chain: () => '',
  newWrapped: () => Buffer.alloc(0),
  rotateWrapped: () => Buffer.alloc(0),
  rewrap: () => Buffer.alloc(0),
};
