/**
 * Why a row could not be re-encrypted. One vocabulary for TypeScript, Python, SQL and the docs; the
 * value is what stands in users_rejected.reason. Where several hold for one row, the first wins in the
 * order in which a row is opened: its data key first (encoding, dek-refused, key-length, unknown-key),
 * then its cipher text (encoding, truncated, version, iv-length, block-length, unknown-key,
 * authentication, padding), then what came out (plaintext-not-utf8).
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

/** Thrown for a row or a key that must be refused; its message is the reason and nothing else. */
export class Refusal extends Error {
  readonly reason: Reason;

  constructor(reason: Reason) {
    super(reason);
    this.name = 'Refusal';
    this.reason = reason;
  }
}
