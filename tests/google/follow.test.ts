import { expect, it } from 'vitest';
import { ResealError } from '../../jobs/contract/errors.ts';
import { follow, type LongRunning } from '../../jobs/google/follow.ts';

/** Something that takes too long. */
const late = new ResealError('batch-stuck', 'a-batch was pending for 1 s', { hint: 'then --resume the run' });

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

it('what is overdue is cancelled, its end waited for, and the hint says so', async () => {
  const work = pending(async () => {});
  await expect(follow(work, () => {}, never)).rejects.toMatchObject({
    code: late.code,
    message: late.message,
    hint: 'it has been cancelled; then --resume the run',
  });
  expect(work.looks).toEqual(['PENDING', 'PENDING', 'CANCELLED']);
});

it('that it could not be cancelled is said, too', async () => {
  const work = pending(async () => {
    throw new Error('no');
  });
  await expect(follow(work, () => {}, never)).rejects.toMatchObject({
    code: late.code,
    hint: 'a-batch could not be cancelled: no; then --resume the run',
  });
});

it('an interrupt meanwhile ends it as an interrupt does', async () => {
  const interrupt = new AbortController();
  const work = pending(async () => interrupt.abort('ctrl-C'));
  expect(await follow(work, () => {}, interrupt.signal)).toBe('CANCELLED');
});
