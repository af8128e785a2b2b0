import { afterAll, beforeAll, expect, it } from 'vitest';
import { writeSample } from '../../jobs/cli/sample.ts';
import { type TestSandbox, testSandbox } from '../support/sandbox.ts';

let box: TestSandbox;
beforeAll(async () => {
  box = await testSandbox(
    { storePlaintext: 'true', fields: '[{"name":"email"},{"name":"phone","dek":"dek"}]' },
    'direct',
  );
}, 300_000);
afterAll(() => box.close());

const target = () => ({ deployment: box.deployment, endpoints: box.sandbox.endpoints });

it('a stack as it was deployed gets users that a run by Dataproc takes, under the KEK of the stack', async () => {
  expect(await writeSample(target(), { rows: 30 })).toEqual({ rows: 30, data_keys: 12 });
  const { keys } = (await box.control('kms:calls')) as { keys: Record<string, { encrypt?: number }> };
  expect(keys[box.deployment.sourceKek]?.encrypt).toBe(12);
  const report = await box.run({ engine: 'dataproc' });
  expect(report).toMatchObject({
    selected: 60,
    merged: 60,
    rejected: 0,
    engine: 'dataproc',
    distinct_deks: 12,
  });
  expect(report.batch_id).toMatch(/^reseal-/);
  expect(
    await box.sql('SELECT id, decrypted_email, decrypted_phone FROM users WHERE id IN (1, 30) ORDER BY id'),
  ).toEqual([
    { id: '1', decrypted_email: 'email-1@example.com', decrypted_phone: 'phone-1@example.com' },
    { id: '30', decrypted_email: 'email-30@example.com', decrypted_phone: 'phone-30@example.com' },
  ]);
});

it('a table that has rows is left alone unless told otherwise; then they follow its highest id', async () => {
  await expect(writeSample(target(), { rows: 1 })).rejects.toMatchObject({
    code: 'sample-rows',
    message: 'users has 30 rows already',
    hint: expect.stringContaining('--append'),
  });
  await writeSample(target(), { rows: 2, append: true });
  expect(await box.sql('SELECT COUNT(*) AS n, MAX(id) AS last FROM users')).toEqual([
    { n: '32', last: '32' },
  ]);
});

it('behind the highest INT64 is no room, so that they come before the lowest id', async () => {
  await box.sql("INSERT INTO users (id, cipher_text, dek) VALUES (9223372036854775807, '', '')");
  await writeSample(target(), { rows: 2, append: true });
  expect(await box.sql('SELECT id FROM users WHERE id <= 1 ORDER BY id')).toEqual(
    ['-1', '0', '1'].map((id) => ({ id })),
  );
});
