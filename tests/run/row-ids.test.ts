import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ENGINES } from '../../jobs/contract/settings/choices.ts';
import { checkReady, doctor, mayStart } from '../../jobs/doctor/examine.ts';
import { rotate } from '../../jobs/upkeep/keyset-rotation.ts';
import { checkShredding, shred } from '../../jobs/upkeep/shredding.ts';
import {
  allClear,
  callProcedure,
  clear,
  IDS,
  loadCustomers,
  RENAMED,
  readCustomers,
} from '../support/customers.ts';
import { type TestSandbox, testSandbox } from '../support/sandbox.ts';
import { emulator } from '../support/workflow/emulator.ts';

describe.each(['STRING', 'NUMERIC'] as const)(
  'ids of %s, three fields a row, nothing called as by default',
  (idType) => {
    const ids = IDS[idType];
    let box: TestSandbox;
    beforeAll(async () => {
      // Batches do the direct engine's work here, from the arguments that the application gets.
      box = await testSandbox(
        { ...RENAMED, idType, maxRejectedShare: '1', engines: JSON.stringify(ENGINES) },
        'direct',
      );
      await loadCustomers(box, ids);
    });
    afterAll(() => box.close());

    it('are ready for a run', async () => {
      await expect(checkReady(box.context)).resolves.toBeUndefined();
      expect(mayStart(await doctor(box.context, box.sandbox.endpoints))).toBe(true);
    });

    it('are taken in their order, run by run with a limit, by any engine', async () => {
      expect(await box.run({ limit: 2, engine: idType === 'STRING' ? 'bigquery' : 'direct' })).toMatchObject({
        state: 'succeeded',
        selected: 6,
        merged: 5,
        rejected: 1,
        read_back: { checked: 5, readable: 5 },
      });
      expect(Object.keys(await readCustomers(box)).toSorted()).toEqual(ids.slice(0, 2).toSorted());
      const left = 3 * (ids.length - 2);
      const engine = idType === 'STRING' ? 'dataproc' : 'bigquery';
      expect(await box.run({ limit: ids.length - 2, engine })).toMatchObject({ merged: left });
      expect(await box.run({ limit: 2 })).toMatchObject({ selected: 0 });
      expect(await readCustomers(box)).toEqual(allClear(ids));
    });

    it('are read through the procedure, and rejected values are told by them', async () => {
      expect((await callProcedure(box)).map(({ mail }) => mail).toSorted()).toEqual(
        ids.map((_, at) => clear(at).mail).toSorted(),
      );
      expect(await box.context.bigquery.query(box.context.sql.rejectedNow, { reason: '' })).toMatchObject([
        { id: ids[0], field: 'note', reason: 'encoding' },
      ]);
    });

    it('are the AAD of row keysets, which are sealed anew between them', async () => {
      await rotate(box.context);
      const values = 3 * ids.length - 1;
      expect(await box.run({ mode: 'stale', limit: 1 })).toMatchObject({ selected: 0, rewrapped: 2 });
      expect(await box.run({ mode: 'stale' })).toMatchObject({ selected: 0, rewrapped: values - 2 });
      expect(await readCustomers(box)).toEqual(allClear(ids));
    });

    it('name what is shredded', async () => {
      const [, second = '', ...others] = ids;
      const shredding = { ids: [second, others.at(-1) ?? ''], field: null, clearSource: false };
      await checkShredding(box.context, shredding);
      const unknown = { ...shredding, ids: [second, `${second}?`] };
      await expect(checkShredding(box.context, unknown)).rejects.toMatchObject({ code: 'shred-unknown' });
      expect(await shred(box.context, shredding)).toMatchObject({ ids: 2, values: 6, readable: 0 });
      const left = allClear(ids);
      for (const id of shredding.ids) left[id] = { mail: null, phone: null, note: null };
      expect(await readCustomers(box)).toEqual(left);
      expect(await box.run({ mode: 'all' })).toMatchObject({ selected: 3 * (ids.length - 2) });
    });
  },
);

/** INT64 is what all other tests of runs have. */
it.each(['BOOL', 'DATE', 'DATETIME', 'TIMESTAMP'] as const)(
  'ids of %s are taken and read as well',
  async (idType) => {
    const ids = IDS[idType];
    const box = await testSandbox({ ...RENAMED, idType, maxRejectedShare: '1' }, 'direct');
    try {
      await loadCustomers(box, ids);
      expect(await box.run({ limit: 1 })).toMatchObject({ merged: 2, rejected: 1 });
      expect(await box.run({ engine: 'bigquery' })).toMatchObject({ merged: 3 * (ids.length - 1) });
      expect(await readCustomers(box)).toEqual(allClear(ids));
    } finally {
      await box.close();
    }
  },
);

it('the workflow takes ids of STRING between two bounds, too', async () => {
  // The emulator escapes whatever is not ASCII once more with each call; Cloud Workflows has no such thing.
  const ids = ['', '<=a b', '>', 'it is'];
  const box = await testSandbox({ ...RENAMED, idType: 'STRING', maxRejectedShare: '1' }, 'direct');
  const workflow = await emulator(box);
  try {
    await loadCustomers(box, ids);
    expect(await workflow.execute({ run_id: 'first-one', limit: 1 })).toMatchObject({
      result: { merged: '2', rejected: '1', id_from: '', id_cutoff: '<=' },
    });
    expect(await workflow.execute({ run_id: 'others', limit: ids.length })).toMatchObject({
      result: { merged: String(3 * (ids.length - 1)), id_from: '>', id_cutoff: `<=${ids.at(-1)}` },
    });
    expect(await readCustomers(box)).toEqual(allClear(ids));
  } finally {
    await workflow.close();
    await box.close();
  }
});
