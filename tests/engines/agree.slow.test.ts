import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SOURCE_FORMATS } from '../../jobs/contract/settings/choices.ts';
import { ensureVenv } from '../../jobs/spark/venv.ts';
import { Application } from '../support/application.ts';
import { damagedUsers } from '../support/damaged-users.ts';
import { type TestSandbox, testSandbox } from '../support/sandbox.ts';

const ROWS = 400;

beforeAll(() => ensureVenv(), 900_000);

describe.each(SOURCE_FORMATS)('%s: the batch and the direct engine', (sourceFormat) => {
  let box: TestSandbox;
  // Both keyings seal the same values, so half of the formats try each.
  const keying = sourceFormat.startsWith('tink') ? 'shared' : 'row';
  // The wrapped keyset is the same for all; a row's own key never is.
  const columns = `id, decrypted_email, resealed_from${keying === 'shared' ? ', bq_encryption_key' : ''}`;
  beforeAll(async () => {
    box = await testSandbox({
      sourceFormat,
      keying,
      storePlaintext: 'true',
      maxRejectedShare: '1',
      valuePattern: '(?s).{0,40}',
    });
    const application = new Application(sourceFormat);
    await box.load(application, damagedUsers(application, ROWS));
  });
  afterAll(() => box.close());

  it('open the same rows to the same values and reject the others for the same reasons', async () => {
    const outcome = async (engine: 'direct' | 'dataproc') => {
      const report = await box.run({ engine, mode: 'all' });
      expect(report.read_back.readable).toBe(report.read_back.checked);
      const rejected = await box.sql(
        `SELECT id, reason, dek_fingerprint, rejected_from FROM users_rejected WHERE run_id = '${report.run_id}' ORDER BY id`,
      );
      const users = await box.sql(`SELECT ${columns} FROM users ORDER BY id`);
      const { selected, distinct_deks, staged, unauthenticated, merged, reasons, kms_calls } = report;
      const counts = { selected, distinct_deks, staged, unauthenticated, merged, reasons, kms_calls };
      return { ...counts, rejected, users };
    };
    const direct = await outcome('direct');
    expect(direct.staged).toBeGreaterThan(ROWS / 8);
    expect(direct.rejected.length).toBeGreaterThan(ROWS / 20);
    expect(direct.reasons['value-pattern']).toBeGreaterThan(0);
    expect((direct.unauthenticated ?? 0) > 0).toBe(sourceFormat === 'dotted');
    await box.sql(
      // A sealed value without its key would be a shredded one.
      `UPDATE users SET decrypted_email = NULL, bq_encryption_key = NULL, bq_encrypted_email = NULL,
        resealed_at = NULL, resealed_from = NULL WHERE TRUE`,
    );
    expect(await outcome('dataproc')).toEqual(direct);
  });

  // How a batch tells stale values from others is the same for every format.
  if (sourceFormat === 'gcm')
    it('take the same values for stale', async () => {
      await box.sql(
        'UPDATE users SET resealed_at = CURRENT_TIMESTAMP() WHERE MOD(id, 2) = 0 AND resealed_from IS NOT NULL',
      );
      const [{ n } = { n: null }] = await box.sql(
        'SELECT COUNT(*) AS n FROM users WHERE MOD(id, 2) = 0 AND resealed_from IS NOT NULL',
      );
      expect(Number(n)).toBeGreaterThan(ROWS / 20);
      const stale = await box.run({ engine: 'dataproc', mode: 'stale' });
      expect(stale).toMatchObject({ selected: Number(n), merged: Number(n) });
    });
});
