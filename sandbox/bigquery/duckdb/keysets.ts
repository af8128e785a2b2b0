import { randomUUID } from 'node:crypto';
import { AEAD, ALGORITHMS, type Algorithm } from '../../../jobs/contract/algorithms.ts';
import type { Aead } from '../../../jobs/envelope/aead.ts';
import {
  type Keyset,
  newKeyset,
  parseKeyset,
  rotateKeyset,
  serializeKeyset,
} from '../../../jobs/envelope/keysets.ts';
import { GoogleError, invalidQuery } from '../../errors/google-error.ts';
import type { Keys } from '../../kms/keys.ts';
import type { Traffic } from '../../kms/traffic.ts';
import type { Access } from '../access.ts';
import type { KeyFunctions } from './key-functions.ts';
import { aeadOf, deterministicOf } from './keyset-aead.ts';

/** An unwrapped first-level keyset, ready for many rows: one or the other, by the type of its keys. */
export interface OpenKeyset {
  /** Throws Rejection for a keyset of the other type. */
  aead(): Aead;
  /** Throws Rejection for a keyset of the other type. */
  deterministic(): Aead;
}

const NO_AAD = new Uint8Array();
const KEY_NAME = /^projects\/[^/]+\/locations\/([^/]+)\/keyRings\/[^/]+\/cryptoKeys\/[^/]+$/;

/**
 * The first-level keysets of running statements. They live here, in memory and under random handles, from
 * the moment that KEYS.KEYSET_CHAIN unwraps them until the statement ends.
 */
export class Keysets {
  readonly #keys: Keys;
  readonly #traffic: Traffic;
  readonly #open = new Map<string, OpenKeyset>();

  constructor(keys: Keys, traffic: Traffic) {
    this.#keys = keys;
    this.#traffic = traffic;
  }

  get(handle: string): OpenKeyset {
    const found = this.#open.get(handle);
    if (!found) throw new Error('a keyset handle outlived its statement');
    return found;
  }

  /** The functions of one statement in a region, and what ends it. */
  statement(location: string, access: Pick<Access, 'key'>): { functions: KeyFunctions; close: () => void } {
    const handles = new Map<string, string>();
    const unwrap = (name: string, kms: string, wrapped: Uint8Array): Keyset => {
      const key = this.#keyOf(name, kms, location);
      try {
        access.key('cloudkms.cryptoKeyVersions.useToDecryptViaDelegation', key);
        return parseKeyset(this.#keys.decrypt(key, wrapped, NO_AAD).plaintext);
      } catch (error) {
        throw failure(name, error);
      }
    };
    const wrap = (name: string, kms: string, keyset: Keyset): Buffer => {
      const key = this.#keyOf(name, kms, location);
      try {
        access.key('cloudkms.cryptoKeyVersions.useToEncryptViaDelegation', key);
        return this.#keys.encrypt(key, serializeKeyset(keyset), NO_AAD).ciphertext;
      } catch (error) {
        throw failure(name, error);
      }
    };
    return {
      functions: {
        chain: (kms, wrapped) => {
          const id = `${kms}\n${Buffer.from(wrapped).toString('base64')}`;
          const known = handles.get(id);
          if (known) return known;
          const handle = randomUUID();
          this.#open.set(handle, opened(unwrap('KEYS.KEYSET_CHAIN', kms, wrapped)));
          handles.set(id, handle);
          return handle;
        },
        newWrapped: (kms, type) => {
          const name = 'KEYS.NEW_WRAPPED_KEYSET';
          return wrap(name, kms, newKeyset(algorithm(name, type)));
        },
        rotateWrapped: (kms, wrapped, type) => {
          const name = 'KEYS.ROTATE_WRAPPED_KEYSET';
          return wrap(name, kms, rotated(name, unwrap(name, kms, wrapped), algorithm(name, type)));
        },
        rewrap: (source, target, wrapped) =>
          wrap('KEYS.REWRAP_KEYSET', target, unwrap('KEYS.REWRAP_KEYSET', source, wrapped)),
      },
      close: () => {
        for (const handle of handles.values()) this.#open.delete(handle);
      },
    };
  }

  /** The key's resource name. BigQuery takes keys of the query's own region only, never `global`. */
  #keyOf(name: string, kms: string, location: string): string {
    const key = kms.startsWith('gcp-kms://') ? kms.slice('gcp-kms://'.length) : '';
    const region = KEY_NAME.exec(key)?.[1];
    if (region === undefined) {
      throw invalidQuery(`${name} failed: Invalid Cloud KMS key URI, expected gcp-kms://projects/…`);
    }
    if (region.toLowerCase() !== location.toLowerCase()) {
      throw invalidQuery(
        `${name} failed: Cloud KMS key in location ${region} cannot be used by a query in ${location}`,
      );
    }
    this.#traffic.countBigQuery(key);
    return key;
  }
}

function opened(keyset: Keyset): OpenKeyset {
  const once = (prepare: (keyset: Keyset) => Aead): (() => Aead) => {
    let prepared: Aead | undefined;
    return () => {
      prepared ??= prepare(keyset);
      return prepared;
    };
  };
  return { aead: once(aeadOf), deterministic: once(deterministicOf) };
}

/** @throws GoogleError for a type that there is not */
function algorithm(name: string, type: string): Algorithm {
  const known = ALGORITHMS.find((one) => one === type);
  if (known !== undefined) return known;
  throw invalidQuery(
    `Second argument (key type) in function ${name} must be one of '${ALGORITHMS.join("', '")}', but is '${type}'`,
  );
}

/**
 * "The new `key_type` must match the key type of existing keys in the `keyset`":
 * https://cloud.google.com/bigquery/docs/reference/standard-sql/aead_encryption_functions#keysrotate_keyset
 */
function rotated(name: string, keyset: Keyset, type: Algorithm): Keyset {
  if (keyset.keys.every(({ siv }) => (siv === null) === (type === AEAD))) return rotateKeyset(keyset, type);
  throw invalidQuery(`${name} failed: the keyset has keys of another type than ${type}`);
}

/** The failure as BigQuery reports it. Cloud KMS's own messages may be shown: they name keys, never their bytes. */
function failure(name: string, error: unknown): GoogleError {
  if (error instanceof GoogleError) {
    const { status } = error;
    if (status === 'NOT_FOUND' || status === 'PERMISSION_DENIED') {
      return new GoogleError(status, `${name} failed: ${error.message}`, { location: 'query' });
    }
    return invalidQuery(`${name} failed: ${error.message}`);
  }
  return invalidQuery(`${name} failed: the wrapped keyset is not a Tink keyset`);
}
