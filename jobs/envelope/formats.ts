import { isUtf8 } from 'node:buffer';
import { Rejection } from '../contract/reasons.ts';
import type { SourceFormat, Unauthenticated } from '../contract/settings/choices.ts';
import { aead } from './aead.ts';
import { type AesKey, aesKey, BLOCK_BYTES, cbcOpen, gcmOpen, IV_BYTES, TAG_BYTES } from './aes.ts';
import { asPlaintext, asWrappedKey, type DataKey, type Plaintext, type WrappedKey } from './brands.ts';
import { decodeCipherText, decodeDek } from './encoding.ts';
import { parseAesGcmKey, parseKeyset } from './keysets.ts';

/** What a cipher text opened to. */
interface Opened {
  readonly plaintext: Plaintext;
  /** Whether a tag proves it. AES-CBC has none: whoever can write the source can change what comes out. */
  readonly authenticated: boolean;
}
/** A data key prepared once, opening the cipher texts of many rows. Throws Rejection. */
export type Opener = (cipherText: string) => Opened;

const NO_AAD = new Uint8Array();
/** KmsEnvelopeAead starts with the wrapped key's length, big-endian. */
export const ENVELOPE_LENGTH_BYTES = 4;

interface Format {
  /** The wrapped data key of a row, from its dek column or its cipher text. Throws Rejection. */
  wrappedKey(dek: string, cipherText: string): WrappedKey;
  /**
   * Prepares an unwrapped data key; values without a tag are opened or rejected. Throws Rejection `key-length` or
   * `unknown-key`.
   */
  prepare(key: DataKey, unauthenticated: Unauthenticated): Opener;
}

const opened = (bytes: Buffer, authenticated = true): Opened => {
  if (!isUtf8(bytes)) throw new Rejection('plaintext-not-utf8');
  return { plaintext: asPlaintext(bytes), authenticated };
};

/** iv | ct | tag */
function openGcm(key: AesKey, sealed: Buffer): Opened {
  if (sealed.length < IV_BYTES + TAG_BYTES) throw new Rejection('truncated');
  return opened(gcmOpen(key, sealed.subarray(0, IV_BYTES), sealed.subarray(IV_BYTES)));
}

const gcm: Format = {
  wrappedKey: decodeDek,
  prepare(bytes) {
    const key = aesKey(bytes);
    return (cipherText) => openGcm(key, decodeCipherText(cipherText));
  },
};

const dotted: Format = {
  wrappedKey: decodeDek,
  prepare(bytes, unauthenticated) {
    const key = aesKey(bytes);
    return (cipherText) => {
      const [first, second, ...more] = cipherText.split('.');
      if (first === undefined || second === undefined || more.length > 0) throw new Rejection('encoding');
      const [iv, sealed] = [decodeCipherText(first), decodeCipherText(second)];
      if (iv.length === IV_BYTES) {
        if (sealed.length < TAG_BYTES) throw new Rejection('truncated');
        return opened(gcmOpen(key, iv, sealed));
      }
      if (iv.length !== BLOCK_BYTES) throw new Rejection('iv-length');
      // Not even tried: what padding tells of a made-up cipher text is told to nobody.
      if (unauthenticated === 'reject') throw new Rejection('unauthenticated');
      if (sealed.length === 0 || sealed.length % BLOCK_BYTES !== 0) throw new Rejection('block-length');
      return opened(cbcOpen(key, iv, sealed), false);
    };
  },
};

const tink: Format = {
  wrappedKey: decodeDek,
  prepare(bytes) {
    const keyset = aead(parseKeyset(bytes));
    return (cipherText) => opened(keyset.open(decodeCipherText(cipherText), NO_AAD));
  },
};

/** Tink's KmsEnvelopeAead: length | wrapped key | payload, the payload iv | ct | tag. */
function splitEnvelope(cipherText: string): { wrapped: Buffer; payload: Buffer } {
  const bytes = decodeCipherText(cipherText);
  if (bytes.length < ENVELOPE_LENGTH_BYTES) throw new Rejection('truncated');
  const end = ENVELOPE_LENGTH_BYTES + bytes.readUInt32BE(0);
  if (end === ENVELOPE_LENGTH_BYTES || bytes.length < end + IV_BYTES + TAG_BYTES)
    throw new Rejection('truncated');
  return { wrapped: bytes.subarray(ENVELOPE_LENGTH_BYTES, end), payload: bytes.subarray(end) };
}

const tinkEnvelope: Format = {
  wrappedKey: (_dek, cipherText) => asWrappedKey(splitEnvelope(cipherText).wrapped),
  prepare(bytes) {
    const key = aesKey(parseAesGcmKey(bytes));
    return (cipherText) => openGcm(key, splitEnvelope(cipherText).payload);
  },
};

const FORMATS: Record<SourceFormat, Format> = { gcm, dotted, tink, 'tink-envelope': tinkEnvelope };

/**
 * How rows of a source format are read.
 *
 * @example
 * const open = formatOf('gcm').prepare(dataKey, 'reject');
 * open(cipherText).plaintext; // or a Rejection
 */
export function formatOf(name: SourceFormat): Format {
  return FORMATS[name];
}
