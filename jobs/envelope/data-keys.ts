import { LRUCache } from 'lru-cache';
import PQueue from 'p-queue';
import { type Reason, Rejection } from '../contract/reasons.ts';
import type { DataKey, WrappedKey } from './brands.ts';

/** Unwraps data keys and keysets. */
export interface KeyService {
  /**
   * One Decrypt of Cloud KMS, with empty AAD. Throws Rejection `dek-refused` or `kek-destroyed` where KMS will never
   * open this ciphertext, ResealError where no key would open; for a service that has been ended, at once the reason of that.
   */
  unwrap(kek: string, wrapped: WrappedKey): Promise<DataKey>;
  /** Decrypt calls that KMS answered, with a key or a rejection. */
  readonly calls: number;
}

/** A data key, or why there is none. A rejection is remembered too: asking KMS again would not change it. */
export type Unwrapped = DataKey | Reason;

export interface DataKeys {
  /**
   * The unwrapped key. Concurrent requests for one key share one call. The bytes belong to the cache, which
   * wipes them when it evicts the key: copy or use them before asking for `capacity` further keys.
   */
  get(wrapped: WrappedKey): Promise<Unwrapped>;
  /** Wipes and forgets everything. */
  clear(): void;
}

export interface DataKeyOptions {
  /** Keys held at once. */
  readonly capacity: number;
  /** The rate that the key service keeps: it decides how many calls are under way at once. */
  readonly callsPerSecond: number;
}

/** A call waits up to 10 ms for its turn and takes some 10 ms, thrice that when KMS is busy: so many under way fill the rate. */
const SECONDS_A_CALL = 0.04;
const CONCURRENCY = { least: 16, most: 256 };

/**
 * A cache of unwrapped data keys in front of Cloud KMS.
 *
 * @example
 * const keys = dataKeys(service, kek, { … });
 * await keys.get(wrapped); // the key, or the reason why there is none
 */
export function dataKeys(service: KeyService, kek: string, options: DataKeyOptions): DataKeys {
  const { capacity, callsPerSecond } = options;
  const under = Math.ceil(callsPerSecond * SECONDS_A_CALL);
  const queue = new PQueue({ concurrency: Math.min(CONCURRENCY.most, Math.max(CONCURRENCY.least, under)) });
  const cache = new LRUCache<string, { readonly key: Unwrapped }, WrappedKey>({
    max: capacity,
    // What ends the service ends queued calls as soon as their turn comes. A signal of the queue's own would have thousands
    // of listeners, which Node goes through for each that comes or goes.
    fetchMethod: (_text, _stale, { context: wrapped }) => queue.add(() => unwrapped(service, kek, wrapped)),
    dispose: ({ key }) => {
      if (typeof key !== 'string') key.fill(0);
    },
  });
  return {
    async get(wrapped) {
      const { key } = await cache.forceFetch(wrapped.toString('base64'), { context: wrapped });
      return key;
    },
    clear() {
      queue.clear();
      cache.clear();
    },
  };
}

async function unwrapped(service: KeyService, kek: string, wrapped: WrappedKey): Promise<{ key: Unwrapped }> {
  try {
    return { key: await service.unwrap(kek, wrapped) };
  } catch (error) {
    if (error instanceof Rejection) return { key: error.reason };
    throw error;
  }
}
