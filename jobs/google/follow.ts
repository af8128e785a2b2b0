import { setTimeout as sleep } from 'node:timers/promises';

/** Something at Google that takes minutes: a batch, an execution of a workflow. */
export interface LongRunning<T> {
  look(): Promise<T>;
  hasEnded(seen: T): boolean;
  /** Asks for its end; what has ended by itself in the meantime cannot be cancelled, and need not be. */
  cancel(): Promise<void>;
}

/** Such a thing takes a minute to start and more to work: it is looked at often at first, then less. */
const WAIT_MS = { first: 500, growth: 1.5, most: 10_000 };

/**
 * Looks at something long-running until it has ended and returns what was seen last. Once the signal is given it
 * is cancelled, which ends it soon; the caller reads from its state how it ended.
 */
export async function follow<T>(
  work: LongRunning<T>,
  onSeen: (seen: T) => void | Promise<void>,
  signal: AbortSignal,
): Promise<T> {
  let cancelling = false;
  for (let wait = WAIT_MS.first; ; wait = Math.min(wait * WAIT_MS.growth, WAIT_MS.most)) {
    if (signal.aborted && !cancelling) {
      cancelling = true;
      wait = WAIT_MS.first;
      await work.cancel();
    }
    const seen = await work.look();
    await onSeen(seen);
    if (work.hasEnded(seen)) return seen;
    await sleep(wait, undefined, cancelling ? {} : { signal }).catch(() => {});
  }
}
