import { LRUCache } from 'lru-cache';
import PQueue from 'p-queue';
import { type Reason, Rejection } from '../contract/reasons.ts';
import type { DataKey, WrappedKey } from './brands.ts';

/** Unwraps data keys and keysets. */
export interface KeyService {
  /**
   * One Decrypt of Cloud KMS, with empty AAD. Throws Rejection `dek-refused` where KMS will never open this
   * ciphertext, ResealError where no key would open.
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
  /** KMS calls a second at the most. */
  readonly callsPerSecond: number;
}

/** KMS calls under way at once: at some 10 ms a call enough to fill the default rate. */
const CONCURRENCY = 16;
/**
 * The rate is kept in slices of a tenth of a second, so that no second starts with a burst, and a tenth below
 * the limit, since a second that starts amid a slice touches eleven of them.
 */
const SLICE_MS = 100;
const SHARE = 0.9;

export function dataKeys(service: KeyService, kek: string, options: DataKeyOptions): DataKeys {
  const queue = new PQueue({
    concurrency: CONCURRENCY,
    intervalCap: Math.max(1, Math.floor((options.callsPerSecond * SHARE * SLICE_MS) / 1000)),
    interval: SLICE_MS,
  });
  const cache = new LRUCache<string, { readonly key: Unwrapped }, WrappedKey>({
    max: options.capacity,
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
    clear: () => cache.clear(),
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
