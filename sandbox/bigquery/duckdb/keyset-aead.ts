import { randomInt } from 'node:crypto';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { ALGORITHMS } from '../../../jobs/contract/algorithms.ts';
import { Rejection } from '../../../jobs/contract/reasons.ts';
import { type Aead, aead } from '../../../jobs/envelope/aead.ts';
import {
  type AesKey,
  aesKey,
  BLOCK_BYTES,
  cbcOpen,
  gcmOpen,
  gcmSeal,
  IV_BYTES,
  TAG_BYTES,
} from '../../../jobs/envelope/aes.ts';
import { deterministicAead } from '../../../jobs/envelope/deterministic-aead.ts';
import {
  AES_GCM_TYPE_URL,
  type Keyset,
  type KeysetKey,
  newKeyset,
  parseKeyset,
  serializeKeyset,
} from '../../../jobs/envelope/keysets.ts';

/**
 * What KEYS.ADD_KEY_FROM_RAW_BYTES calls a key, the lengths that it takes, and the type of key that it makes. The names
 * of the types are those of GoogleSQL's compliance test (keys.test, keys_raw_bytes_from_table_mixed_types); what stands
 * inside an AesCbcPkcs7Key is published nowhere, so here it has the fields of an AesGcmKey.
 */
const RAW_KEYS: ReadonlyMap<string, { readonly lengths: readonly number[]; readonly typeUrl: string }> =
  new Map([
    ['AES_GCM', { lengths: [16, 32], typeUrl: AES_GCM_TYPE_URL }],
    [
      'AES_CBC_PKCS',
      { lengths: [16, 24, 32], typeUrl: 'type.googleapis.com/google.crypto.tink.AesCbcPkcs7Key' },
    ],
  ]);
const CBC_TYPE_URL = RAW_KEYS.get('AES_CBC_PKCS')?.typeUrl;
const NO_PREFIX = new Uint8Array();
const [KEY_VALUE, ENABLED, SYMMETRIC, RAW] = [3, 1, 1, 3];

/** A key that cannot be added, in GoogleSQL's words. */
export class UnfitKey extends Error {}

/**
 * What KEYS.NEW_KEYSET makes.
 *
 * @throws UnfitKey for a type that there is not
 */
export function newSerializedKeyset(type: string): Buffer {
  const known = ALGORITHMS.find((one) => one === type);
  if (known === undefined) throw new UnfitKey(`Invalid key type provided to KEYS.NEW_KEYSET: ${type}`);
  return serializeKeyset(newKeyset(known));
}

/**
 * A serialised keyset with one more key, RAW and not the primary one.
 *
 * @throws UnfitKey for a type or a length that GoogleSQL does not take
 */
export function addRawKey(keyset: Uint8Array, type: string, bytes: Uint8Array): Buffer {
  const kind = RAW_KEYS.get(type);
  if (kind === undefined)
    throw new UnfitKey(`Invalid key type provided to KEYS.ADD_KEY_FROM_RAW_BYTES: ${type}`);
  if (!kind.lengths.includes(bytes.length)) {
    const fit = kind.lengths.join(', ').replace(/,? (\d+)$/, kind.lengths.length > 2 ? ', or $1' : ' or $1');
    throw new UnfitKey(
      `Failed to add a key from raw bytes: Unsupported key size: ${bytes.length} bytes; expected ${fit} bytes.`,
    );
  }
  const taken = keyset.length === 0 ? [] : parseKeyset(keyset).keys.map(({ id }) => id);
  let id = 0;
  while (id === 0 || taken.includes(id)) id = randomInt(2 ** 32);
  const key = new BinaryWriter().tag(2, WireType.LengthDelimited).fork();
  key.tag(1, WireType.LengthDelimited).fork();
  key.tag(1, WireType.LengthDelimited).string(kind.typeUrl);
  key.tag(2, WireType.LengthDelimited).fork().tag(KEY_VALUE, WireType.LengthDelimited).bytes(bytes).join();
  key.tag(3, WireType.Varint).int32(SYMMETRIC).join();
  key.tag(2, WireType.Varint).int32(ENABLED).tag(3, WireType.Varint).uint32(id);
  key.tag(4, WireType.Varint).int32(RAW).join();
  // A repeated field may go on behind the message (protobuf encoding, "Last One Wins").
  return Buffer.concat([keyset, key.finish()]);
}

/**
 * What BigQuery does with a serialised keyset: the keys of Tink, and RAW ones of AES-GCM and AES-CBC. What fits no key
 * by its prefix is tried with every RAW one, as Tink does.
 *
 * @throws Rejection `unknown-key` where there is no enabled primary key, `key-length` for an AES-GCM key of 192 bits,
 * which Tink does not take
 */
export function keysetAead(serialized: Uint8Array, prepare: (bytes: Uint8Array) => AesKey = aesKey): Aead {
  const keyset = parseKeyset(serialized);
  const { enabled, primary } = enabledKeys(keyset);
  for (const { aes } of enabled) if (aes?.length === 24) throw new Rejection('key-length');
  const raw = enabled.filter((key) => !key.tinkPrefix);
  return raw.length === 0
    ? aeadOf(keyset, prepare)
    : withRawKeys(keyset, primary, raw, cbcKeys(serialized), prepare);
}

/**
 * The AEAD of a keyset without RAW keys. Tink makes none of a keyset with a key of another kind.
 *
 * @throws Rejection `unknown-key`, `key-length`
 */
export function aeadOf(keyset: Keyset, prepare?: (bytes: Uint8Array) => AesKey): Aead {
  if (enabledKeys(keyset).enabled.some(({ siv }) => siv !== null)) throw new Rejection('unknown-key');
  return aead(keyset, prepare);
}

/**
 * The same for the functions DETERMINISTIC_*.
 *
 * @throws Rejection `unknown-key`, `key-length`
 */
export function deterministicOf(keyset: Keyset): Aead {
  if (enabledKeys(keyset).enabled.some(({ siv }) => siv === null)) throw new Rejection('unknown-key');
  return deterministicAead(keyset);
}

function enabledKeys({ keys, primaryKeyId }: Keyset): { enabled: KeysetKey[]; primary: KeysetKey } {
  const enabled = keys.filter((key) => key.enabled);
  const primary = enabled.find(({ id }) => id === primaryKeyId);
  if (primary === undefined) throw new Rejection('unknown-key');
  return { enabled, primary };
}

function withRawKeys(
  keyset: Keyset,
  primary: KeysetKey,
  raw: readonly KeysetKey[],
  cbc: ReadonlyMap<number, Uint8Array>,
  prepare: (bytes: Uint8Array) => AesKey,
): Aead {
  const prefixed = raw.length === keyset.keys.length ? null : aead(keyset, prepare);
  const openers = raw.map(({ id, aes }) => {
    if (aes !== null) return openerOfGcm(prepare(aes));
    const key = cbc.get(id);
    if (key === undefined) throw new Rejection('unknown-key');
    return openerOfCbc(prepare(key));
  });
  return {
    seal(plaintext, aad) {
      if (primary.tinkPrefix && prefixed !== null) return prefixed.seal(plaintext, aad);
      if (primary.aes === null) throw new Rejection('unknown-key');
      return gcmSeal(NO_PREFIX, prepare(primary.aes), plaintext, aad);
    },
    open(ciphertext, aad) {
      for (const open of [...(prefixed === null ? [] : [prefixed.open]), ...openers]) {
        const opened = orRejected(() => open(ciphertext, aad));
        if (opened !== null) return opened;
      }
      throw new Rejection('authentication');
    },
  };
}

type Open = Aead['open'];

const openerOfGcm =
  (key: AesKey): Open =>
  (sealed, aad) => {
    if (sealed.length < IV_BYTES + TAG_BYTES) throw new Rejection('truncated');
    return gcmOpen(key, sealed.subarray(0, IV_BYTES), sealed.subarray(IV_BYTES), aad);
  };

/** IV, then what was encrypted; AES-CBC has nothing that additional data could be bound to. */
const openerOfCbc =
  (key: AesKey): Open =>
  (sealed) => {
    if (sealed.length < 2 * BLOCK_BYTES || sealed.length % BLOCK_BYTES !== 0)
      throw new Rejection('block-length');
    return cbcOpen(key, sealed.subarray(0, BLOCK_BYTES), sealed.subarray(BLOCK_BYTES));
  };

function orRejected(work: () => Buffer): Buffer | null {
  try {
    return work();
  } catch (error) {
    if (error instanceof Rejection) return null;
    throw error;
  }
}

/** The bytes of a keyset's AES-CBC keys by the keys' ids; `parseKeyset`, the product's own, knows AES-GCM alone. */
function cbcKeys(serialized: Uint8Array): Map<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  for (const key of fields(serialized).filter(({ field }) => field === 2)) {
    const parts = fields(key.bytes);
    const data = fields(parts.find(({ field }) => field === 1)?.bytes ?? NO_PREFIX);
    const typeUrl = data.find(({ field }) => field === 1)?.bytes ?? NO_PREFIX;
    if (Buffer.from(typeUrl).toString('latin1') !== CBC_TYPE_URL) continue;
    const inside = fields(data.find(({ field }) => field === 2)?.bytes ?? NO_PREFIX);
    const value = inside.find(({ field }) => field === KEY_VALUE)?.bytes ?? NO_PREFIX;
    found.set(parts.find(({ field }) => field === 3)?.number ?? 0, value);
  }
  return found;
}

/** The fields of a message that `parseKeyset` has read already. */
function fields(message: Uint8Array): { field: number; bytes: Uint8Array; number: number }[] {
  const reader = new BinaryReader(message);
  const found: { field: number; bytes: Uint8Array; number: number }[] = [];
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag();
    if (wire === WireType.LengthDelimited) found.push({ field, bytes: reader.bytes(), number: 0 });
    else if (wire === WireType.Varint) found.push({ field, bytes: NO_PREFIX, number: reader.uint32() });
    else reader.skip(wire, field);
  }
  return found;
}
