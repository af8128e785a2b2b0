import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { type Clock, type Pace, pace } from '../../jobs/google/pace.ts';

/** Time that passes only when a test says so; timers fire late by `lateness`, as real ones do. */
class FakeClock implements Clock {
  time = 0;
  readonly #timers: { at: number; act: () => void }[] = [];
  readonly #lateness: () => number;
  constructor(lateness: () => number = () => 0) {
    this.#lateness = lateness;
  }
  now(): number {
    return this.time;
  }
  after(ms: number, act: () => void): void {
    this.#timers.push({ at: this.time + ms + this.#lateness(), act });
  }
  /** Fires all timers up to a moment, in order, and lets what waits for them go on. */
  async until(moment: number): Promise<void> {
    for (;;) {
      this.#timers.sort((a, b) => a.at - b.at);
      const next = this.#timers[0];
      if (next === undefined || next.at > moment) break;
      this.#timers.shift();
      this.time = Math.max(this.time, next.at);
      next.act();
      await settle();
    }
    this.time = moment;
  }
}

const settle = async (): Promise<void> => {
  for (let n = 0; n < 3; n++) await Promise.resolve();
};

/** So many calls, all asked for at once; the moments at which they were made. */
function calls(keeper: Pace, clock: Clock, count: number, moments: number[]): void {
  for (let n = 0; n < count; n++) void keeper.turn().then(() => moments.push(clock.now()));
}

/** The most calls in any second, whenever it begins. */
function busiestSecond(moments: readonly number[]): number {
  let [most, first] = [0, 0];
  for (let last = 0; last < moments.length; last++) {
    while ((moments[last] as number) - (moments[first] as number) >= 1000) first++;
    most = Math.max(most, last - first + 1);
  }
  return most;
}

describe('a pace', () => {
  it('never lets more than its rate into any second, from 1 to 5,000 a second', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 5_000 }),
        fc.array(fc.record({ share: fc.double({ min: 0, max: 2, noNaN: true }), pause: fc.nat(2_500) }), {
          minLength: 1,
          maxLength: 5,
        }),
        fc.infiniteStream(fc.nat(40)),
        async (rate, bursts, lateness) => {
          const clock = new FakeClock(() => lateness.next().value as number);
          const keeper = pace(rate, clock);
          const moments: number[] = [];
          for (const { share, pause } of bursts) {
            calls(keeper, clock, Math.ceil(rate * share), moments);
            await settle();
            await clock.until(clock.time + pause);
          }
          await clock.until(clock.time + 3_000);
          expect(busiestSecond(moments)).toBeLessThanOrEqual(rate);
        },
      ),
      { numRuns: 60 },
    );
  });

  it.each([1, 3, 9, 10, 500, 5_000])('makes use of a rate of %d', async (rate) => {
    const clock = new FakeClock(() => 1);
    const moments: number[] = [];
    calls(pace(rate, clock), clock, rate * 10, moments);
    await settle();
    await clock.until(10_000);
    expect(moments.length).toBeGreaterThanOrEqual(Math.floor(rate * 10 * 0.9));
  });

  it('wakes the process no more than a hundred times a second, several calls at once', async () => {
    const clock = new FakeClock(() => 1);
    const after = vi.spyOn(clock, 'after');
    const moments: number[] = [];
    calls(pace(500, clock), clock, 1_000, moments);
    await settle();
    await clock.until(1_000);
    expect(moments.length).toBeGreaterThan(450);
    expect(after.mock.calls.length).toBeLessThanOrEqual(100);
  });

  it('slows down once for all calls that met the same exhausted quota, and recovers to its setting', async () => {
    const clock = new FakeClock();
    const keeper = pace(100, clock);
    for (let n = 0; n < 20; n++) keeper.throttled();
    expect(keeper.perSecond).toBe(50);
    await clock.until(1_000);
    keeper.throttled();
    expect(keeper.perSecond).toBe(25);
    for (let second = 2; second < 300; second++) {
      await clock.until(second * 1_000);
      keeper.answered();
      keeper.answered();
      expect(keeper.perSecond).toBeLessThanOrEqual(100);
    }
    expect(keeper.perSecond).toBe(100);
  });

  it('never comes to a stop, however long the quota stays exhausted', async () => {
    const clock = new FakeClock();
    const [fast, slow] = [pace(500, clock), pace(1, clock)];
    for (let second = 0; second < 60; second++) {
      await clock.until(second * 1_000);
      fast.throttled();
      slow.throttled();
    }
    expect([fast.perSecond, slow.perSecond]).toEqual([5, 0.1]);
  });

  it('makes no call before the time that the service asked for', async () => {
    const clock = new FakeClock();
    const keeper = pace(100, clock);
    const moments: number[] = [];
    keeper.throttled(7_000);
    calls(keeper, clock, 5, moments);
    await settle();
    await clock.until(6_999);
    expect(moments).toEqual([]);
    await clock.until(8_000);
    expect(moments).toHaveLength(5);
    expect(Math.min(...moments)).toBeGreaterThanOrEqual(7_000);
  });

  it('lets nobody wait who has been told to end', async () => {
    const clock = new FakeClock();
    const keeper = pace(1, clock);
    await keeper.turn();
    const end = new AbortController();
    const waiting = [keeper.turn(end.signal), keeper.turn(end.signal), keeper.turn()];
    end.abort(new Error('the run ends'));
    await expect(waiting[0]).rejects.toThrow('the run ends');
    await expect(waiting[1]).rejects.toThrow('the run ends');
    await expect(keeper.turn(end.signal)).rejects.toThrow('the run ends');
    await clock.until(1_200);
    await waiting[2];
  });
});
