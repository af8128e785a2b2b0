import { getEventListeners, setMaxListeners } from 'node:events';
import type { KeyManagementServiceClient } from '@google-cloud/kms';
import { describe, expect, it } from 'vitest';
import { asWrappedKey } from '../../jobs/envelope/brands.ts';
import { crc32c } from '../../jobs/envelope/crc32c.ts';
import { dataKeys } from '../../jobs/envelope/data-keys.ts';
import { keyService } from '../../jobs/google/kms.ts';
import { pace } from '../../jobs/google/pace.ts';

const KEY = new Uint8Array(32).fill(7);
const ANSWER = [{ plaintext: KEY, plaintextCrc32c: { value: String(crc32c(KEY)) } }];
const wrapped = (text: string) => asWrappedKey(Buffer.from(text));
const patience = { quotaMs: 1_000, faultMs: 400 };

/** A client that answers each call as told; a thrown function's result never comes. */
function client(answer: (call: number, ciphertext: string) => unknown) {
  let calls = 0;
  const fake = {
    get calls() {
      return calls;
    },
    async decrypt({ ciphertext }: { ciphertext: Uint8Array }) {
      calls += 1;
      return answer(calls, Buffer.from(ciphertext).toString());
    },
  };
  return fake as unknown as typeof fake & KeyManagementServiceClient;
}
const fail = (code: number, message = 'no', more = {}): never => {
  throw Object.assign(new Error(message), { code, ...more });
};
const EXHAUSTED = 8;
const UNAVAILABLE = 14;

describe('a key service', () => {
  it('waits out an exhausted quota for as long as other calls are answered', async () => {
    const limits = pace(1_000);
    const began = performance.now();
    const kms = client((_, text) =>
      text === 'late' && performance.now() - began < 2_500 ? fail(EXHAUSTED) : ANSWER,
    );
    const service = keyService(kms, { pace: limits, patience });
    const others = setInterval(() => void service.unwrap('kek', wrapped('other')), 200);
    await service.unwrap('kek', wrapped('late'));
    clearInterval(others);
    expect(performance.now() - began).toBeGreaterThan(2 * patience.quotaMs);
  });

  it('gives up when the quota has let nothing through for too long, and says what to do', async () => {
    const service = keyService(
      client(() => fail(EXHAUSTED)),
      { pace: pace(1_000), patience },
    );
    const began = performance.now();
    await expect(service.unwrap('kek', wrapped('k'))).rejects.toMatchObject({
      code: 'kms-unavailable',
      message: 'the quota of Cloud KMS has let no call through for 1 s',
      hint: expect.stringContaining('reseal:kmsCallsPerSecond'),
    });
    expect(performance.now() - began).toBeGreaterThan(900);
  });

  it('gives up on other faults after a while', async () => {
    const service = keyService(
      client(() => fail(UNAVAILABLE)),
      { pace: pace(1_000), patience },
    );
    await expect(service.unwrap('kek', wrapped('k'))).rejects.toMatchObject({ code: 'kms-unavailable' });
  });

  it('gives a fault its whole time, however long the quota was waited for before', async () => {
    const began = performance.now();
    let faults = 0;
    const kms = client(() => {
      if (performance.now() - began < 2 * patience.faultMs) return fail(EXHAUSTED);
      return ++faults === 1 ? fail(UNAVAILABLE) : ANSWER;
    });
    expect(await keyService(kms, { pace: pace(1_000), patience }).unwrap('kek', wrapped('k'))).toEqual(KEY);
    expect(faults).toBe(2);
  });

  it('does not count the wait for a turn as time of a fault', async () => {
    let calls = 0;
    const kms = client(() => (++calls === 2 ? fail(UNAVAILABLE) : ANSWER));
    const service = keyService(kms, { pace: pace(1), patience });
    const both = [service.unwrap('kek', wrapped('a')), service.unwrap('kek', wrapped('b'))];
    expect(await Promise.all(both)).toEqual([KEY, KEY]);
  });

  it('nor the wait for the turn of a further try, and all the same gives up on a fault that lasts', async () => {
    const queued = async (faults: number) => {
      let failed = 0;
      const kms = client((_, text) => (text === 'k1' && failed++ < faults ? fail(UNAVAILABLE) : ANSWER));
      // A hundred calls wait for a second, so that each try of one of them comes later than a fault may last.
      const service = keyService(kms, { pace: pace(100), patience });
      const names = Array.from({ length: 100 }, (_, n) => `k${n}`);
      const all = await Promise.allSettled(names.map((name) => service.unwrap('kek', wrapped(name))));
      return all.flatMap((one) => (one.status === 'rejected' ? [one.reason.code] : []));
    };
    expect(await queued(2)).toEqual([]);
    expect(await queued(Number.POSITIVE_INFINITY)).toEqual(['kms-unavailable']);
  });

  it('waits as long as KMS asks for, in RetryInfo or in the header', async () => {
    for (const more of [
      { statusDetails: [{ retryDelay: { seconds: '0', nanos: 700_000_000 } }] },
      { metadata: { get: () => ['0.7'] } },
    ]) {
      const limits = pace(1_000);
      const kms = client((call) => (call > 1 ? ANSWER : fail(EXHAUSTED, 'quota', more)));
      const began = performance.now();
      await keyService(kms, { pace: limits, patience }).unwrap('kek', wrapped('k'));
      expect(performance.now() - began).toBeGreaterThan(690);
    }
  });

  it('names a disabled key version, which is no property of any row', async () => {
    const message = 'projects/p/cryptoKeyVersions/1 is not enabled, current state is: DISABLED.';
    const service = keyService(
      client(() => fail(9, message)),
      { pace: pace(1_000), patience },
    );
    await expect(service.unwrap('projects/p/kek', wrapped('k'))).rejects.toMatchObject({
      code: 'kms-key-disabled',
      message: expect.stringContaining(message),
    });
  });

  it('takes a destroyed version for a property of what it wrapped, and one that is only scheduled for none', async () => {
    const said = (state: string) =>
      keyService(
        client(() => fail(9, `projects/p/cryptoKeyVersions/1 is not enabled, current state is: ${state}.`)),
        { pace: pace(1_000), patience },
      );
    const destroyed = said('DESTROYED');
    await expect(destroyed.unwrap('projects/p/kek', wrapped('k'))).rejects.toMatchObject({
      reason: 'kek-destroyed',
    });
    expect(destroyed.calls).toBe(1);
    await expect(said('DESTROY_SCHEDULED').unwrap('projects/p/kek', wrapped('k'))).rejects.toMatchObject({
      code: 'kms-key-disabled',
      hint: expect.stringContaining('restor'),
    });
  });

  it('does not ask for a role where it does not know who calls', async () => {
    const message = 'Request had invalid authentication credentials.';
    const service = keyService(
      client(() => fail(16, message)),
      { pace: pace(1_000), patience },
    );
    await expect(service.unwrap('projects/p/kek', wrapped('k'))).rejects.toMatchObject({
      code: 'no-credentials',
      hint: expect.stringMatching(/^run `gcloud auth application-default login`/),
    });
  });

  it('leaves nobody waiting once it has been told to end', async () => {
    const end = new AbortController();
    setMaxListeners(0, end.signal);
    const never = new Promise<never>(() => {});
    const kms = client((call) => (call <= 3 ? never : fail(UNAVAILABLE)));
    const service = keyService(kms, { pace: pace(5), signal: end.signal });
    const keys = dataKeys(service, 'kek', { capacity: 1_000, callsPerSecond: 5 });
    const waiting = Array.from({ length: 500 }, (_, n) => keys.get(wrapped(`k${n}`)));
    const settled = Promise.allSettled(waiting);
    // Node goes through all listeners of a signal for each that comes or goes.
    expect(getEventListeners(end.signal, 'abort').length).toBeLessThan(100);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const before = kms.calls;
    const began = performance.now();
    end.abort(new Error('the run ends'));
    expect(new Set((await settled).map((one) => one.status === 'rejected' && one.reason.message))).toEqual(
      new Set(['the run ends']),
    );
    expect(performance.now() - began).toBeLessThan(200);
    keys.clear();
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(kms.calls).toBe(before);
  });
});
