import { randomFillSync } from 'node:crypto';

const POOL_BYTES = 64 * 1024;
const pool = Buffer.allocUnsafeSlow(POOL_BYTES);
let used = POOL_BYTES;

/**
 * Random bytes for an IV or a key, cut from a pool that the system's generator fills: one call to it for
 * thousands of rows. The view is only good until the pool is refilled: use it at once, or copy it.
 *
 * @example
 * Buffer.from(randomSlice(12)); // a copy that stays
 */
export function randomSlice(length: number): Buffer {
  if (used + length > POOL_BYTES) {
    randomFillSync(pool);
    used = 0;
  }
  const slice = pool.subarray(used, used + length);
  used += length;
  return slice;
}
