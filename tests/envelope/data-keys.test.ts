import { describe, expect, it } from 'vitest';
import { Rejection } from '../../jobs/contract/reasons.ts';
import { asDataKey, asWrappedKey, type WrappedKey } from '../../jobs/envelope/brands.ts';
import type { KeyService } from '../../jobs/envelope/data-keys.ts';
import { dataKeys } from '../../jobs/envelope/data-keys.ts';

/** A key service that counts, and opens all but what starts with `x`. */
function fake() {
  const handed: Uint8Array[] = [];
  const seen: string[] = [];
  const service: KeyService = {
    get calls() {
      return seen.length;
    },
    async unwrap(_kek, wrapped: WrappedKey) {
      seen.push(wrapped.toString());
      await new Promise((resolve) => setTimeout(resolve, 1));
      if (wrapped.toString().startsWith('x')) throw new Rejection('dek-refused');
      const key = asDataKey(new Uint8Array(32).fill(wrapped[0] ?? 1));
      handed.push(key);
      return key;
    },
  };
  return { service, handed, seen };
}

const wrapped = (text: string): WrappedKey => asWrappedKey(Buffer.from(text));
const options = { capacity: 4, callsPerSecond: 10_000 };

describe('data keys', () => {
  it('are unwrapped once, however many ask at the same time', async () => {
    const { service } = fake();
    const keys = dataKeys(service, 'kek', options);
    await Promise.all(Array.from({ length: 100 }, (_, n) => keys.get(wrapped(`k${n % 3}`))));
    expect(service.calls).toBe(3);
  });

  it('are asked for once, too, where Cloud KMS calls them invalid', async () => {
    const { service } = fake();
    const keys = dataKeys(service, 'kek', options);
    expect(await keys.get(wrapped('x1'))).toBe('dek-refused');
    expect(await keys.get(wrapped('x1'))).toBe('dek-refused');
    expect(service.calls).toBe(1);
  });

  it('are bounded, and wiped when they make room', async () => {
    const { service, handed } = fake();
    const keys = dataKeys(service, 'kek', options);
    for (let n = 0; n < 10; n++) await keys.get(wrapped(`k${n}`));
    expect(handed.map((key) => key.every((byte) => byte === 0))).toEqual([
      ...Array.from({ length: 6 }, () => true),
      ...Array.from({ length: 4 }, () => false),
    ]);
    keys.clear();
    expect(handed.every((key) => key.every((byte) => byte === 0))).toBe(true);
  });

  it('stay unknown after a fault, so that the next try asks again', async () => {
    const { service } = fake();
    let faults = 1;
    const faulty: KeyService = {
      calls: 0,
      unwrap: (kek, key) => (faults-- > 0 ? Promise.reject(new Error('away')) : service.unwrap(kek, key)),
    };
    const keys = dataKeys(faulty, 'kek', options);
    await expect(keys.get(wrapped('k1'))).rejects.toThrow('away');
    expect(await keys.get(wrapped('k1'))).toHaveLength(32);
  });
});
