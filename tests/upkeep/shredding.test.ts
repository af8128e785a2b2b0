import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { checkShredding, type Shredding, shred } from '../../jobs/upkeep/shredding.ts';
import { Application } from '../support/application.ts';
import { interruptedAt } from '../support/interrupted.ts';
import { type TestSandbox, testSandbox } from '../support/sandbox.ts';

const application = new Application();
const key = application.newKey();
const user = (id: number) => ({
  id: String(id),
  cipher_text: key.encrypt(`shredded${id}@example.com`),
  dek: key.dek,
});
const fields = JSON.stringify([{ name: 'email' }, { name: 'phone', dek: 'dek' }]);

let box: TestSandbox;
beforeAll(async () => {
  box = await testSandbox({ fields, storePlaintext: 'true' });
});
afterAll(() => box.close());
beforeEach(async () => {
  for (const table of ['users', 'users_temp', 'users_rejected', 'users_shredded'])
    await box.sql(`DELETE FROM ${table} WHERE TRUE`);
  await box.load(application, [user(1), user(2), user(3)]);
  await box.sql('UPDATE users SET phone_cipher_text = cipher_text WHERE TRUE');
});

const shredding = (ids: string[], more: Partial<Shredding> = {}): Shredding => ({
  ids,
  field: null,
  clearSource: false,
  ...more,
});

async function read(): Promise<Record<string, unknown>[]> {
  const { project, readDataset, readProcedure } = box.deployment;
  const rows = await box.sql(`CALL \`${project}.${readDataset}.${readProcedure}\`()`);
  return rows.toSorted((a, b) => Number(a.id) - Number(b.id));
}
const entries = () =>
  box.sql('SELECT id, field, source, shredded_by FROM users_shredded ORDER BY id, field, source');

describe.each(['row', 'shared'] as const)('in %s keying', (keying) => {
  const context = () => ({ ...box.context, deployment: { ...box.deployment, keying } });

  it('nothing opens what was shredded, no mode takes it again, and its entry says who and when', async () => {
    await box.run();
    const done = await shred(context(), shredding(['1', '3']));
    expect(done).toEqual({ ids: 2, values: 4, readable: 0, staged: 0, source: 'kept', sources: 4 });
    expect(await read()).toMatchObject([
      { id: '1', email: null, phone: null },
      { id: '2', email: 'shredded2@example.com', phone: 'shredded2@example.com' },
      { id: '3', email: null, phone: null },
    ]);
    for (const mode of ['pending', 'rejected', 'all'] as const)
      expect((await box.run({ mode })).selected).toBe(mode === 'all' ? 2 : 0);
    const columns = 'decrypted_email, bq_encryption_key, resealed_from, cipher_text IS NOT NULL AS kept';
    expect(await box.sql(`SELECT ${columns} FROM users WHERE id = 1`)).toEqual([
      { decrypted_email: null, bq_encryption_key: null, resealed_from: null, kept: 'true' },
    ]);
    const by = { source: 'kept', shredded_by: 'owner@sandbox.invalid' };
    expect((await entries()).map((entry) => ({ ...entry, shredded_by: by.shredded_by }))).toEqual([
      { id: '1', field: 'email', ...by },
      { id: '1', field: 'phone', ...by },
      { id: '3', field: 'email', ...by },
      { id: '3', field: 'phone', ...by },
    ]);
    expect((await entries())[0]?.shredded_by).toBe('job@sandbox.invalid');
  });
});

it('one that no run has sealed yet is not sealed later', async () => {
  await shred(box.context, shredding(['2']));
  await box.run();
  expect(await read()).toMatchObject([
    { id: '1', email: 'shredded1@example.com' },
    { id: '2', email: null },
    { id: '3', email: 'shredded3@example.com' },
  ]);
});

it('one field leaves the others, and a second time changes nothing', async () => {
  await box.run();
  for (const _ of [1, 2]) await shred(box.context, shredding(['1'], { field: 'phone' }));
  expect((await read())[0]).toMatchObject({ email: 'shredded1@example.com', phone: null });
  expect(await entries()).toHaveLength(1);
});

it('with the source cleared the row has nothing left, and says so in an entry of its own', async () => {
  await box.run();
  await shred(box.context, shredding(['1']));
  await shred(box.context, shredding(['1'], { clearSource: true }));
  expect(await box.sql('SELECT cipher_text, phone_cipher_text FROM users WHERE id = 1')).toEqual([
    { cipher_text: '', phone_cipher_text: '' },
  ]);
  expect((await entries()).map(({ field, source }) => `${field} ${source}`)).toEqual([
    'email cleared',
    'email kept',
    'phone cleared',
    'phone kept',
  ]);
  expect(await box.run({ mode: 'all' })).toMatchObject({ selected: 4, rejected: 0 });
});

it('an id that is not there, or a field that the stack does not have, stops before anything is done', async () => {
  const unknown = checkShredding(box.context, shredding(['1', '77', '78']));
  await expect(unknown).rejects.toMatchObject({
    code: 'shred-unknown',
    message: expect.stringContaining('no row of 2 of 3 ids: 77, 78'),
  });
  const field = checkShredding(box.context, shredding(['1'], { field: 'fax' }));
  await expect(field).rejects.toMatchObject({
    code: 'shred-field',
    hint: expect.stringContaining('email, phone'),
  });
  expect(await entries()).toEqual([]);
});

describe('interrupted', () => {
  const ids = ['1', ...Array.from({ length: 9_999 }, (_, at) => String(at + 1_000)), '2'];
  it.each([
    {
      at: 'the first look',
      sql: 'ORDER BY version',
      from: 1,
      says: 'cancelled; nothing was shredded',
      entered: [],
    },
    {
      at: 'the first statement',
      sql: 'BEGIN TRANSACTION',
      from: 1,
      says: 'cancelled; 10000 of 10001 rows may be shredded',
      entered: [],
    },
    {
      at: 'the second',
      sql: 'BEGIN TRANSACTION',
      from: 2,
      says: 'cancelled; 10000 of 10001 rows are shredded, 1 more may be',
      entered: ['1', '1'],
    },
    {
      at: 'the last look',
      sql: 'users_temp',
      from: 2,
      says: 'cancelled; 10001 of 10001 rows are shredded',
      entered: ['1', '1', '2', '2'],
    },
  ])(
    'at $at it says what is shredded and what may be, and goes on when it is done again',
    async ({ sql, from, says, entered }) => {
      await box.run();
      const broken = interruptedAt(box, { sql, from }, (context) => shred(context, shredding(ids)));
      await expect(broken).rejects.toMatchObject({ code: 'cancelled', message: says });
      expect((await entries()).map(({ id }) => id)).toEqual(entered);
      await shred(box.context, shredding(ids));
      expect((await entries()).map(({ id }) => id)).toEqual(['1', '1', '2', '2']);
    },
  );
});
