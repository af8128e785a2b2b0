import type { KeyManagementServiceClient } from '@google-cloud/kms';
import { ResealError } from '../contract/errors.ts';
import { crc32c } from '../envelope/crc32c.ts';
import { CALLER } from './denied.ts';
import { googleFailure } from './failures.ts';
import { refusedCredentials } from './kms.ts';
import { projectFault } from './project-faults.ts';

/**
 * A data key, encrypted by a CryptoKey's primary version, with checksums both ways.
 * https://cloud.google.com/kms/docs/data-integrity-guidelines
 *
 * @throws ResealError `kms-denied`, `kms-key`, `kms-key-disabled`, `kms-unavailable`, or a fault of the project
 */
export async function wrapKey(
  client: KeyManagementServiceClient,
  kek: string,
  key: Uint8Array,
): Promise<Buffer> {
  try {
    const plaintextCrc32c = { value: String(crc32c(key)) };
    const [answer] = await client.encrypt({ name: kek, plaintext: key, plaintextCrc32c });
    const wrapped = Buffer.from(answer.ciphertext as Uint8Array);
    if (!answer.verifiedPlaintextCrc32c || Number(answer.ciphertextCrc32c?.value ?? -1) !== crc32c(wrapped))
      throw new Error('what came back was damaged on the way');
    return wrapped;
  } catch (error) {
    throw failed(kek, error);
  }
}

function failed(kek: string, error: unknown): ResealError {
  const failure = googleFailure(error);
  const fault = projectFault(failure);
  if (fault !== null) return fault;
  switch (failure.status) {
    case 'UNAUTHENTICATED':
      return refusedCredentials(failure.message);
    case 'PERMISSION_DENIED':
      return new ResealError('kms-denied', `Cloud KMS lets this account encrypt nothing with ${kek}`, {
        hint: `grant roles/cloudkms.cryptoKeyEncrypter on ${kek} to ${CALLER}; docs/iam.md`,
      });
    case 'NOT_FOUND':
      return new ResealError('kms-key', `there is no CryptoKey ${kek}`, { hint: 'check reseal:sourceKek' });
    case 'FAILED_PRECONDITION':
      return new ResealError(
        'kms-key-disabled',
        `Cloud KMS cannot use the primary version of ${kek}: ${failure.message}`,
      );
    default:
      return new ResealError('kms-unavailable', `Cloud KMS did not wrap a key: ${failure.message}`);
  }
}
