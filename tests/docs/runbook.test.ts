import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newRunId } from '../../jobs/contract/ids.ts';
import type { Statement } from '../../jobs/contract/sql/index.ts';
import type { Row } from '../../jobs/google/bigquery.ts';
import { abandon } from '../../jobs/run/abandonment.ts';
import { plan } from '../../jobs/run/plan.ts';
import { resume, run } from '../../jobs/run/run.ts';
import { shred } from '../../jobs/upkeep/shredding.ts';
import { Application, type UserRow } from '../support/application.ts';
import { sqlBlocks } from '../support/pages.ts';
import { beforeStep, silent, type TestSandbox, testSandbox } from '../support/sandbox.ts';

/** The runbook's statements do what the runbook says of them. */

const blocks = sqlBlocks('docs/runbook.md');
const application = new Application('gcm');
const key = application.newKey();
const user = (id: number, text = `user${id}@example.com`): UserRow => ({
  id: String(id),
  cipher_text: key.encrypt(text),
  dek: key.dek,
});

let box: TestSandbox;
beforeAll(async () => {
  box = await testSandbox({ storePlaintext: 'false' }, 'direct');
});
afterAll(() => box.close());
beforeEach(async () => {
  for (const table of ['users', 'users_temp', 'users_rejected', 'runs', 'keysets'])
    await box.sql(`DELETE FROM ${table} WHERE TRUE`);
  await box.load(application, [user(41), user(42)]);
});

/** Carries out the one block of the page that has all of these texts, with the sandbox's names in place of the page's. */
async function carryOut(
  marks: readonly string[],
  changes: Readonly<Record<string, string>> = {},
): Promise<Row[]> {
  const found = blocks.filter((sql) => marks.every((mark) => sql.includes(mark)));
  expect(found).toHaveLength(1);
  const { project, dataset, bigqueryKek } = box.deployment;
  const names = {
    'my-project.encryption_poc': `${project}.${dataset}`,
    'projects/my-project/locations/us-central1/keyRings/reseal-dev/cryptoKeys/bigquery': bigqueryKek,
    ...changes,
  };
  let sql = found[0] ?? '';
  for (const [from, to] of Object.entries(names)) {
    expect(sql.includes(from) || from.startsWith('projects/')).toBe(true);
    sql = sql.replaceAll(from, to);
  }
  return box.context.bigquery.query({ name: 'runbook', sql, params: {} } as Statement<never>, {});
}

const opened = async (): Promise<Record<string, unknown>> => {
  const { project, readDataset, readProcedure } = box.deployment;
  const rows = (await box.sql(`CALL \`${project}.${readDataset}.${readProcedure}\`()`)) as {
    id: string;
    email: string;
  }[];
  return Object.fromEntries(rows.map(({ id, email }) => [id, email]));
};
const BOTH = { 41: 'user41@example.com', 42: 'user42@example.com' };

describe('rotating the first-level keyset', () => {
  const rotate = (): Promise<Row[]> => carryOut(['KEYS.ROTATE_WRAPPED_KEYSET']);

  it('leaves rows of both versions readable, and the next run seals with the new one', async () => {
    await box.run({ limit: 1 });
    await rotate();
    expect(await box.run()).toMatchObject({ merged: 1, keyset_version: 2 });
    expect(await opened()).toEqual(BOTH);
  });

  it('is done for what is sealed already by the mode stale, whatever made it stale, and by that once', async () => {
    await box.run();
    expect(await box.run({ mode: 'stale' })).toMatchObject({ selected: 0 });
    await rotate();
    await box.load(application, [user(43)]);
    const sealedAnew = { selected: 0, rewrapped: 1, keyset_version: 2 };
    expect(await box.run({ mode: 'stale', limit: 1 })).toMatchObject(sealedAnew);
    expect(await box.run({ mode: 'stale', engine: 'dataproc' })).toMatchObject(sealedAnew);
    expect(await box.run({ mode: 'stale' })).toMatchObject({ selected: 0, rewrapped: 0 });
    expect(await box.run()).toMatchObject({ selected: 1, merged: 1 });
    for (const changed of [{ keying: 'shared' as const }, { sourceFormat: 'dotted' as const }]) {
      const context = await box.under(changed);
      const { selected } = await plan(context, {
        runId: newRunId(),
        mode: 'stale',
        limit: null,
        engine: 'direct',
      });
      expect([changed, selected]).toEqual([changed, 3]);
    }
    await box.sql("UPDATE users SET cipher_text = 'changed: pending, not stale' WHERE id = 41");
    await box.sql('DELETE FROM runs WHERE TRUE');
    expect(await box.run({ mode: 'stale' })).toMatchObject({ selected: 2, merged: 2 });
    expect(await opened()).toMatchObject({ 42: BOTH[42] });
  });

  it('leaves rows of shared keying readable', async () => {
    const context = await box.under({ keying: 'shared' });
    await run(context, { runId: newRunId(), mode: 'pending', limit: 1, engine: 'direct' }, silent);
    await rotate();
    await box.run();
    expect(await opened()).toEqual(BOTH);
  });
});

describe('erasing a customer', () => {
  it('takes the whole row', async () => {
    await box.run();
    await carryOut(['DELETE', 'WHERE id = 42']);
    await box.run();
    expect(await opened()).toEqual({ 41: BOTH[41] });
  });

  it('takes the value where the source is REQUIRED', async () => {
    await box.run();
    await box.sql("UPDATE users SET cipher_text = '' WHERE id = 42");
    expect(await box.run()).toMatchObject({ selected: 1, rejected: 1, reasons: { truncated: 1 } });
    expect(await opened()).toEqual({ 41: BOTH[41] });
    await carryOut(['SET cipher_text = NULL'], { 'cipher_text = NULL, dek = NULL': "cipher_text = ''" });
    expect(await box.run()).toMatchObject({ selected: 0 });
    expect(await opened()).toEqual({ 41: BOTH[41] });
  });

  it('leaves what was shredded alone until the tombstone is taken away', async () => {
    await box.run();
    await shred(box.context, { ids: ['42'], field: null, clearSource: false });
    expect(await box.run({ mode: 'all' })).toMatchObject({ selected: 1 });
    expect(await opened()).toEqual({ 41: BOTH[41], 42: null });
    await carryOut(['SET bq_encrypted_email = NULL, resealed_from = NULL']);
    expect(await box.run()).toMatchObject({ merged: 1 });
    expect(await opened()).toEqual(BOTH);
  });
});

it('a run that nobody will resume ends, and its values are taken by the next', async () => {
  const runId = newRunId();
  const crash = beforeStep('merge', () => Promise.reject(new Error('power cut')));
  await expect(box.run({ runId }, crash)).rejects.toThrow('power cut');
  expect(await carryOut(['owner IS NOT NULL'])).toEqual([]);
  await abandon(box.context, runId, false);
  expect(await box.sql('SELECT id FROM users_temp')).toEqual([]);
  expect(await opened()).toEqual({});
  expect(await box.run()).toMatchObject({ merged: 2 });
  await expect(resume(box.context, runId, silent)).rejects.toMatchObject({ code: 'run-abandoned' });
});

it('what is rejected now leaves out what was rejected once', async () => {
  await box.sql("UPDATE users SET cipher_text = 'no base64' WHERE TRUE");
  await box.run();
  await box.sql(`UPDATE users SET cipher_text = '${user(41).cipher_text}' WHERE id = 41`);
  await box.run();
  expect(await box.sql('SELECT id FROM users_rejected ORDER BY id')).toEqual([{ id: '41' }, { id: '42' }]);
  expect(await carryOut(['r.rejected_from'])).toMatchObject([{ id: '42', reason: 'encoding' }]);
});
