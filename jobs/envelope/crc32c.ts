import checksum from 'crc-32/crc32c.js';

/**
 * CRC-32C (Castagnoli), the checksum of Cloud KMS's ciphertextCrc32c and plaintextCrc32c fields, as an
 * unsigned 32-bit number. Not zlib's CRC-32, which has another polynomial.
 * https://cloud.google.com/kms/docs/data-integrity-guidelines
 *
 * @example
 * crc32c(Buffer.from('123456789')); // 0xe3069283
 */
export function crc32c(bytes: Uint8Array): number {
  return checksum.buf(bytes) >>> 0;
}
