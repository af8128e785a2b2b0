import type { SourceFormat } from '../contract/settings/choices.ts';
import type { DataKey } from './brands.ts';
import { formatOf } from './formats.ts';
import {
  AES_GCM_TYPE_URL,
  type Keyset,
  type KeysetKey,
  parseAesGcmKey,
  parseKeyset,
  serializeKeyset,
} from './keysets.ts';

/** What BigQuery opens the values of a data key with. The bytes are fresh: whoever asked wipes them. */
export interface KeyForBigQuery {
  /** A serialised keyset; in the format `dotted`, which has values of two ciphers, the key's own bytes. */
  readonly opener: Uint8Array;
  /** In the format `tink`: the ids of the keys, eight hex digits each, with commas between them. Null otherwise. */
  readonly keyIds: string | null;
}

/** BigQuery takes keys of AES-GCM with 16 and 32 bytes, like Tink: these are left out. */
const AES_192_BYTES = 24;
const RAW_ID = 1;

/**
 * A data key in the form in which BigQuery takes it; null where it takes it in none, which is so for AES-192, which
 * its GCM lacks, and for a key of Tink with the id 0. Throws Rejection `key-length` or `unknown-key` as the format's own `prepare`.
 * https://cloud.google.com/bigquery/docs/reference/standard-sql/aead_encryption_functions#keysadd_key_from_raw_bytes
 *
 * @example
 * keyForBigQuery('gcm', dataKey)?.opener; // a keyset of one RAW key, serialised
 */
export function keyForBigQuery(format: SourceFormat, key: DataKey): KeyForBigQuery | null {
  // What the other engines reject the key for holds here too.
  formatOf(format).prepare(key, 'accept');
  switch (format) {
    case 'gcm':
      return rawKeyset(key);
    case 'tink-envelope':
      return rawKeyset(parseAesGcmKey(key));
    case 'dotted':
      return key.length === AES_192_BYTES ? null : { opener: Uint8Array.from(key), keyIds: null };
    case 'tink':
      return usableKeyset(parseKeyset(key));
  }
}

function rawKeyset(aes: Uint8Array): KeyForBigQuery | null {
  if (aes.length === AES_192_BYTES) return null;
  const raw = { id: RAW_ID, typeUrl: AES_GCM_TYPE_URL, aes, siv: null, enabled: true, tinkPrefix: false };
  return { opener: serializeKeyset({ primaryKeyId: RAW_ID, keys: [raw] }), keyIds: null };
}

/** The keys that open values, as `aead` takes them: of two with one id the later. Tink asks for a primary one. */
function usableKeyset({ primaryKeyId, keys }: Keyset): KeyForBigQuery | null {
  const usable = new Map<number, KeysetKey>();
  for (const key of keys) if (key.enabled && key.tinkPrefix && key.aes !== null) usable.set(key.id, key);
  const kept = [...usable.values()];
  if (kept.some(({ id, aes }) => id === 0 || aes?.length === AES_192_BYTES)) return null;
  const primary = usable.get(primaryKeyId) ?? kept[0];
  return {
    opener: serializeKeyset({ primaryKeyId: primary?.id ?? 0, keys: kept }),
    keyIds: kept.map(({ id }) => id.toString(16).padStart(8, '0')).join(','),
  };
}
