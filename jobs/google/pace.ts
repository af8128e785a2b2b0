import { performance } from 'node:perf_hooks';

/**
 * Keeps calls under a rate and slows down when the service says that it is too much. Its twin for Spark's tasks
 * is jobs/spark/reseal/pace.py.
 */
export interface Pace {
  /** Resolves when the caller may make its call; rejects with the signal's reason once that is given. */
  turn(signal?: AbortSignal): Promise<void>;
  /** A call was answered. */
  answered(): void;
  /** A call was turned away because of its quota; no other call is made before `retryAfterMs` have passed. */
  throttled(retryAfterMs?: number): void;
  /** Calls a second at present: the setting, or less for as long as the service is busy. */
  readonly perSecond: number;
}

/**
 * Calls that are late may catch up within this time and no further, because a timer fires late by a millisecond
 * or more, and at 5,000 calls a second several turns fall into one. A pause earns no burst.
 */
const TOLERANCE_MS = 20;
/**
 * Turns that are waited for are given so far apart, several at once where the rate is higher: a call that wakes the process
 * for itself alone takes half as much CPU again. Half of the tolerance, so that a timer may be late by the other half.
 */
const TICK_MS = TOLERANCE_MS / 2;
/**
 * Of the setting; leaves room for what the tolerance lets through early (2% of a second) and for calls that do not
 * arrive as evenly as they were made.
 */
const SHARE = 0.95;
/** A second's worth of calls meets one and the same exhausted quota: the rate is cut once for all of them. */
const CUT_EVERY_MS = 1_000;
const CUT = 0.5;
/** Never below a hundredth of the setting, nor (where the setting allows) below a call in ten seconds. */
const least = (setting: number): number => Math.min(setting, Math.max(setting / 100, 0.1));
/**
 * Of the setting, for every second with an answer: back at the setting within two minutes.
 * https://www.rfc-editor.org/rfc/rfc5681#section-3.1 has the same shape: cut by half, rise by a constant.
 */
const RISE_A_SECOND = 0.01;

/** What a pace reads the time from and waits with; tests give their own. */
export interface Clock {
  now(): number;
  after(ms: number, act: () => void): void;
}

const CLOCK: Clock = {
  now: () => performance.now(),
  after: (ms, act) => void setTimeout(act, ms),
};

interface Waiter {
  readonly go: () => void;
}

/**
 * The generic cell rate algorithm (ITU-T I.371, annex A): `due` is the theoretical arrival time of the next call.
 * Calls are one interval apart, or less by the tolerance after a late one, so no second holds more than the setting.
 */
export function pace(setting: number, clock: Clock = CLOCK): Pace {
  const waiting = new Set<Waiter>();
  let perSecond = setting;
  let due = Number.NEGATIVE_INFINITY;
  let closedUntil = Number.NEGATIVE_INFINITY;
  let [cutAt, risenAt] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
  let planned = false;

  const intervalMs = (): number => 1000 / (perSecond * SHARE);
  const nextTurn = (): number => Math.max(due - TOLERANCE_MS, closedUntil);

  function release(): void {
    planned = false;
    for (const waiter of waiting) {
      const now = clock.now();
      if (nextTurn() > now) break;
      waiting.delete(waiter);
      due = Math.max(due, now) + intervalMs();
      waiter.go();
    }
    if (waiting.size === 0 || planned) return;
    planned = true;
    clock.after(Math.max(TICK_MS, nextTurn() - clock.now()), release);
  }

  return {
    get perSecond() {
      return perSecond;
    },
    turn: (signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason);
        const leave = (): void => {
          waiting.delete(waiter);
          reject(signal?.reason);
        };
        const waiter: Waiter = {
          go() {
            signal?.removeEventListener('abort', leave);
            resolve();
          },
        };
        signal?.addEventListener('abort', leave, { once: true });
        waiting.add(waiter);
        if (!planned) release();
      }),
    answered() {
      const now = clock.now();
      if (perSecond === setting) return;
      // A long pause without calls proves nothing about the quota, so it counts as one second too.
      if (now - risenAt < 1_000) return;
      risenAt = now;
      perSecond = Math.min(setting, perSecond + setting * RISE_A_SECOND);
    },
    throttled(retryAfterMs = 0) {
      const now = clock.now();
      closedUntil = Math.max(closedUntil, now + retryAfterMs);
      if (now - cutAt < CUT_EVERY_MS) return;
      cutAt = now;
      risenAt = now;
      perSecond = Math.max(least(setting), perSecond * CUT);
    },
  };
}
