import { setTimeout as sleep } from 'node:timers/promises';
import { ResealError } from '../contract/errors.ts';
import { isTakenOver, unlessAborted, within } from './bounds.ts';
import { mayPass, repeated } from './repeated.ts';
import { ANSWER_MS, STOP_MS, unanswered, type WaitLimits } from './wait-limits.ts';

/** Something at Google that takes minutes: a batch, an execution of a workflow. */
export interface LongRunning<T> {
  /** Its resource name. */
  readonly name: string;
  look(): Promise<T>;
  /** Hears why a look failed that is repeated. */
  readonly missed?: (message: string) => void;
  hasEnded(seen: T): boolean;
  /** Why it is not waited for any longer, although it has not ended; null to go on. */
  overdue?(seen: T): ResealError | null;
  /** Asks for its end, any number of times; what has ended by itself in the meantime cannot be cancelled, and need not be. */
  cancel(): Promise<void>;
}

/** Such a thing takes a minute to start and more to work: the longer it has taken, the less often it is looked at. */
const WAIT_MS = { first: 500, growth: 1.2, most: 5_000 };
/** How long a cancellation is asked for, and then its end waited for. */
interface Patience {
  readonly cancelMs: number;
  readonly endMs: number;
}
/** Within five seconds after an interrupt the end is asked for and waited for, and the ledger has it. */
const AFTER_INTERRUPT: Patience = { cancelMs: 1_500, endMs: 1_000 };
const WHEN_OVERDUE: Patience = { cancelMs: STOP_MS, endMs: STOP_MS };
const END_LOOK_MS = 100;

/**
 * Looks at something long-running until it has ended and returns what was seen last. Looks that fail in a way that may
 * pass are repeated for `lookMs`. Once the signal is given it is cancelled, unless another driver goes on with it; the
 * caller reads from its state how it ended. What is overdue is cancelled, too.
 *
 * @throws what the last look failed with; ResealError what `overdue` says, `cancel-pending` if it has not ended a moment
 * after it was cancelled, `cancel-failed` if it could not be cancelled
 */
export async function follow<T>(
  work: LongRunning<T>,
  onSeen: (seen: T) => void | Promise<void>,
  signal: AbortSignal,
  { lookMs: ms }: Pick<WaitLimits, 'lookMs'>,
): Promise<T> {
  const look = (): Promise<T> => unlessAborted(within(ANSWER_MS, work.look(), unanswered), signal);
  const { missed } = work;
  try {
    for (let wait = WAIT_MS.first; ; wait = Math.min(wait * WAIT_MS.growth, WAIT_MS.most)) {
      signal.throwIfAborted();
      const seen = await repeated(look, { ms, signal, missed });
      await unlessAborted(Promise.resolve(onSeen(seen)), signal);
      if (work.hasEnded(seen)) return seen;
      const overdue = work.overdue?.(seen) ?? null;
      if (overdue !== null) throw await unlessAborted(givenUp(work, overdue), signal);
      await sleep(wait, undefined, { signal });
    }
  } catch (error) {
    if (!signal.aborted || isTakenOver(signal)) throw error;
    return cancelled(work, AFTER_INTERRUPT);
  }
}

/** Cancels what is overdue; returns the error with what came of that. */
async function givenUp<T>(work: LongRunning<T>, overdue: ResealError): Promise<ResealError> {
  const done = await cancelled(work, WHEN_OVERDUE).then(
    () => 'it has been cancelled',
    (error: Error) => error.message,
  );
  return new ResealError(overdue.code, overdue.message, { hint: `${done}; ${overdue.hint}` });
}

async function cancelled<T>(work: LongRunning<T>, { cancelMs, endMs }: Patience): Promise<T> {
  let missed = `no answer for ${cancelMs} ms`;
  const over = new AbortController();
  const { signal } = over;
  const cancelling = repeated(() => work.cancel(), {
    ms: cancelMs,
    signal,
    missed: (message) => {
      missed = message;
    },
  });
  const late = () => new Error(missed);
  const ended = async (): Promise<T> => {
    for (;;) {
      const seen = await work.look().catch((error: unknown) => {
        if (!mayPass(error)) throw error;
        return null;
      });
      if (seen !== null && work.hasEnded(seen)) return seen;
      await sleep(END_LOOK_MS, undefined, { signal });
    }
  };
  try {
    await within(cancelMs, cancelling, late).catch((cause: unknown) => {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new ResealError('cancel-failed', `${work.name} could not be cancelled: ${reason}`, {
        hint: 'it goes on by itself: cancel it by hand, or take what it does with `--resume RUN`',
        cause,
      });
    });
    return await within(endMs, ended(), () => {
      return new ResealError('cancel-pending', `${work.name} has been cancelled and is about to end`);
    });
  } finally {
    // Nobody asks or looks any more once it is clear what to say.
    over.abort();
  }
}
