import { setTimeout as sleep } from 'node:timers/promises';
import { ResealError } from '../contract/errors.ts';
import { isTakenOver, unlessAborted, within } from './bounds.ts';

/** Something at Google that takes minutes: a batch, an execution of a workflow. */
export interface LongRunning<T> {
  /** Its resource name. */
  readonly name: string;
  look(): Promise<T>;
  hasEnded(seen: T): boolean;
  /** Asks for its end; what has ended by itself in the meantime cannot be cancelled, and need not be. */
  cancel(): Promise<void>;
}

/** Such a thing takes a minute to start and more to work: it is looked at often at first, then less. */
const WAIT_MS = { first: 500, growth: 1.5, most: 10_000 };
/** Within five seconds after an interrupt the end is asked for and waited for, and the ledger has it. */
const CANCEL_MS = 1_500;
const END_MS = 1_000;
const END_LOOK_MS = 100;

/**
 * Looks at something long-running until it has ended and returns what was seen last. Once the signal is given it
 * is cancelled, unless another driver goes on with it; the caller reads from its state how it ended.
 *
 * @throws ResealError `cancel-pending` if it has not ended a moment after it was cancelled, `cancel-failed` if it
 * could not be cancelled
 */
export async function follow<T>(
  work: LongRunning<T>,
  onSeen: (seen: T) => void | Promise<void>,
  signal: AbortSignal,
): Promise<T> {
  try {
    for (let wait = WAIT_MS.first; ; wait = Math.min(wait * WAIT_MS.growth, WAIT_MS.most)) {
      signal.throwIfAborted();
      const seen = await unlessAborted(work.look(), signal);
      await unlessAborted(Promise.resolve(onSeen(seen)), signal);
      if (work.hasEnded(seen)) return seen;
      await sleep(wait, undefined, { signal });
    }
  } catch (error) {
    if (!signal.aborted || isTakenOver(signal)) throw error;
    return cancelled(work);
  }
}

async function cancelled<T>(work: LongRunning<T>): Promise<T> {
  const unanswered = () => new Error(`no answer for ${CANCEL_MS} ms`);
  await within(CANCEL_MS, work.cancel(), unanswered).catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ResealError('cancel-failed', `${work.name} could not be cancelled: ${reason}`, {
      hint: 'it goes on by itself: cancel it by hand, or take what it does with --resume',
      cause,
    });
  });
  const ended = async (): Promise<T> => {
    for (;;) {
      const seen = await work.look();
      if (work.hasEnded(seen)) return seen;
      await sleep(END_LOOK_MS);
    }
  };
  return within(END_MS, ended(), () => {
    return new ResealError('cancel-pending', `${work.name} has been cancelled and is about to end`);
  });
}
