import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { ResealError } from '../../jobs/contract/errors.ts';
import { follow, type LongRunning } from '../../jobs/google/follow.ts';

/** Something that takes too long. */
const late = new ResealError('batch-stuck', 'a-batch was pending for 1 s', { hint: 'then `--resume RUN`' });

function pending(cancel: () => Promise<void>): LongRunning<string> & { looks: string[] } {
  const looks: string[] = [];
  let state = 'PENDING';
  return {
    name: 'a-batch',
    looks,
    look: async () => {
      looks.push(state);
      return state;
    },
    hasEnded: (seen) => seen === 'CANCELLED',
    overdue: () => (looks.length > 1 ? late : null),
    async cancel() {
      await cancel();
      state = 'CANCELLED';
    },
  };
}
const never = new AbortController().signal;
const limits = { lookMs: 1_000 };
const UNAVAILABLE = Object.assign(new Error('try again'), { code: 14 });

it('what is overdue is cancelled, its end waited for, and the hint says so', async () => {
  const work = pending(async () => {});
  await expect(follow(work, () => {}, never, limits)).rejects.toMatchObject({
    code: late.code,
    message: late.message,
    hint: 'it has been cancelled; then `--resume RUN`',
  });
  expect(work.looks).toEqual(['PENDING', 'PENDING', 'CANCELLED']);
});

it('that it could not be cancelled is said, too', async () => {
  const work = pending(async () => {
    throw new Error('no');
  });
  await expect(follow(work, () => {}, never, limits)).rejects.toMatchObject({
    code: late.code,
    hint: 'a-batch could not be cancelled: no; then `--resume RUN`',
  });
});

it('a cancellation that fails in a way that passes is asked for again, after an interrupt and where it is overdue', async () => {
  for (const signal of [AbortSignal.abort('ctrl-C'), never]) {
    let asked = 0;
    const work = pending(async () => {
      if (++asked < 3) throw UNAVAILABLE;
    });
    const ended = await follow(work, () => {}, signal, limits).catch((error: ResealError) => error.hint);
    expect([asked, ended]).toEqual([
      3,
      signal.aborted ? 'CANCELLED' : 'it has been cancelled; then `--resume RUN`',
    ]);
  }
});

it('a cancellation that goes on failing is given up in time, for the reason that it had', async () => {
  let asked = 0;
  const work = pending(async () => {
    asked++;
    throw UNAVAILABLE;
  });
  const began = performance.now();
  await expect(follow(work, () => {}, AbortSignal.abort('ctrl-C'), limits)).rejects.toMatchObject({
    code: 'cancel-failed',
    message: 'a-batch could not be cancelled: try again',
  });
  expect(performance.now() - began).toBeLessThan(2_000);
  const then = asked;
  await sleep(1_500);
  expect(asked).toBe(then);
});

it('what does not end after its cancellation is looked at no more once that is said', async () => {
  const work = { ...pending(async () => {}), hasEnded: () => false };
  await expect(follow(work, () => {}, AbortSignal.abort('ctrl-C'), limits)).rejects.toMatchObject({
    code: 'cancel-pending',
  });
  const then = work.looks.length;
  expect(then).toBeGreaterThan(1);
  await sleep(500);
  expect(work.looks.length).toBe(then);
});

it('an interrupt meanwhile ends it as an interrupt does', async () => {
  const interrupt = new AbortController();
  const work = pending(async () => interrupt.abort('ctrl-C'));
  expect(await follow(work, () => {}, interrupt.signal, limits)).toBe('CANCELLED');
});

const DENIED = Object.assign(new Error('no dataproc.batches.get'), { code: 7 });

/** Something that ends by itself, unless it is cancelled before; a look fails with an error, or shows a state. */
function looked(...answers: (Error | string)[]) {
  const missed: string[] = [];
  let looks = 0;
  let cancelled = false;
  const work: LongRunning<string> = {
    name: 'a-batch',
    async look() {
      const answer = cancelled ? 'CANCELLED' : (answers[looks] ?? answers.at(-1) ?? '');
      looks += 1;
      if (answer instanceof Error) throw answer;
      return answer;
    },
    missed: (message) => missed.push(message),
    hasEnded: (seen) => seen === 'SUCCEEDED' || seen === 'CANCELLED',
    cancel: async () => {
      cancelled = true;
    },
  };
  return { work, missed, looks: () => looks };
}

it('a look that fails in a way that passes is repeated, and told of', async () => {
  const { work, missed } = looked('RUNNING', UNAVAILABLE, 'RUNNING', UNAVAILABLE, 'SUCCEEDED');
  const seen: string[] = [];
  expect(await follow(work, (now) => void seen.push(now), never, limits)).toBe('SUCCEEDED');
  expect(seen).toEqual(['RUNNING', 'RUNNING', 'SUCCEEDED']);
  expect(missed).toEqual(['try again', 'try again']);
});

it('looks that fail for too long end it, and so does at once what does not pass', async () => {
  const lasting = looked('RUNNING', UNAVAILABLE);
  const began = performance.now();
  await expect(follow(lasting.work, () => {}, never, limits)).rejects.toBe(UNAVAILABLE);
  expect(performance.now() - began).toBeGreaterThan(limits.lookMs);
  const denied = looked(DENIED);
  await expect(follow(denied.work, () => {}, never, limits)).rejects.toBe(DENIED);
  expect([denied.looks(), denied.missed]).toEqual([1, []]);
});

it('an interrupt cancels it at once, whatever the looks fail with', async () => {
  const interrupt = new AbortController();
  const { work, missed } = looked(UNAVAILABLE);
  const followed = follow(work, () => {}, interrupt.signal, { lookMs: 60_000 });
  while (missed.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  const began = performance.now();
  interrupt.abort();
  expect(await followed).toBe('CANCELLED');
  expect(performance.now() - began).toBeLessThan(1_000);
});
