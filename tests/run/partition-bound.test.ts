import { afterAll, beforeAll, expect, it } from 'vitest';
import { newRunId } from '../../jobs/contract/ids.ts';
import { doctor, mayStart } from '../../jobs/doctor/examine.ts';
import { plan } from '../../jobs/run/plan.ts';
import { rotate } from '../../jobs/upkeep/keyset-rotation.ts';
import { importKek } from '../../sandbox/users/load.ts';
import { Application } from '../support/application.ts';
import { type TestSandbox, testSandbox } from '../support/sandbox.ts';
import { patchSource } from '../support/source-table.ts';

/** BigQuery lets a statement modify 4,000 partitions, and this table has one more. */

const MOST = 4_000;
const application = new Application('gcm');
const key = application.newKey();
const value = key.encrypt('one@example.com');
let box: TestSandbox;

beforeAll(async () => {
  const fields = JSON.stringify([{ name: 'email' }, { name: 'phone', dek: 'dek' }]);
  box = await testSandbox({ fields }, 'direct');
  await importKek(box.sandbox.owner, box.deployment, application.writeKek(box.folder));
  await patchSource(box, { schema: { fields: [{ name: 'seen_at', type: 'TIMESTAMP' }] } });
  await patchSource(box, { timePartitioning: { type: 'HOUR', field: 'seen_at' } });
  const values = Array.from({ length: MOST + 1 }, (_, hour) => {
    const moment = new Date(Date.UTC(2026, 0, 1, hour)).toISOString();
    return `(${hour + 1}, '${value}', '${key.dek}', TIMESTAMP '${moment}')`;
  });
  for (const some of [values.slice(0, 2_000), values.slice(2_000)])
    await box.sql(`INSERT INTO users (id, cipher_text, dek, seen_at) VALUES ${some.join(', ')}`);
});
afterAll(() => box.close());

const TOO_MANY = {
  code: 'too-many-partitions',
  message: `the values to re-encrypt are in ${MOST + 1} partitions of users, and BigQuery lets a statement modify ${MOST}`,
  hint: expect.stringContaining('--limit'),
};
const staged = async () => Number((await box.sql('SELECT COUNT(*) AS n FROM users_temp'))[0]?.n);

it('the doctor warns of such a table', async () => {
  const findings = await doctor(box.context, box.sandbox.endpoints);
  expect(mayStart(findings)).toBe(true);
  expect(findings).toContainEqual({
    check: 'partitions of encryption_poc.users',
    verdict: 'warning',
    found: `${MOST + 1}, of which BigQuery lets a statement modify ${MOST}`,
    remedy: expect.stringContaining('reseal:readLimitRows'),
  });
});

it('a run over all of it ends before anything is paid for', async () => {
  await box.kmsCalls();
  await expect(box.run()).rejects.toMatchObject(TOO_MANY);
  expect(await box.kmsCalls()).toBe(0);
  expect(await staged()).toBe(0);
  expect(await box.sql('SELECT run_id FROM runs')).toEqual([]);
});

it('runs with a limit go through it, and the next takes what is left', async () => {
  expect(await box.run({ limit: MOST })).toMatchObject({ merged: MOST, changed_meanwhile: 0 });
  expect(await box.run()).toMatchObject({ selected: 1, merged: 1 });
});

it('row keysets that are to be sealed anew are counted as well', async () => {
  await rotate(box.context);
  await expect(box.run({ mode: 'stale' })).rejects.toMatchObject(TOO_MANY);
  expect(await box.run({ mode: 'stale', limit: 5 })).toMatchObject({ rewrapped: 5 });
});

it('a statement that modifies more fails, as a run that was staged all the same', async () => {
  await expect(box.sql('UPDATE users SET dek = dek WHERE TRUE')).rejects.toMatchObject({
    code: 'too-many-partitions',
    message: expect.stringContaining(`allowed ${MOST}, query produces at least ${MOST + 1} partitions`),
    hint: expect.stringContaining('--limit'),
  });
  await expect(
    box.sql(
      'MERGE users AS u USING (SELECT 1 AS n) AS s ON s.n = 1 WHEN MATCHED THEN UPDATE SET dek = u.dek',
    ),
  ).rejects.toMatchObject({ code: 'too-many-partitions' });
});

it('so is what the merge clears', async () => {
  for (const some of [`id <= 2000`, `id > 2000`])
    await box.sql(`UPDATE users SET cipher_text = NULL WHERE ${some}`);
  const options = { runId: newRunId(), mode: 'pending', limit: 1, engine: 'direct' } as const;
  await expect(plan(box.context, options)).rejects.toMatchObject({
    code: 'too-many-partitions',
    message: `what the merge has to clear is in ${MOST + 1} partitions of users, and BigQuery lets a statement modify ${MOST}`,
    hint: expect.stringContaining('docs/runbook.md'),
  });
});
