import type { KeyManagementServiceClient } from '@google-cloud/kms';
import pRetry, { AbortError } from 'p-retry';
import { ResealError } from '../contract/errors.ts';
import { Rejection } from '../contract/reasons.ts';
import { asDataKey, type DataKey, type WrappedKey } from '../envelope/brands.ts';
import { crc32c } from '../envelope/crc32c.ts';
import type { KeyService } from '../envelope/data-keys.ts';
import { CALLER, grantHint } from './denied.ts';
import { googleFailure } from './failures.ts';

const RETRIES = 8;

function deniedKey(said: string): ResealError {
  const hint = grantHint(said, CALLER);
  return new ResealError('kms-denied', said, hint === null ? {} : { hint });
}

/** Why trying again would not help: KMS rejects this ciphertext, or would answer alike for any. Null otherwise. */
function permanent(kek: string, error: unknown): Error | null {
  const { status, message } = googleFailure(error);
  // What was damaged on the way to KMS is an invalid argument too, but only that once.
  if (/crc32c|checksum/i.test(message)) return null;
  switch (status) {
    case 'INVALID_ARGUMENT':
    // The version that wrapped this key is disabled or destroyed: others may still open.
    case 'FAILED_PRECONDITION':
      return new Rejection('dek-refused');
    case 'PERMISSION_DENIED':
    case 'UNAUTHENTICATED':
      return deniedKey(`Cloud KMS denies this account the use of ${kek}`);
    case 'NOT_FOUND':
      return new ResealError('kms-key', `there is no CryptoKey ${kek}`, { hint: 'check reseal:sourceKek' });
    default:
      return null;
  }
}

/** Cloud KMS with checksums both ways and patience for quotas and passing faults. */
export function keyService(client: KeyManagementServiceClient): KeyService {
  let calls = 0;

  async function decrypt(name: string, wrapped: WrappedKey): Promise<DataKey> {
    const ciphertextCrc32c = { value: String(crc32c(wrapped)) };
    // Retries are ours, so that each call is counted and the waits are drawn at random.
    const [answer] = await client.decrypt({ name, ciphertext: wrapped, ciphertextCrc32c }, { maxRetries: 0 });
    const key = answer.plaintext as Uint8Array;
    // https://cloud.google.com/kms/docs/data-integrity-guidelines: what was damaged on the way is asked again.
    if (Number(answer.plaintextCrc32c?.value ?? -1) !== crc32c(key))
      throw new Error('plaintext CRC32C mismatch');
    return asDataKey(key);
  }

  return {
    get calls() {
      return calls;
    },
    async unwrap(kek, wrapped) {
      try {
        return await pRetry(
          async () => {
            try {
              const key = await decrypt(kek, wrapped);
              calls += 1;
              return key;
            } catch (error) {
              const end = permanent(kek, error);
              if (end === null) throw error instanceof Error ? error : new Error(String(error));
              calls += 1;
              throw new AbortError(end);
            }
          },
          { retries: RETRIES, minTimeout: 100, maxTimeout: 10_000, randomize: true },
        );
      } catch (error) {
        if (error instanceof Rejection || error instanceof ResealError) throw error;
        throw new ResealError('kms-unavailable', `Cloud KMS did not answer after ${RETRIES + 1} tries`, {
          hint: 'check the quota of Cloud KMS in this region and the network, then --resume the run',
          cause: new Error(googleFailure(error).message),
        });
      }
    },
  };
}
