import { expect } from 'vitest';
import type { EngineName, SourceFormat } from '../../jobs/contract/settings/choices.ts';
import type { TestSandbox } from './sandbox.ts';

/** Both keyings seal the same values, so half of the formats try each. */
const keyingFor = (sourceFormat: SourceFormat) => (sourceFormat.startsWith('tink') ? 'shared' : 'row');

/** The settings of a stack in which engines are compared: every value that opens can be seen. */
export const comparable = (sourceFormat: SourceFormat) => ({
  sourceFormat,
  keying: keyingFor(sourceFormat),
  storePlaintext: 'true',
  maxRejectedShare: '1',
  valuePattern: '(?s).{0,40}',
});

/** What a run over all values leaves, but for what is another each time: for every engine it is the same. */
export async function leftBy(box: TestSandbox, engine: EngineName) {
  const report = await box.run({ engine, mode: 'all' });
  expect(report.read_back.readable).toBe(report.read_back.checked);
  const rejected = await box.sql(
    `SELECT id, reason, dek_fingerprint, rejected_from FROM users_rejected WHERE run_id = '${report.run_id}' ORDER BY id`,
  );
  // The wrapped keyset is the same for all; a row's own key never is.
  const key = box.deployment.keying === 'shared' ? ', bq_encryption_key' : '';
  const users = await box.sql(`SELECT id, decrypted_email, resealed_from${key} FROM users ORDER BY id`);
  const { selected, distinct_deks, staged, unauthenticated, merged, reasons, kms_calls } = report;
  const counts = { selected, distinct_deks, staged, unauthenticated, merged, reasons, kms_calls };
  return { ...counts, rejected, users };
}

/** Takes back what a run sealed. A sealed value without its key would be a shredded one. */
export const unsealed = (box: TestSandbox) =>
  box.sql(`UPDATE users SET decrypted_email = NULL, bq_encryption_key = NULL, bq_encrypted_email = NULL,
    resealed_at = NULL, resealed_from = NULL WHERE TRUE`);
