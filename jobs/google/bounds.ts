import { ResealError } from '../contract/errors.ts';

/** The code of the error that a run's signal is given with when somebody else drives the run from now on. */
export const TAKEN_OVER = 'run-taken-over';

/** Whether work is to be left to another driver: it goes on under its ids, so that nothing of it may be cancelled. */
export const isTakenOver = (signal: AbortSignal): boolean =>
  signal.reason instanceof ResealError && signal.reason.code === TAKEN_OVER;

/**
 * What the work settles with, or the signal's reason as soon as it is given. The work itself may go on: whoever
 * can cancel it does so beside this.
 *
 * @example
 * const [batch] = await unlessAborted(client.getBatch({ name }), signal);
 */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  const { promise: aborted, reject } = deferred();
  const onAbort = (): void => reject(signal.reason);
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  // Whichever comes second has nobody who waits for it.
  work.catch(() => {});
  aborted.catch(() => {});
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** What the work settles with, or the given error if it has not settled after so many milliseconds. */
export async function within<T>(ms: number, work: Promise<T>, late: () => Error): Promise<T> {
  const limit = limited(ms, late);
  work.catch(() => {});
  limit.start();
  try {
    return await Promise.race([work, limit.over]);
  } finally {
    limit.stop();
  }
}

/** A limit of time that runs only between its `start` and its `stop`, each time from the beginning. */
export interface Limit {
  start(): void;
  stop(): void;
  /** Rejects with the limit's error once it has run out; nobody has to wait for it. */
  readonly over: Promise<never>;
}

/**
 * A limit that stands still for now. It keeps the process alive while it runs.
 *
 * @param ms milliseconds
 * @example
 * const limit = limited(60_000, () => new Error('nobody took it'));
 */
export function limited(ms: number, late: () => Error): Limit {
  const { promise: over, reject } = deferred();
  over.catch(() => {});
  let timer: NodeJS.Timeout | undefined;
  const stop = (): void => clearTimeout(timer);
  return {
    over,
    stop,
    start() {
      stop();
      timer = setTimeout(() => reject(late()), ms);
    },
  };
}

/**
 * What the work settles with; once the signal is given it has so many milliseconds left, then the given error is
 * thrown. For what cannot be taken back: the answer says what there is to cancel.
 */
export async function withGrace<T>(
  work: Promise<T>,
  signal: AbortSignal,
  ms: number,
  late: () => Error,
): Promise<T> {
  try {
    return await unlessAborted(work, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    return within(ms, work, late);
  }
}

function deferred(): { promise: Promise<never>; reject: (reason: unknown) => void } {
  let reject: (reason: unknown) => void = () => {};
  const promise = new Promise<never>((_, fail) => {
    reject = fail;
  });
  return { promise, reject };
}
