import { randomUUID } from 'node:crypto';
import { type Aead, aead } from '../../../jobs/envelope/aead.ts';
import {
  type Keyset,
  newKeyset,
  parseKeyset,
  rotateKeyset,
  serializeKeyset,
} from '../../../jobs/envelope/keysets.ts';
import { GoogleError, invalidQuery } from '../../http/errors.ts';
import type { Keys } from '../../kms/keys.ts';
import type { Traffic } from '../../kms/traffic.ts';
import type { Access } from '../access.ts';
import type { KeyFunctions } from './key-functions.ts';

/** An unwrapped first-level keyset, ready for many rows. */
export interface OpenKeyset {
  keyset: Keyset;
  aead: Aead;
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
          const keyset = unwrap('KEYS.KEYSET_CHAIN', kms, wrapped);
          const handle = randomUUID();
          this.#open.set(handle, { keyset, aead: prepare('KEYS.KEYSET_CHAIN', keyset) });
          handles.set(id, handle);
          return handle;
        },
        newWrapped: (kms, type) => {
          onlyGcm(type);
          return wrap('KEYS.NEW_WRAPPED_KEYSET', kms, newKeyset());
        },
        rotateWrapped: (kms, wrapped, type) => {
          onlyGcm(type);
          const name = 'KEYS.ROTATE_WRAPPED_KEYSET';
          return wrap(name, kms, rotateKeyset(unwrap(name, kms, wrapped)));
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

function prepare(name: string, keyset: Keyset): Aead {
  try {
    return aead(keyset);
  } catch (error) {
    throw failure(name, error);
  }
}

function onlyGcm(type: string): void {
  if (type === 'AEAD_AES_GCM_256') return;
  throw invalidQuery(`The sandbox has keysets of type AEAD_AES_GCM_256 only, not ${type}`);
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
