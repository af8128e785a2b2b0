import { randomBytes, randomInt } from 'node:crypto';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { Rejection } from '../contract/reasons.ts';

/**
 * google.crypto.tink.Keyset, as far as BigQuery's AEAD functions use it.
 * Field numbers and enum values: proto/tink.proto and proto/aes_gcm.proto of the Tink project.
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
  readonly enabled: boolean;
  /** OutputPrefixType TINK: ciphertexts start with 0x01 and the key's id. */
  readonly tinkPrefix: boolean;
}

export const AES_GCM_TYPE_URL = 'type.googleapis.com/google.crypto.tink.AesGcmKey';
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
 * The key_value (field 3) of a serialised google.crypto.tink.AesGcmKey. Throws Rejection `key-length`.
 *
 * @example
 * parseAesGcmKey(bytes).length; // 16, 24 or 32
 */
export function parseAesGcmKey(bytes: Uint8Array): Uint8Array {
  let key: Uint8Array | null = null;
  try {
    eachField(bytes, { 3: WireType.LengthDelimited }, (_field, reader) => {
      key = reader.bytes();
    });
  } catch {
    key = null;
  }
  if (key === null) throw new Rejection('key-length');
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
 * Writes a Keyset whose keys are all AES-GCM keys. Throws RangeError for a key of another type.
 *
 * @example
 * parseKeyset(serializeKeyset(keyset)); // the same keyset
 */
export function serializeKeyset(keyset: Keyset): Buffer {
  const writer = new BinaryWriter().tag(1, WireType.Varint).uint32(keyset.primaryKeyId);
  for (const key of keyset.keys) {
    if (key.aes === null) throw new RangeError(`cannot write a key of type ${key.typeUrl}`);
    writer.tag(2, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.LengthDelimited).string(key.typeUrl);
    writer.tag(2, WireType.LengthDelimited).fork().tag(3, WireType.LengthDelimited).bytes(key.aes).join();
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

function newKey(taken: readonly KeysetKey[]): KeysetKey {
  let id = 0;
  while (id === 0 || taken.some((key) => key.id === id)) id = randomInt(2 ** 32);
  return { id, typeUrl: AES_GCM_TYPE_URL, aes: randomBytes(32), enabled: true, tinkPrefix: true };
}

/**
 * A keyset of one fresh AES-256-GCM key, as KEYS.NEW_KEYSET('AEAD_AES_GCM_256') makes it.
 *
 * @example
 * newKeyset().keys.length; // 1
 */
export function newKeyset(): Keyset {
  const key = newKey([]);
  return { primaryKeyId: key.id, keys: [key] };
}

/**
 * The keyset with a fresh primary key; the old keys stay and still open what they sealed.
 *
 * @example
 * rotateKeyset(newKeyset()).keys.length; // 2
 */
export function rotateKeyset(keyset: Keyset): Keyset {
  const key = newKey(keyset.keys);
  return { primaryKeyId: key.id, keys: [...keyset.keys, key] };
}

/**
 * Tink's JSON keyset, as KEYS.KEYSET_TO_JSON returns it. Key material in the clear: for the caller only.
 *
 * @example
 * JSON.parse(keysetToJson(keyset)).primaryKeyId;
 */
export function keysetToJson(keyset: Keyset): string {
  const key = keyset.keys.map(({ id, typeUrl, aes, enabled, tinkPrefix }) => ({
    keyData: {
      keyMaterialType: 'SYMMETRIC',
      typeUrl,
      value: aes === null ? '' : Buffer.from(aesGcmKeyBytes(aes)).toString('base64'),
    },
    keyId: id,
    outputPrefixType: tinkPrefix ? 'TINK' : 'RAW',
    status: enabled ? 'ENABLED' : 'DISABLED',
  }));
  return JSON.stringify({ key, primaryKeyId: keyset.primaryKeyId });
}

function aesGcmKeyBytes(aes: Uint8Array): Uint8Array {
  return new BinaryWriter().tag(3, WireType.LengthDelimited).bytes(aes).finish();
}
