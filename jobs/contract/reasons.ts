/** What the docs and the messages say of a reason. */
interface ReasonNotes {
  readonly meaning: string;
  readonly remedy: string;
  /** What to look at first when most values of a run are rejected for it. */
  readonly ask?: string;
}

const FORMAT = 'is reseal:sourceFormat right?';

/**
 * Why a value could not be re-encrypted. One vocabulary for TypeScript, Python, SQL and the docs; the word is what
 * stands in users_rejected.reason. This table is the only list of them: docs/reasons.md is made of it by
 * `npm run docs:reasons`, and a test holds what the Spark application raises against that page. Where several hold for
 * one value, the first wins in the order of this table, which is that in which a value is opened: its data key first,
 * then its cipher text, then what came out.
 */
const NOTES = {
  encoding: {
    meaning:
      'The dek is neither hex nor base64, or the cipher text is not base64 (strict: standard alphabet, padded, no line breaks). In the `dotted` format also: there is not exactly one dot.',
    remedy:
      'Look at how the application wrote the row. If every row has this reason, `sourceFormat` is wrong.',
    ask: FORMAT,
  },
  'dek-refused': {
    meaning:
      'Cloud KMS does not decrypt the data key: another KEK wrapped it. Or the dek is empty. (A version of the KEK that is disabled or scheduled for destruction stops the run with `kms-key-disabled`.)',
    remedy: 'Check `reseal:sourceKek`; the next run tries these values again.',
    ask: 'is reseal:sourceKek the key that wrapped these data keys?',
  },
  'kek-destroyed': {
    meaning:
      'The version of the KEK that wrapped the data key is destroyed: Cloud KMS has no key for it any more, and nobody can open the value.',
    remedy:
      'Have the application write the value anew, or empty its `cipher_text`. If the version was imported and is imported again, `--mode rejected` takes these values.',
    ask: 'a version of reseal:sourceKek is destroyed: is that meant, and are these values given up?',
  },
  'key-length': {
    meaning: 'The unwrapped data key does not have 16, 24 or 32 bytes.',
    remedy: 'The application wrapped something else; check `sourceFormat`.',
    ask: FORMAT,
  },
  'unknown-key': {
    meaning:
      'The unwrapped bytes are not a keyset, or the keyset has no enabled key with the id that the cipher text names.',
    remedy: 'Check `sourceFormat`, and whether the key was removed from the keyset.',
    ask: FORMAT,
  },
  truncated: {
    meaning: 'There are fewer bytes than the IV, the tag and any prefix take.',
    remedy: 'The value was cut off, for instance by the width of a column.',
    ask: FORMAT,
  },
  version: {
    meaning: 'A Tink ciphertext does not start with 0x01.',
    remedy: 'The row is not in the `tink` format.',
    ask: FORMAT,
  },
  'iv-length': {
    meaning: '`dotted`: the IV has neither 12 nor 16 bytes.',
    remedy: 'The row is in no format that Reseal knows.',
    ask: FORMAT,
  },
  unauthenticated: {
    meaning:
      '`dotted` with an IV of 16 bytes, which is AES-CBC: nothing proves that the value is what the application encrypted, and the stack has `unauthenticated: reject`. It was not opened.',
    remedy:
      'Have the application encrypt it with AES-GCM. Or set `reseal:unauthenticated` to `accept`, and `reseal:valuePattern` with it: the next run takes these values again.',
    ask: 'AES-CBC proves nothing; does reseal:unauthenticated have to be accept?',
  },
  'block-length': {
    meaning: '`dotted` with an IV of 16 bytes: the ciphertext is not a whole number of AES blocks.',
    remedy: 'The value was cut off.',
  },
  authentication: {
    meaning: 'The GCM tag does not match the key, the IV and the bytes.',
    remedy: 'The row was damaged, or its dek belongs to another row.',
    ask: 'is reseal:sourceFormat right, and do dek and cipher_text belong together?',
  },
  padding: {
    meaning: 'The CBC padding is invalid.',
    remedy:
      'As for `authentication`. CBC has no tag, so valid padding proves little: [security.md](security.md#what-is-proved-of-a-value-and-what-is-not).',
  },
  'plaintext-not-utf8': {
    meaning: 'The value opened, but its bytes are not UTF-8 text.',
    remedy: '`AEAD.DECRYPT_STRING` could not return it; look at what the application encrypted.',
  },
  'value-pattern': {
    meaning: "The value opened, but as a whole it does not match the field's `valuePattern`.",
    remedy:
      'The row was damaged or forged, or the pattern is too narrow: once it changes, the next run takes these values again.',
    ask: 'is reseal:valuePattern too narrow?',
  },
} as const satisfies Readonly<Record<string, ReasonNotes>>;

export type Reason = keyof typeof NOTES;
export const REASON_NOTES: Readonly<Record<Reason, ReasonNotes>> = NOTES;
export const REASONS = Object.keys(NOTES) as [Reason, ...Reason[]];

/** The texts of docs/reasons.md in plain words: without its marks and links. */
const plain = (text: string): string => text.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').replaceAll('`', '');

const notesOf = (word: string): ReasonNotes | undefined =>
  (REASON_NOTES as Readonly<Record<string, ReasonNotes>>)[word];

/**
 * What to do about a reason, in plain words.
 *
 * @example
 * remedyOf('version'); // 'The row is not in the tink format.'
 */
export const remedyOf = (word: string): string =>
  plain(notesOf(word)?.remedy ?? 'docs/reasons.md of a newer version may say.');

/**
 * What is true of a value that has a reason, in plain words.
 *
 * @example
 * meaningOf('version'); // 'A Tink ciphertext does not start with 0x01.'
 */
export const meaningOf = (word: string): string =>
  plain(notesOf(word)?.meaning ?? 'A reason that this version does not know.');

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
