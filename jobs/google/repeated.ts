import { setTimeout as sleep } from 'node:timers/promises';
import { googleFailure } from './failures.ts';
import { projectFault } from './project-faults.ts';

/**
 * Statuses of a service, or of the way to it, that say nothing of what was asked and pass by themselves.
 * https://cloud.google.com/apis/design/errors#handling_errors
 */
const PASSING = new Set([
  'UNAVAILABLE',
  'DEADLINE_EXCEEDED',
  'INTERNAL',
  'ABORTED',
  'RESOURCE_EXHAUSTED',
  'UNREACHABLE',
]);

/** What gRPC says of a call for which no access token could be got, where the network is the reason. */
const NO_TOKEN_NOW =
  /Getting metadata from plugin failed.*(?:\bE(?:NOTFOUND|AI_AGAIN|CONN[A-Z]+|TIMEDOUT|NETUNREACH|HOSTUNREACH|PIPE)\b|socket hang up)/s;

/** Whether the same call may well come through later: nothing is wrong with what it asks for. */
export function mayPass(error: unknown): boolean {
  const failure = googleFailure(error);
  if (projectFault(failure) !== null) return false;
  return PASSING.has(failure.status) || NO_TOKEN_NOW.test(failure.message);
}

/** The next try comes after half a second, later ones after up to five. */
const WAIT_MS = { first: 500, growth: 1.5, most: 5_000 };

/**
 * What a call settles with that may be made any number of times: it is made again while it fails in a way that may pass,
 * for so many milliseconds. Once the signal is given it is not made again; one that is under way is waited for.
 *
 * @throws what the last call failed with, or an AbortError for a wait that the signal ended
 * @example
 * const [batch] = await repeated(() => client.getBatch({ name }), { ms: limits.lookMs, signal });
 */
export async function repeated<T>(
  call: () => Promise<T>,
  {
    ms,
    signal,
    passes = mayPass,
    missed = () => {},
  }: {
    readonly ms: number;
    readonly signal: AbortSignal;
    /** Which failures the call is repeated after; `mayPass` unless it is given. */
    readonly passes?: (error: unknown) => boolean;
    /** Hears why a call failed that is made again. */
    readonly missed?: ((message: string) => void) | undefined;
  },
): Promise<T> {
  const since = performance.now();
  for (let wait = WAIT_MS.first; ; wait = Math.min(wait * WAIT_MS.growth, WAIT_MS.most)) {
    try {
      return await call();
    } catch (error) {
      if (signal.aborted || !passes(error) || performance.now() - since > ms) throw error;
      missed(googleFailure(error).message);
    }
    await sleep(wait, undefined, { signal });
  }
}
