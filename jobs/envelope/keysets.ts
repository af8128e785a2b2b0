import { randomBytes, randomInt } from 'node:crypto';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { AEAD, type Algorithm, DETERMINISTIC } from '../contract/algorithms.ts';
import { Rejection } from '../contract/reasons.ts';

/**
 * google.crypto.tink.Keyset, as far as BigQuery's AEAD functions use it.
 * Field numbers and enum values: proto/tink.proto, proto/aes_gcm.proto and proto/aes_siv.proto of the Tink project.
 */
export interface Keyset {
  readonly primaryKeyId: number;
  readonly keys: readonly KeysetKey[];
}
export interface KeysetKey {
  readonly id: number;
  readonly typeUrl: string;
  /** The AES key of an AesGcmKey; null for a key of another type. */
  readonly aes: Uint8Array | null;
  /** The two AES keys of an AesSivKey, one behind the other; null for a key of another type. */
  readonly siv: Uint8Array | null;
  readonly enabled: boolean;
  /** OutputPrefixType TINK: ciphertexts start with 0x01 and the key's id. */
  readonly tinkPrefix: boolean;
}

export const AES_GCM_TYPE_URL = 'type.googleapis.com/google.crypto.tink.AesGcmKey';
const AES_SIV_TYPE_URL = 'type.googleapis.com/google.crypto.tink.AesSivKey';
/** Where key_value stands in an AesGcmKey and in an AesSivKey. */
const [GCM_KEY_VALUE, SIV_KEY_VALUE] = [3, 2];
/** What BigQuery makes: an AES-256 key, and two of them for AES-SIV. */
const KEY_BYTES: Readonly<Record<Algorithm, number>> = { [AEAD]: 32, [DETERMINISTIC]: 64 };
const STATUS_ENABLED = 1;
const PREFIX_TINK = 1;
const SYMMETRIC = 1;

/**
 * Calls `take` with each field of a message that has the wire type given for it. All others are skipped, as unknown ones
 * are (protobuf encoding, "Message Structure"); groups, which no message of Tink has, are malformed.
 */
function eachField(
  bytes: Uint8Array,
  wires: Readonly<Record<number, WireType>>,
  take: (field: number, reader: BinaryReader) => void,
): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag();
    if (wire === WireType.StartGroup || wire === WireType.EndGroup) throw new Rejection('unknown-key');
    if (wires[field] === wire) take(field, reader);
    // `skip` would go over a number of any length; ten bytes are the most.
    else if (wire === WireType.Varint) reader.uint64();
    else reader.skip(wire, field);
  }
}

/**
 * The key_value of a serialised google.crypto.tink.AesGcmKey. Throws Rejection `key-length`.
 *
 * @example
 * parseAesGcmKey(bytes).length; // 16, 24 or 32
 */
export function parseAesGcmKey(bytes: Uint8Array): Uint8Array {
  const key = keyValue(bytes, GCM_KEY_VALUE);
  if (key === null) throw new Rejection('key-length');
  return key;
}

/** The bytes of a field; null where there are none, or the message is malformed. */
function keyValue(bytes: Uint8Array, field: number): Uint8Array | null {
  let key: Uint8Array | null = null;
  try {
    eachField(bytes, { [field]: WireType.LengthDelimited }, (_field, reader) => {
      key = reader.bytes();
    });
  } catch {
    return null;
  }
  return key;
}

interface KeyData {
  typeUrl: string;
  value: Uint8Array;
}

function parseKeyData(bytes: Uint8Array): KeyData {
  const data: KeyData = { typeUrl: '', value: new Uint8Array() };
  eachField(bytes, { 1: WireType.LengthDelimited, 2: WireType.LengthDelimited }, (field, reader) => {
    if (field === 1) data.typeUrl = Buffer.from(reader.bytes()).toString('latin1');
    else data.value = reader.bytes();
  });
  return data;
}

function parseKey(bytes: Uint8Array): KeysetKey {
  let data: KeyData = { typeUrl: '', value: new Uint8Array() };
  let [status, id, prefix] = [0, 0, 0];
  const wires = { 1: WireType.LengthDelimited, 2: WireType.Varint, 3: WireType.Varint, 4: WireType.Varint };
  eachField(bytes, wires, (field, reader) => {
    if (field === 1) data = parseKeyData(reader.bytes());
    else if (field === 2) status = reader.int32();
    else if (field === 3) id = reader.uint32();
    else prefix = reader.int32();
  });
  return {
    id,
    typeUrl: data.typeUrl,
    aes: data.typeUrl === AES_GCM_TYPE_URL ? parseAesGcmKey(data.value) : null,
    siv: data.typeUrl === AES_SIV_TYPE_URL ? keyValue(data.value, SIV_KEY_VALUE) : null,
    enabled: status === STATUS_ENABLED,
    tinkPrefix: prefix === PREFIX_TINK,
  };
}

/**
 * Reads a serialised Keyset. Throws Rejection `unknown-key` where it is none or holds no key.
 *
 * @example
 * parseKeyset(bytes).primaryKeyId;
 */
export function parseKeyset(bytes: Uint8Array): Keyset {
  const keys: KeysetKey[] = [];
  let primaryKeyId = 0;
  try {
    eachField(bytes, { 1: WireType.Varint, 2: WireType.LengthDelimited }, (field, reader) => {
      if (field === 1) primaryKeyId = reader.uint32();
      else keys.push(parseKey(reader.bytes()));
    });
  } catch (error) {
    throw error instanceof Rejection ? error : new Rejection('unknown-key');
  }
  if (keys.length === 0) throw new Rejection('unknown-key');
  return { primaryKeyId, keys };
}

/**
 * Writes a Keyset whose keys are all of AES-GCM or AES-SIV. Throws RangeError for a key of another type.
 *
 * @example
 * parseKeyset(serializeKeyset(keyset)); // the same keyset
 */
export function serializeKeyset(keyset: Keyset): Buffer {
  const writer = new BinaryWriter().tag(1, WireType.Varint).uint32(keyset.primaryKeyId);
  for (const key of keyset.keys) {
    writer.tag(2, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.LengthDelimited).string(key.typeUrl);
    writer.tag(2, WireType.LengthDelimited).bytes(keyMessage(key));
    writer.tag(3, WireType.Varint).int32(SYMMETRIC).join();
    writer.tag(2, WireType.Varint).int32(key.enabled ? STATUS_ENABLED : 2);
    writer.tag(3, WireType.Varint).uint32(key.id);
    writer
      .tag(4, WireType.Varint)
      .int32(key.tinkPrefix ? PREFIX_TINK : 3)
      .join();
  }
  return Buffer.from(writer.finish());
}

/** A key as an AesGcmKey or an AesSivKey, serialised. */
function keyMessage({ typeUrl, aes, siv }: KeysetKey): Uint8Array {
  const key = aes ?? siv;
  if (key === null) throw new RangeError(`cannot write a key of type ${typeUrl}`);
  const field = aes === null ? SIV_KEY_VALUE : GCM_KEY_VALUE;
  return new BinaryWriter().tag(field, WireType.LengthDelimited).bytes(key).finish();
}

function newKey(algorithm: Algorithm, taken: readonly KeysetKey[]): KeysetKey {
  let id = 0;
  while (id === 0 || taken.some((key) => key.id === id)) id = randomInt(2 ** 32);
  const key = randomBytes(KEY_BYTES[algorithm]);
  const material =
    algorithm === DETERMINISTIC
      ? { typeUrl: AES_SIV_TYPE_URL, aes: null, siv: key }
      : { typeUrl: AES_GCM_TYPE_URL, aes: key, siv: null };
  return { id, ...material, enabled: true, tinkPrefix: true };
}

/**
 * A keyset of one fresh key, as KEYS.NEW_KEYSET makes it.
 *
 * @example
 * newKeyset('AEAD_AES_GCM_256').keys.length; // 1
 */
export function newKeyset(algorithm: Algorithm = AEAD): Keyset {
  const key = newKey(algorithm, []);
  return { primaryKeyId: key.id, keys: [key] };
}

/**
 * The keyset with a fresh primary key; the old keys stay and still open what they sealed.
 *
 * @example
 * rotateKeyset(newKeyset()).keys.length; // 2
 */
export function rotateKeyset(keyset: Keyset, algorithm: Algorithm = AEAD): Keyset {
  const key = newKey(algorithm, keyset.keys);
  return { primaryKeyId: key.id, keys: [...keyset.keys, key] };
}

/**
 * Tink's JSON keyset, as KEYS.KEYSET_TO_JSON returns it. Key material in the clear: for the caller only.
 *
 * @example
 * JSON.parse(keysetToJson(keyset)).primaryKeyId;
 */
export function keysetToJson(keyset: Keyset): string {
  const key = keyset.keys.map((key) => ({
    keyData: {
      keyMaterialType: 'SYMMETRIC',
      typeUrl: key.typeUrl,
      value: key.aes === null && key.siv === null ? '' : Buffer.from(keyMessage(key)).toString('base64'),
    },
    keyId: key.id,
    outputPrefixType: key.tinkPrefix ? 'TINK' : 'RAW',
    status: key.enabled ? 'ENABLED' : 'DISABLED',
  }));
  return JSON.stringify({ key, primaryKeyId: keyset.primaryKeyId });
}
