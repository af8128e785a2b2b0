import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SOURCE_FORMATS } from '../../jobs/contract/settings/choices.ts';
import { ensureVenv } from '../../jobs/spark/venv.ts';
import { Application } from '../support/application.ts';
import { comparable, leftBy, unsealed } from '../support/compared.ts';
import { damagedUsers } from '../support/damaged-users.ts';
import { type TestSandbox, testSandbox } from '../support/sandbox.ts';

const ROWS = 400;

beforeAll(() => ensureVenv(), 900_000);

describe.each(SOURCE_FORMATS)('%s: the batch and the direct engine', (sourceFormat) => {
  let box: TestSandbox;
  beforeAll(async () => {
    box = await testSandbox(comparable(sourceFormat));
    const application = new Application(sourceFormat);
    await box.load(application, damagedUsers(application, ROWS));
  });
  afterAll(() => box.close());

  it('open the same rows to the same values and reject the others for the same reasons', async () => {
    const direct = await leftBy(box, 'direct');
    expect(direct.staged).toBeGreaterThan(ROWS / 8);
    expect(direct.rejected.length).toBeGreaterThan(ROWS / 20);
    expect(direct.reasons['value-pattern']).toBeGreaterThan(0);
    expect((direct.unauthenticated ?? 0) > 0).toBe(sourceFormat === 'dotted');
    await unsealed(box);
    expect(await leftBy(box, 'dataproc')).toEqual(direct);
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
