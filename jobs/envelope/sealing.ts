import { randomInt } from 'node:crypto';
import type { Keying } from '../contract/settings/choices.ts';
import { type Aead, aead, tinkPrefix } from './aead.ts';
import { type AesKey, aesKeyOnce, gcmSeal } from './aes.ts';
import { asCiphertext, type Ciphertext, type Plaintext } from './brands.ts';
import { deterministicAead } from './deterministic-aead.ts';
import { AES_GCM_TYPE_URL, type Keyset, serializeKeyset } from './keysets.ts';
import { randomSlice } from './random.ts';

/** What becomes of a value. */
interface Sealed {
  /** The row's keyset, sealed; null but in row keying: the merge puts the wrapped keyset there. */
  readonly key: Ciphertext | null;
  readonly value: Ciphertext;
}
/** Seals a value of a row's field. What it is bound to, the keying says: the text of the row's id, or the field's name. */
export type Sealer = (plaintext: Plaintext, id: string, field: string) => Sealed;

/**
 * The first-level keyset made ready for a keying. Throws Rejection `unknown-key` or `key-length` where it seals in
 * another keying or in none.
 *
 * @example
 * sealer('shared', firstLevel('shared', parseKeyset(bytes)));
 */
export const firstLevel = (keying: Keying, keyset: Keyset): Aead =>
  keying === 'deterministic' ? deterministicAead(keyset) : aead(keyset);

/**
 * How values are sealed.
 * - `row`: a fresh AES-256 key a row, as a one-key keyset sealed by the first-level keyset; the value sealed
 *   by the row's key. AAD: the id.
 * - `shared`: the value sealed by the first-level keyset itself, whose wrapped form stands beside it. AAD: the id.
 * - `deterministic`: the same by AES-SIV, with the field's name as AAD: equal values of a field are equal.
 * https://cloud.google.com/bigquery/docs/aead-encryption-concepts
 *
 * @example
 * const seal = sealer('row', firstLevel('row', firstLevelKeyset));
 * const { key, value } = seal(plaintext, '42', 'email');
 */
export function sealer(keying: Keying, keyset: Aead): Sealer {
  if (keying !== 'row') {
    return (plaintext, id, field) => {
      const aad = Buffer.from(keying === 'deterministic' ? field : id);
      return { key: null, value: asCiphertext(keyset.seal(plaintext, aad)) };
    };
  }
  return (plaintext, id) => {
    const aad = Buffer.from(id);
    const row = rowKeyset();
    const value = gcmSeal(row.prefix, row.aes, plaintext, aad);
    return { key: asCiphertext(keyset.seal(row.bytes, aad)), value: asCiphertext(value) };
  };
}

/**
 * Row keysets differ in the key and its id alone, so one is serialised as a template and these are patched
 * in. Ids are drawn from [2^28, 2^32), where a varint always has five bytes, which keeps the layout fixed.
 */
const MIN_ID = 2 ** 28;
const VARINT_BYTES = 5;
const KEY_BYTES = 32;
const template = (() => {
  const aes = Buffer.alloc(KEY_BYTES, 0xa5);
  const bytes = serializeKeyset({
    primaryKeyId: MIN_ID,
    keys: [{ id: MIN_ID, typeUrl: AES_GCM_TYPE_URL, aes, siv: null, enabled: true, tinkPrefix: true }],
  });
  const id = Buffer.alloc(VARINT_BYTES);
  writeVarint(id, 0, MIN_ID);
  return { bytes, aes: bytes.indexOf(aes), primaryId: bytes.indexOf(id), keyId: bytes.lastIndexOf(id) };
})();

/** A base-128 varint, least significant group first (protobuf encoding, "Base 128 Varints"). */
function writeVarint(target: Buffer, at: number, value: number): void {
  let rest = value;
  for (let byte = 0; byte < VARINT_BYTES; byte++) {
    target[at + byte] = (rest & 0x7f) | (byte < VARINT_BYTES - 1 ? 0x80 : 0);
    rest >>>= 7;
  }
}

/** The row's keyset and its key. Overwritten for every row, views and all: a row costs no allocation here. */
const bytes = Buffer.from(template.bytes);
const aes = aesKeyOnce(bytes.subarray(template.aes, template.aes + KEY_BYTES));
const prefix = tinkPrefix(MIN_ID);

function rowKeyset(): { bytes: Uint8Array; aes: AesKey; prefix: Uint8Array } {
  const id = randomInt(MIN_ID, 2 ** 32);
  bytes.set(randomSlice(KEY_BYTES), template.aes);
  writeVarint(bytes, template.primaryId, id);
  writeVarint(bytes, template.keyId, id);
  tinkPrefix(id, prefix);
  return { bytes, aes, prefix };
}
