import type { SourceFormat } from '../contract/settings/choices.ts';
import { TINK_OVERHEAD_BYTES, TINK_VERSION } from '../envelope/aead.ts';
import { BLOCK_BYTES, IV_BYTES, TAG_BYTES } from '../envelope/aes.ts';
import { decodeBase64 } from '../envelope/encoding.ts';
import { ENVELOPE_LENGTH_BYTES } from '../envelope/formats.ts';

/** How the values of a table look from outside: told from their texts, no key is used and no value opened. */

/** A value as it stands in the table. */
export interface Specimen {
  readonly cipherText: string;
  readonly dek: string;
}

export interface SourceShape {
  /** The format that most of the specimens can be of; null where they are of none. */
  readonly format: SourceFormat | null;
  /** How many of them can be of it. */
  readonly fitting: number;
  readonly specimens: number;
  /** How the data keys are written; null where there are none beside the values. */
  readonly dekEncoding: 'base64' | 'hex' | 'mixed' | null;
}

/** The wrapped key that begins an envelope: one of Cloud KMS has some hundred bytes. */
const WRAPPED_KEY = { least: 40, most: 4096 };

/**
 * Which source format the specimens are of. A value of the `gcm` format begins with a random IV and so has the version
 * byte of the `tink` format once in 256 times: only where all of them have it, they are taken for that.
 *
 * @example
 * sourceShape([{ cipherText: 'SGVsbG8gd29ybGQh.c2VjcmV0…', dek: 'CiQA…' }]).format; // 'dotted'
 */
export function sourceShape(specimens: readonly Specimen[]): SourceShape {
  const counts = { dotted: 0, 'tink-envelope': 0, tink: 0, gcm: 0 };
  for (const { cipherText } of specimens) {
    const format = formatOf(cipherText);
    if (format !== null) counts[format]++;
  }
  if (counts.gcm > 0) {
    counts.gcm += counts.tink;
    counts.tink = 0;
  }
  const [format, fitting] = (Object.entries(counts) as [SourceFormat, number][]).reduce((most, one) =>
    one[1] > most[1] ? one : most,
  );
  return {
    format: fitting === 0 ? null : format,
    fitting,
    specimens: specimens.length,
    dekEncoding: dekEncodingOf(specimens),
  };
}

function formatOf(text: string): SourceFormat | null {
  const dot = text.indexOf('.');
  if (dot >= 0) {
    const [iv, body] = [decodeBase64(text.slice(0, dot)), decodeBase64(text.slice(dot + 1))];
    if (iv === null || body === null) return null;
    const gcm = iv.length === IV_BYTES && body.length >= TAG_BYTES;
    const cbc = iv.length === BLOCK_BYTES && body.length > 0 && body.length % BLOCK_BYTES === 0;
    return gcm || cbc ? 'dotted' : null;
  }
  const bytes = decodeBase64(text);
  if (bytes === null || bytes.length < IV_BYTES + TAG_BYTES) return null;
  const wrapped = bytes.readUInt32BE(0);
  const rest = bytes.length - ENVELOPE_LENGTH_BYTES - wrapped;
  if (wrapped >= WRAPPED_KEY.least && wrapped <= WRAPPED_KEY.most && rest >= IV_BYTES + TAG_BYTES)
    return 'tink-envelope';
  return bytes[0] === TINK_VERSION && bytes.length >= TINK_OVERHEAD_BYTES ? 'tink' : 'gcm';
}

function dekEncodingOf(specimens: readonly Specimen[]): SourceShape['dekEncoding'] {
  const kinds = new Set(
    specimens
      .filter(({ dek }) => dek !== '')
      .map(({ dek }) => (/^([0-9a-f]{2})+$/i.test(dek) ? 'hex' : 'base64')),
  );
  if (kinds.size > 1) return 'mixed';
  return [...kinds][0] ?? null;
}
