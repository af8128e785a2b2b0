/**
 * Why a value could not be re-encrypted. One vocabulary for TypeScript, Python, SQL and the docs; the word is
 * what stands in users_rejected.reason. Where several hold for one value, the first wins in the order in which
 * a value is opened: its data key first (encoding, dek-refused, key-length, unknown-key), then its cipher text
 * (encoding, truncated, version, iv-length, block-length, unknown-key, authentication, padding), then what
 * came out (plaintext-not-utf8).
 */
export const REASONS = [
  'encoding',
  'truncated',
  'iv-length',
  'block-length',
  'padding',
  'key-length',
  'authentication',
  'version',
  'unknown-key',
  'plaintext-not-utf8',
  'dek-refused',
] as const;

export type Reason = (typeof REASONS)[number];

/**
 * Thrown for a value or a key that must be rejected; its message is the reason and nothing else.
 *
 * @example
 * if (bytes === null) throw new Rejection('encoding');
 */
export class Rejection extends Error {
  readonly reason: Reason;

  constructor(reason: Reason) {
    super(reason);
    this.name = 'Rejection';
    this.reason = reason;
  }
}
