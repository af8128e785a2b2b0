import { REASONS, type Reason } from './reasons.ts';

export interface ReasonGuide {
  /** What is true of a value that has this reason. */
  readonly means: string;
  /** What to look at, or to change. */
  readonly remedy: string;
}

/** What docs/reasons.md, the report page and `reseal rejected` say of each reason; a test holds the page to it. */
export const REASON_GUIDE: Readonly<Record<Reason, ReasonGuide>> = {
  encoding: {
    means:
      'The dek is neither hex nor base64, or the cipher text is not base64 (strict: standard alphabet, padded, no line breaks). In the `dotted` format also: there is not exactly one dot.',
    remedy:
      'Look at how the application wrote the row. If every row has this reason, `sourceFormat` is wrong.',
  },
  'dek-refused': {
    means:
      'Cloud KMS does not decrypt the data key: another KEK wrapped it. Or the dek is empty. (A disabled or destroyed version of the KEK stops the run with `kms-key-disabled`.)',
    remedy: 'Check `reseal:sourceKek`; the next run tries these values again.',
  },
  'key-length': {
    means: 'The unwrapped data key does not have 16, 24 or 32 bytes.',
    remedy: 'The application wrapped something else; check `sourceFormat`.',
  },
  'unknown-key': {
    means:
      'The unwrapped bytes are not a keyset, or the keyset has no enabled key with the id that the cipher text names.',
    remedy: 'Check `sourceFormat`, and whether the key was removed from the keyset.',
  },
  truncated: {
    means: 'There are fewer bytes than the IV, the tag and any prefix take.',
    remedy: 'The value was cut off, for instance by the width of a column.',
  },
  version: {
    means: 'A Tink ciphertext does not start with 0x01.',
    remedy: 'The row is not in the `tink` format.',
  },
  'iv-length': {
    means: '`dotted`: the IV has neither 12 nor 16 bytes.',
    remedy: 'The row is in no format that Reseal knows.',
  },
  'block-length': {
    means: '`dotted` with an IV of 16 bytes: the ciphertext is not a whole number of AES blocks.',
    remedy: 'The value was cut off.',
  },
  authentication: {
    means: 'The GCM tag does not match the key, the IV and the bytes.',
    remedy: 'The row was damaged, or its dek belongs to another row.',
  },
  padding: {
    means: 'The CBC padding is invalid.',
    remedy:
      'As for `authentication`. CBC has no tag, so valid padding proves little: [security.md](security.md#what-is-proved-of-a-value-and-what-is-not).',
  },
  'plaintext-not-utf8': {
    means: 'The value opened, but its bytes are not UTF-8 text.',
    remedy: '`AEAD.DECRYPT_STRING` could not return it; look at what the application encrypted.',
  },
};

/**
 * What to do about a reason, in plain words: without the marks and links of the page.
 *
 * @example
 * remedyOf('version'); // 'The row is not in the tink format.'
 */
export function remedyOf(reason: string): string {
  const known = REASONS.find((one) => one === reason);
  return known === undefined
    ? 'docs/reasons.md of a newer version may say.'
    : plain(REASON_GUIDE[known].remedy);
}

/** The same for what it means. */
export function meaningOf(reason: string): string {
  const known = REASONS.find((one) => one === reason);
  return known === undefined ? 'A reason that this version does not know.' : plain(REASON_GUIDE[known].means);
}

const plain = (text: string): string => text.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').replaceAll('`', '');
