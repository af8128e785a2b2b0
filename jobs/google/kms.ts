import { performance } from 'node:perf_hooks';
import type { KeyManagementServiceClient } from '@google-cloud/kms';
import pRetry, { AbortError } from 'p-retry';
import { ResealError } from '../contract/errors.ts';
import { Rejection } from '../contract/reasons.ts';
import { asDataKey, type DataKey, type WrappedKey } from '../envelope/brands.ts';
import { crc32c } from '../envelope/crc32c.ts';
import type { KeyService } from '../envelope/data-keys.ts';
import { unlessAborted, within } from './bounds.ts';
import { CALLER, grantHint } from './denied.ts';
import { googleFailure } from './failures.ts';
import type { Pace } from './pace.ts';
import { projectFault } from './project-faults.ts';

/** How long failing calls are repeated; docs/performance.md names both figures, jobs/spark/reseal/kms.py has them too. */
export const PATIENCE = {
  /** An exhausted quota is waited out for as long as some call is answered, and so long without any answer. */
  quotaMs: 10 * 60_000,
  /** A call that fails in another way that may pass is repeated for so long. */
  faultMs: 2 * 60_000,
} as const;

/** One call without an answer counts as failed after so long. */
const CALL_MS = 20_000;

export interface KeyServiceOptions {
  /** Every call waits for its turn, repeated ones too. */
  readonly pace: Pace;
  /** Ends every wait; what is under way is left to the client's `close`. */
  readonly signal?: AbortSignal;
  readonly patience?: { readonly quotaMs: number; readonly faultMs: number };
}

function deniedKey(said: string): ResealError {
  const hint = grantHint(said, CALLER);
  return new ResealError('kms-denied', said, hint === null ? {} : { hint });
}

/** Cloud KMS does not know who calls: no role would change that. */
export const refusedCredentials = (message: string): ResealError =>
  new ResealError('no-credentials', `Cloud KMS does not take the credentials of this call: ${message}`, {
    hint: 'run `gcloud auth application-default login`, then `--resume RUN`',
  });

/**
 * How Cloud KMS says that a version is gone, which "may not leave this state once entered"
 * (https://cloud.google.com/kms/docs/key-states). The sentence stands in
 * https://cloud.google.com/kubernetes-engine/docs/troubleshooting/secrets; jobs/spark/reseal/kms.py has it too.
 */
const DESTROYED = /current state is: DESTROYED\b/;

/** Why trying again would not help: KMS rejects this ciphertext, or would answer alike for any. Null otherwise. */
function permanent(kek: string, error: unknown): Error | null {
  const failure = googleFailure(error);
  const { status, message } = failure;
  // What was damaged on the way to KMS is an invalid argument too, but only that once.
  if (/crc32c|checksum/i.test(message)) return null;
  const fault = projectFault(failure);
  if (fault !== null) return fault;
  switch (status) {
    case 'INVALID_ARGUMENT':
      return new Rejection('dek-refused');
    case 'FAILED_PRECONDITION':
      // The run would meet the same answer for ever: what is left is the other values.
      if (DESTROYED.test(message)) return new Rejection('kek-destroyed');
      return new ResealError('kms-key-disabled', `Cloud KMS cannot use a version of ${kek}: ${message}`, {
        hint: 'enable the version that the message names, after its restoring where it is scheduled for destruction, then `--resume RUN`',
      });
    case 'UNAUTHENTICATED':
      return refusedCredentials(message);
    case 'PERMISSION_DENIED':
      return deniedKey(`Cloud KMS denies this account the use of ${kek}`);
    case 'NOT_FOUND':
      return new ResealError('kms-key', `there is no CryptoKey ${kek}`, {
        hint: 'check reseal:sourceKek and reseal:bigqueryKek',
      });
    default:
      return null;
  }
}

/** Cloud KMS with checksums both ways, under a rate, and with patience for quotas and passing faults. */
export function keyService(
  client: KeyManagementServiceClient,
  { pace, signal, patience = PATIENCE }: KeyServiceOptions,
): KeyService {
  let calls = 0;
  let answeredAt = performance.now();

  async function decrypt(name: string, wrapped: WrappedKey): Promise<DataKey> {
    const ciphertextCrc32c = { value: String(crc32c(wrapped)) };
    // Retries are ours, so that each call is counted and waits for its turn. `maxRetries: 0` would put DEADLINE_EXCEEDED in
    // the place of the only attempt's error.
    const answering = client.decrypt({ name, ciphertext: wrapped, ciphertextCrc32c }, { retry: null });
    const late = () => new Error(`no answer for ${CALL_MS / 1000} s`);
    const [answer] = await unlessAborted(within(CALL_MS, answering, late), signal);
    const key = answer.plaintext as Uint8Array;
    // https://cloud.google.com/kms/docs/data-integrity-guidelines: what was damaged on the way is asked again.
    if (Number(answer.plaintextCrc32c?.value ?? -1) !== crc32c(key))
      throw new Error('plaintext CRC32C mismatch');
    return asDataKey(key);
  }

  function answered(): void {
    calls += 1;
    answeredAt = performance.now();
    pace.answered();
  }

  /** One call, once it is its turn. Throws AbortError for what repeating would not change. */
  async function attempt(kek: string, wrapped: WrappedKey): Promise<DataKey> {
    try {
      const key = await decrypt(kek, wrapped);
      answered();
      return key;
    } catch (error) {
      if (signal?.aborted) throw new AbortError(asError(signal.reason));
      const end = permanent(kek, error);
      if (end !== null) {
        answered();
        throw new AbortError(end);
      }
      const { status, retryAfterMs } = googleFailure(error);
      if (status === 'RESOURCE_EXHAUSTED') pace.throttled(retryAfterMs);
      throw asError(error);
    }
  }

  /** How long one and the same call may go on failing. */
  function patient(): { turn(): Promise<void>; worthwhile(error: unknown): boolean } {
    const since = performance.now();
    let failingSince: number | null = null;
    return {
      async turn() {
        const asked = performance.now();
        await pace.turn(signal);
        // The wait for a turn is no fault's: behind thousands of calls it may take longer than any fault.
        if (failingSince !== null) failingSince += performance.now() - asked;
      },
      worthwhile(error) {
        const now = performance.now();
        if (googleFailure(error).status === 'RESOURCE_EXHAUSTED') {
          // Cloud KMS has answered, so that a fault before is over.
          failingSince = null;
          // A call may be turned away again and again while others are answered: only silence for all of them counts.
          return now - Math.max(answeredAt, since) < patience.quotaMs;
        }
        failingSince ??= now;
        return now - failingSince < patience.faultMs;
      },
    };
  }

  return {
    get calls() {
      return calls;
    },
    async unwrap(kek, wrapped) {
      const { turn, worthwhile } = patient();
      try {
        return await pRetry(() => turn().then(() => attempt(kek, wrapped)), {
          retries: Number.POSITIVE_INFINITY,
          shouldRetry: ({ error }) => worthwhile(error),
          minTimeout: 100,
          maxTimeout: 10_000,
          randomize: true,
          ...(signal === undefined ? {} : { signal }),
        });
      } catch (error) {
        if (error instanceof Rejection || error instanceof ResealError || signal?.aborted) throw error;
        throw unavailable(error, patience);
      }
    },
  };
}

function unavailable(error: unknown, patience: NonNullable<KeyServiceOptions['patience']>): ResealError {
  const { status, message } = googleFailure(error);
  const exhausted = status === 'RESOURCE_EXHAUSTED';
  const seconds = Math.round((exhausted ? patience.quotaMs : patience.faultMs) / 1000);
  return new ResealError(
    'kms-unavailable',
    exhausted
      ? `the quota of Cloud KMS has let no call through for ${seconds} s`
      : `Cloud KMS has failed for ${seconds} s`,
    {
      hint: exhausted
        ? 'ask for more quota in this region or lower reseal:kmsCallsPerSecond, then `--resume RUN`'
        : 'check the network and the status of Cloud KMS in this region, then `--resume RUN`',
      cause: new Error(message),
    },
  );
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));
