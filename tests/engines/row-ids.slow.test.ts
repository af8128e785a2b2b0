import { beforeAll, expect, it } from 'vitest';
import type { IdType } from '../../jobs/contract/settings/choices.ts';
import { ensureVenv } from '../../jobs/spark/venv.ts';
import { allClear, IDS, loadCustomers, RENAMED, readCustomers } from '../support/customers.ts';
import { testSandbox } from '../support/sandbox.ts';

beforeAll(() => ensureVenv(), 900_000);

/** The Python application's own tests have every type; this one has the connector between it and the tables. */
const TYPES: IdType[] = ['STRING'];

it.each(TYPES)(
  'a batch takes ids of %s, from and into tables and columns of any name',
  async (idType) => {
    const ids = IDS[idType];
    const box = await testSandbox({ ...RENAMED, idType, maxRejectedShare: '1' });
    try {
      await loadCustomers(box, ids);
      const limit = ids.length - 1;
      expect(await box.run({ engine: 'dataproc', limit })).toMatchObject({
        selected: 3 * limit,
        merged: 3 * limit - 1,
        rejected: 1,
        kms_calls: 2,
      });
      expect(await box.run({ engine: 'direct' })).toMatchObject({ merged: 3 });
      expect(await readCustomers(box)).toEqual(allClear(ids));
    } finally {
      await box.close();
    }
  },
  900_000,
);
