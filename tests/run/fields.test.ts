import { afterAll, beforeAll, expect, it } from 'vitest';
import { statements } from '../../jobs/contract/sql/index.ts';
import { newestChains } from '../../jobs/run/keyset.ts';
import { importKek } from '../../sandbox/users/load.ts';
import { Application } from '../support/application.ts';
import { type TestSandbox, testSandbox } from '../support/sandbox.ts';

/** Two values a row, under one data key. */
const FIELDS = JSON.stringify([{ name: 'email' }, { name: 'phone', dek: 'dek' }]);
const application = new Application('gcm');
const key = application.newKey();
let box: TestSandbox;

beforeAll(async () => {
  box = await testSandbox({ fields: FIELDS, storePlaintext: 'false' });
  await importKek(box.sandbox.owner, box.deployment, application.writeKek(box.folder));
  const rows = [
    [1, `'${key.encrypt('ada@example.com')}'`, `'${key.encrypt('+44 20 7946 0001')}'`],
    [2, `'${key.encrypt('grace@example.com')}'`, 'NULL'],
    [3, `'no base64'`, `'${key.encrypt('+44 20 7946 0003')}'`],
  ].map(([id, email, phone]) => `(${id}, ${email}, ${phone}, '${key.dek}')`);
  await box.sql(`INSERT INTO users (id, cipher_text, phone_cipher_text, dek) VALUES ${rows.join(', ')}`);
});
afterAll(() => box.close());

it('re-encrypts every value of a row in one run, its shared data key unwrapped once', async () => {
  expect(await box.run()).toMatchObject({
    selected: 5,
    distinct_deks: 1,
    merged: 4,
    rejected: 1,
    reasons: { encoding: 1 },
    kms_calls: 1,
    read_back: { checked: 4, readable: 4 },
  });
  expect(await box.sql('SELECT id, field FROM users_rejected')).toEqual([{ id: '3', field: 'email' }]);
  expect(await box.run()).toMatchObject({ selected: 0 });
});

it('reads them back side by side, through the procedure as through SQL', async () => {
  const { bigquery, deployment } = box.context;
  const sql = statements(deployment);
  const chains = await newestChains(box.context);
  if (chains === null) throw new Error('no keyset');
  const expected = [
    { id: '1', email: 'ada@example.com', phone: '+44 20 7946 0001' },
    { id: '2', email: 'grace@example.com', phone: null },
    { id: '3', email: null, phone: '+44 20 7946 0003' },
  ];
  const all = { email_unreadable: 'false', phone_unreadable: 'false' };
  expect(await bigquery.query(sql.readValues, { ...chains, row_limit: 10 })).toEqual(
    expected.map((row) => ({ ...row, ...all })),
  );
  const { project, readDataset, readProcedure } = deployment;
  const called = await box.sql(`CALL \`${project}.${readDataset}.${readProcedure}\`()`);
  expect([...called].sort((a, b) => Number(a.id) - Number(b.id))).toEqual(expected);
});

it('takes a single value again when it alone has changed', async () => {
  await box.sql(`UPDATE users SET phone_cipher_text = '${key.encrypt('+44 20 7946 0099')}' WHERE id = 1`);
  expect(await box.run()).toMatchObject({ selected: 1, merged: 1 });
});
