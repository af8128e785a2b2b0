import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newRunId } from '../../jobs/contract/ids.ts';
import { abandon } from '../../jobs/run/abandonment.ts';
import type { Watcher } from '../../jobs/run/context.ts';
import { resume } from '../../jobs/run/run.ts';
import { wavesOf } from '../../jobs/run/waves.ts';
import { Application, keysInWaves, type UserRow } from '../support/application.ts';
import { beforeStep, silent, type TestSandbox, testSandbox } from '../support/sandbox.ts';

/** A run that goes through its data keys in waves ends as one that takes them all at once. */

const KEYS = 24;
const ROWS = 60;
const application = new Application('gcm');
const WAVES = 4;
const keys = keysInWaves(application, WAVES, KEYS / WAVES);
const users = Array.from({ length: ROWS }, (_, at): UserRow => {
  const key = keys[at % KEYS] as (typeof keys)[number];
  return { id: String(at + 1), cipher_text: key.encrypt(`user${at + 1}@example.com`), dek: key.dek };
});

let box: TestSandbox;
beforeAll(async () => {
  box = await testSandbox({ storePlaintext: 'true' });
});
afterAll(() => box.close());
beforeEach(async () => {
  for (const table of ['users', 'users_temp', 'users_rejected', 'runs'])
    await box.sql(`DELETE FROM ${table} WHERE TRUE`);
  await box.load(application, users);
  await box.sql("UPDATE users SET cipher_text = 'no base64' WHERE id = 7");
  await box.kmsCalls();
});

const waveDeks = KEYS / WAVES;
const expected = users
  .filter(({ id }) => id !== '7')
  .map(({ id }) => ({ id, email: `user${id}@example.com` }));
const readable = () =>
  box.sql('SELECT id, decrypted_email AS email FROM users WHERE decrypted_email IS NOT NULL ORDER BY id');
const WHOLE_RUN = {
  state: 'succeeded',
  selected: ROWS,
  distinct_deks: KEYS,
  staged: ROWS - 1,
  rejected: 1,
  merged: ROWS - 1,
  reasons: { encoding: 1 },
  read_back: { checked: ROWS - 1, readable: ROWS - 1 },
};

it('are as many as it takes', () => {
  expect(wavesOf(1000, null)).toBe(1);
  expect(wavesOf(0, 100)).toBe(1);
  expect(wavesOf(100, 100)).toBe(1);
  expect(wavesOf(101, 100)).toBe(2);
});

it('cover every value once, and every data key is unwrapped once', async () => {
  const names: string[] = [];
  const watcher: Watcher = {
    step(name, work) {
      names.push(name);
      return work(() => {});
    },
  };
  const report = await box.run({ waveDeks }, watcher);
  expect(report).toMatchObject({ ...WHOLE_RUN, waves: WAVES, waves_merged: WAVES, kms_calls: KEYS });
  expect(await box.kmsCalls()).toBe(KEYS);
  expect(await readable()).toEqual(expected);
  expect(names.filter((name) => name.startsWith('merge'))).toEqual([
    'merge 1/4',
    'merge 2/4',
    'merge 3/4',
    'merge 4/4',
  ]);
  expect(await box.sql('SELECT COUNT(DISTINCT resealed_at) AS n FROM users')).toEqual([{ n: '1' }]);
  expect(await box.run({ mode: 'stale' })).toMatchObject({ selected: 0 });
  expect(await box.run()).toMatchObject({ selected: 0 });
});

describe('of a run that broke off', () => {
  const broken = async (step: string, runId: string): Promise<void> => {
    const stop = beforeStep(step, async () => {
      throw new Error('the power is gone');
    });
    await expect(box.run({ runId, waveDeks }, stop)).rejects.toThrow('the power is gone');
  };

  it.each(['verify 3/4', 'merge 3/4'])('at %s are taken from there on', async (step) => {
    const runId = newRunId();
    await broken(step, runId);
    expect(await box.sql(`SELECT state, waves, waves_merged FROM runs`)).toEqual([
      { state: 'failed', waves: '4', waves_merged: '2' },
    ]);
    const before = await readable();
    expect(before.length).toBeGreaterThan(0);
    expect(before.length).toBeLessThan(expected.length);
    const report = await resume(box.context, runId, silent);
    expect(report).toMatchObject({ ...WHOLE_RUN, waves_merged: WAVES });
    expect(await readable()).toEqual(expected);
    expect(await box.kmsCalls()).toBe(KEYS);
    expect(await box.sql('SELECT COUNT(*) AS n FROM users_temp')).toEqual([{ n: '0' }]);
  });

  it('stay merged when it is abandoned, and a new run takes the rest', async () => {
    const runId = newRunId();
    await broken('merge 2/4', runId);
    const { run } = await abandon(box.context, runId, false);
    expect(run).toMatchObject({ state: 'abandoned', waves_merged: 1 });
    const merged = (await readable()).length;
    expect(run.merged).toBe(merged);
    const rest = await box.run();
    expect((rest.merged ?? 0) + merged).toBe(expected.length);
    expect(await readable()).toEqual(expected);
  });
});

it('renew the lease as each is merged, and end at the end of the last merge', async () => {
  const moments = `SELECT heartbeat = merged_at AS renewed, merged_at > resealed_at AS later, ended_at = merged_at AS ended FROM runs`;
  let between: unknown;
  const look = beforeStep(`stage 2/${WAVES}`, async () => {
    between = await box.sql(moments);
  });
  await box.run({ waveDeks }, look);
  expect(between).toEqual([{ renewed: 'true', later: 'true', ended: null }]);
  expect(await box.sql(moments)).toEqual([{ renewed: 'true', later: 'true', ended: 'true' }]);
});

it('leave a value alone that changed before its wave was merged', async () => {
  const change = beforeStep('merge 4/4', async () => {
    await box.sql("UPDATE users SET cipher_text = CONCAT(cipher_text, 'x') WHERE TRUE");
  });
  const report = await box.run({ waveDeks }, change);
  const merged = (await readable()).length;
  expect(report).toMatchObject({ state: 'succeeded', merged, staged: ROWS - 1 });
  expect(report.changed_meanwhile).toBe(ROWS - 1 - merged);
  expect(report.changed_meanwhile).toBeGreaterThan(0);
});

it("is a setting of the stack's too, and a run's own comes first", async () => {
  const context = { ...box.context, deployment: { ...box.deployment, waveDeks: 12 } };
  const { plan } = await import('../../jobs/run/plan.ts');
  const options = { runId: newRunId(), mode: 'pending', limit: null, engine: 'direct' } as const;
  expect((await plan(context, options)).waves).toBe(2);
  expect((await plan(context, { ...options, waveDeks: 8 })).waves).toBe(3);
});
