import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SOURCE_FORMATS } from '../../jobs/contract/settings/choices.ts';
import { Application } from '../support/application.ts';
import { damagedUsers } from '../support/damaged-users.ts';
import { type TestSandbox, testSandbox } from '../support/sandbox.ts';

const ROWS = 300;

describe.each(SOURCE_FORMATS)('%s: BigQuery and the direct engine', (sourceFormat) => {
  let box: TestSandbox;
  // Both keyings seal the same values, so half of the formats try each.
  const keying = sourceFormat.startsWith('tink') ? 'shared' : 'row';
  const columns = `id, decrypted_email, resealed_from${keying === 'shared' ? ', bq_encryption_key' : ''}`;
  const application = new Application(sourceFormat);

  beforeAll(async () => {
    box = await testSandbox({
      sourceFormat,
      keying,
      storePlaintext: 'true',
      maxRejectedShare: '1',
      valuePattern: '(?s).{0,40}',
    });
    // BigQuery takes AES-128, but no AES-192 in GCM: values under such keys go through the job.
    const more = ([16, 24, 24] as const).map((bytes) => application.newKey(bytes));
    await box.load(application, damagedUsers(application, ROWS, more));
  });
  afterAll(() => box?.close());

  async function outcome(engine: 'direct' | 'bigquery') {
    await box.kmsCalls();
    const report = await box.run({ engine, mode: 'all' });
    expect(report.read_back.readable).toBe(report.read_back.checked);
    const rejected = await box.sql(
      `SELECT id, reason, dek_fingerprint, rejected_from FROM users_rejected WHERE run_id = '${report.run_id}' ORDER BY id`,
    );
    const users = await box.sql(`SELECT ${columns} FROM users ORDER BY id`);
    const { selected, distinct_deks, staged, unauthenticated, merged, reasons, kms_calls } = report;
    expect(await box.kmsCalls()).toBe(kms_calls);
    const counts = { selected, distinct_deks, staged, unauthenticated, merged, reasons, kms_calls };
    return { ...counts, rejected, users };
  }

  it('open the same rows to the same values and reject the others for the same reasons', async () => {
    const direct = await outcome('direct');
    expect(direct.staged).toBeGreaterThan(ROWS / 8);
    expect(direct.rejected.length).toBeGreaterThan(ROWS / 20);
    expect((direct.unauthenticated ?? 0) > 0).toBe(sourceFormat === 'dotted');
    await box.sql(
      `UPDATE users SET decrypted_email = NULL, bq_encryption_key = NULL, bq_encrypted_email = NULL,
        resealed_at = NULL, resealed_from = NULL WHERE TRUE`,
    );
    expect(await outcome('bigquery')).toEqual(direct);
    expect(await box.sql('SELECT COUNT(*) AS n FROM data_keys')).toEqual([{ n: '0' }]);
  });
});
