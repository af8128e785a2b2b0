import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newRunId } from '../../jobs/contract/ids.ts';
import { plan } from '../../jobs/run/plan.ts';
import { resume, run } from '../../jobs/run/run.ts';
import { rotate } from '../../jobs/upkeep/keyset-rotation.ts';
import { Application } from '../support/application.ts';
import { beforeStep, silent, type TestSandbox, testSandbox } from '../support/sandbox.ts';

/** The mode `stale` in row keying: row keysets of older versions are sealed anew inside BigQuery. */

const application = new Application('gcm');
const key = application.newKey();
const user = (id: number) => ({
  id: String(id),
  cipher_text: key.encrypt(`user${id}@example.com`),
  dek: key.dek,
});
const range = (from: number, count: number) => Array.from({ length: count }, (_, at) => from + at);

let box: TestSandbox;
beforeAll(async () => {
  box = await testSandbox({ storePlaintext: 'false' }, 'direct');
});
afterAll(() => box.close());
beforeEach(async () => {
  await box.faults();
  for (const table of ['users', 'users_temp', 'users_rejected', 'runs', 'keysets'])
    await box.sql(`DELETE FROM ${table} WHERE TRUE`);
});

async function opened(): Promise<Record<string, string | null>> {
  const { project, readDataset, readProcedure } = box.deployment;
  const rows = await box.sql(`CALL \`${project}.${readDataset}.${readProcedure}\`()`);
  return Object.fromEntries(rows.map(({ id, email }) => [id, email ?? null]));
}
const values = (ids: readonly number[]) =>
  Object.fromEntries(ids.map((id) => [String(id), `user${id}@example.com`]));
const sealedOf = () => box.sql('SELECT id, bq_encrypted_email FROM users ORDER BY id');
const prefixes = async () =>
  (await box.sql('SELECT DISTINCT SUBSTR(bq_encryption_key, 1, 5) AS prefix FROM users')).length;
const stale = () => box.run({ mode: 'stale' });

async function rotatedUsers(count: number): Promise<void> {
  await box.load(application, range(1, count).map(user));
  await box.run();
  await rotate(box.context);
  await box.kmsCalls();
}

it('seals every row keyset anew in one statement, without a data-key call or a change of any value', async () => {
  await rotatedUsers(500);
  const before = await sealedOf();
  const report = await stale();
  expect(report).toMatchObject({
    selected: 0,
    merged: 0,
    rewrapped: 500,
    keyset_version: 2,
    kms_calls: 0,
    batch_id: null,
    state: 'succeeded',
    read_back: { checked: 500, readable: 500 },
  });
  expect(await box.kmsCalls()).toBe(0);
  expect(await sealedOf()).toEqual(before);
  expect(await prefixes()).toBe(1);
  expect(await opened()).toEqual(values(range(1, 500)));
  expect(await stale()).toMatchObject({ selected: 0, rewrapped: 0 });
});

it('the plan says how many, and their seals count', async () => {
  await rotatedUsers(3);
  const options = { runId: newRunId(), mode: 'stale', limit: null, engine: 'auto' } as const;
  expect(await plan(box.context, options)).toMatchObject({ selected: 0, rewrappable: 3 });
  await stale();
  const [{ seals } = {}] = await box.context.bigquery.query(box.context.sql.sealsUnder, { version: 2 });
  expect(seals).toBe('3');
  await rotate(box.context);
  await box.sql("UPDATE runs SET keyset_version = 3, rewrapped = 4294967294 WHERE mode = 'stale'");
  await box.sql(
    'UPDATE runs SET resealed_at = (SELECT MAX(resealed_at) FROM users) WHERE keyset_version = 1',
  );
  await expect(stale()).rejects.toMatchObject({ code: 'keyset-exhausted' });
});

it('rows read before, during and after', async () => {
  await rotatedUsers(20);
  const all = values(range(1, 20));
  expect(await opened()).toEqual(all);
  let during = 0;
  const reading = {
    step: async <T>(_name: string, work: (progress: () => void) => Promise<T>) => {
      const [result, seen] = await Promise.all([work(() => {}), opened()]);
      expect(seen).toEqual(all);
      during++;
      return result;
    },
  };
  await box.run({ mode: 'stale' }, reading);
  expect(during).toBeGreaterThan(3);
  expect(await opened()).toEqual(all);
});

it('a limit takes so many rows by id, and the next run those behind them', async () => {
  await rotatedUsers(5);
  expect(await box.run({ mode: 'stale', limit: 2 })).toMatchObject({ rewrapped: 2, id_cutoff: '2' });
  expect(await box.run({ mode: 'stale', limit: 2 })).toMatchObject({ rewrapped: 2, id_cutoff: '4' });
  expect(await stale()).toMatchObject({ rewrapped: 1 });
  expect(await opened()).toEqual(values(range(1, 5)));
});

it('values of another keying or format go the engine way, in the same run', async () => {
  await box.load(application, [user(1), user(2)]);
  const context = await box.under({ keying: 'shared' });
  await run(context, { runId: newRunId(), mode: 'pending', limit: null, engine: 'direct' }, silent);
  await box.load(application, [user(3)]);
  await box.run();
  await rotate(box.context);
  expect(await stale()).toMatchObject({ selected: 2, merged: 2, rewrapped: 1 });
  expect(await prefixes()).toBe(1);
  expect(await opened()).toEqual(values([1, 2, 3]));
  expect(await stale()).toMatchObject({ selected: 0, rewrapped: 0 });
});

describe('what does not fit is left as it is', () => {
  it('a row keyset that does not open, which would be shredded otherwise', async () => {
    await rotatedUsers(3);
    await box.sql("UPDATE users SET bq_encryption_key = b'nonsense' WHERE id = 2");
    expect(await stale()).toMatchObject({ rewrapped: 2, read_back: { checked: 2, readable: 2 } });
    const [row] = await box.sql(
      'SELECT SAFE_CONVERT_BYTES_TO_STRING(bq_encryption_key) AS row_key FROM users WHERE id = 2',
    );
    expect(row).toEqual({ row_key: 'nonsense' });
  });

  it('a shredded value, and one whose source has changed: the next run seals that', async () => {
    await rotatedUsers(3);
    await box.sql("UPDATE users SET bq_encryption_key = NULL, bq_encrypted_email = b'' WHERE id = 1");
    await box.sql(`UPDATE users SET cipher_text = '${key.encrypt('new@example.com')}' WHERE id = 2`);
    expect(await stale()).toMatchObject({ selected: 0, rewrapped: 1 });
    expect(await box.run()).toMatchObject({ selected: 1, merged: 1 });
    expect(await opened()).toEqual({ 1: null, 2: 'new@example.com', 3: 'user3@example.com' });
  });

  it('a value that another run seals between plan and merge', async () => {
    await rotatedUsers(3);
    const meanwhile = beforeStep('merge', async () => {
      await box.run({ mode: 'all' });
    });
    expect(await box.run({ mode: 'stale' }, meanwhile)).toMatchObject({ rewrapped: 0 });
    expect(await opened()).toEqual(values([1, 2, 3]));
  });
});

it('a run that breaks off before its merge is resumed and does it once', async () => {
  await rotatedUsers(4);
  const runId = newRunId();
  const crash = beforeStep('merge', () => Promise.reject(new Error('power cut')));
  await expect(box.run({ runId, mode: 'stale' }, crash)).rejects.toThrow('power cut');
  expect(await resume(box.context, runId, silent)).toMatchObject({ rewrapped: 4 });
  expect(await resume(box.context, runId, silent)).toMatchObject({ rewrapped: 4 });
  expect(await opened()).toEqual(values([1, 2, 3, 4]));
});
