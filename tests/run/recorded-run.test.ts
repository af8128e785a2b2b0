import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Deployment } from '../../jobs/contract/deployment.ts';
import { batchId, newRunId } from '../../jobs/contract/ids.ts';
import type { Watcher } from '../../jobs/run/context.ts';
import { resume, run } from '../../jobs/run/run.ts';
import { Application, keysInWaves, type UserRow } from '../support/application.ts';
import { beforeStep, silent, type TestSandbox, testSandbox } from '../support/sandbox.ts';

/** What the ledger keeps of a run that breaks off, and what a resumed run makes of it. */
const application = new Application('gcm');
const key = application.newKey();

let box: TestSandbox;
let runId: string;
beforeAll(async () => {
  box = await testSandbox({ storePlaintext: 'true' }, 'direct');
});
afterAll(() => box?.close());
beforeEach(async () => {
  for (const table of ['users', 'users_temp', 'users_rejected', 'runs'])
    await box.sql(`DELETE FROM ${table} WHERE TRUE`);
  const user = (id: string): UserRow => ({ id, cipher_text: key.encrypt(`${id}@example.com`), dek: key.dek });
  await box.load(application, ['1', '2', '3'].map(user));
  runId = newRunId();
});

const ledger = async () => (await box.sql(`SELECT * FROM runs WHERE run_id = '${runId}'`))[0];
const breakOff = (step: string) => beforeStep(step, () => Promise.reject(new Error('power cut')));
const loseRow = beforeStep('verify', async () => {
  await box.sql('DELETE FROM users_temp WHERE id = 3');
});
const options = () => ({ runId, mode: 'pending', limit: null, engine: 'direct' }) as const;

describe('a run that broke off', () => {
  const withPattern = (d: Deployment): Partial<Deployment> => ({
    fields: d.fields.map((field) => ({ ...field, valuePattern: '[^@]+@[^@]+' })),
  });
  it.each<[string, string, (d: Deployment) => Partial<Deployment>]>([
    ['valuePattern', 'merge', withPattern],
    ['valuePattern', 'stage', withPattern],
    ['fields', 'merge', (d) => ({ fields: d.fields.map((field) => ({ ...field, name: 'mail' })) })],
    ['storePlaintext', 'merge', () => ({ storePlaintext: false })],
    ['sourceKek', 'stage', (d) => ({ sourceKek: d.bigqueryKek })],
    ['keying', 'stage', () => ({ keying: 'shared' })],
  ])('does not go on under another %s, from before %s', async (name, step, given) => {
    await expect(box.run({ runId }, breakOff(step))).rejects.toThrow('power cut');
    const changed = await box.under(given(box.deployment));
    await expect(resume(changed, runId, silent)).rejects.toMatchObject({
      code: 'resume-changed',
      message: expect.stringContaining(`reseal:${name} `),
      hint: expect.stringContaining(`abandon ${runId}`),
    });
    expect(await resume(box.context, runId, silent)).toMatchObject({ state: 'succeeded', merged: 3 });
    // Nothing of it is left to do, and its report does not hang on the settings.
    expect(await resume(changed, runId, silent)).toMatchObject({ state: 'succeeded' });
  });

  it('goes on where an older version began it, which kept no list of settings', async () => {
    await expect(box.run({ runId }, breakOff('stage'))).rejects.toThrow('power cut');
    await box.sql('UPDATE runs SET settings = NULL WHERE TRUE');
    expect(await resume(box.context, runId, silent)).toMatchObject({ state: 'succeeded' });
  });
});

it('whose batch somebody cancels ends as cancelled, as it does by the workflow', async () => {
  await box.faults({ kind: 'batch-cancelled', service: 'dataproc' });
  await expect(box.run({ runId, engine: 'dataproc' })).rejects.toMatchObject({ code: 'batch-cancelled' });
  await box.faults();
  expect(await ledger()).toMatchObject({ state: 'cancelled', error_code: 'batch-cancelled', owner: null });
  expect(await resume(box.context, runId, silent)).toMatchObject({ state: 'succeeded', merged: 3 });
});

describe('an attempt whose rows are not whole', () => {
  it('stays so where the next one is interrupted', async () => {
    await expect(box.run({ runId }, loseRow)).rejects.toMatchObject({ code: 'verify-count' });
    const end = new AbortController();
    const stop = beforeStep('verify', async () => end.abort());
    await expect(resume({ ...box.context, signal: end.signal }, runId, stop)).rejects.toMatchObject({
      code: 'cancelled',
    });
    expect(await resume(box.context, runId, silent)).toMatchObject({ state: 'succeeded', merged: 3 });
  });

  it('is told from a whole one after it, which is taken', async () => {
    await expect(box.run({ runId }, loseRow)).rejects.toMatchObject({ code: 'verify-count' });
    await expect(resume(box.context, runId, breakOff('merge'))).rejects.toThrow('power cut');
    await box.kmsCalls();
    expect(await resume(box.context, runId, silent)).toMatchObject({ state: 'succeeded', merged: 3 });
    expect(await box.kmsCalls()).toBe(0);
  });

  it('may be followed by another such', async () => {
    for (const at of [1, 2])
      await expect(box.run({ runId }, loseRow), `attempt ${at}`).rejects.toMatchObject({
        code: 'verify-count',
      });
    expect(await resume(box.context, runId, silent)).toMatchObject({ state: 'succeeded', merged: 3 });
  });
});

describe('calls, usage and cost', () => {
  it('of a wave count once, however often it is verified', async () => {
    await box.sql('DELETE FROM users WHERE TRUE');
    const rows = keysInWaves(application, 2, 4).map((own, at): UserRow => {
      const id = String(at + 1);
      return { id, cipher_text: own.encrypt(`${id}@example.com`), dek: own.dek };
    });
    await box.load(application, rows);
    const again = breakOff('merge 2/2');
    const given = { runId, waveDeks: 4, engine: 'dataproc' } as const;
    await expect(box.run(given, again)).rejects.toThrow('power cut');
    const once = await ledger();
    expect(once).toMatchObject({ kms_calls: '8' });
    await expect(resume(box.context, runId, again)).rejects.toThrow('power cut');
    const report = await resume(box.context, runId, silent);
    expect(report).toMatchObject({ kms_calls: 8, milli_dcu_seconds: Number(once?.milli_dcu_seconds) });
    expect(report.cost_usd).toBeCloseTo(Number(once?.cost_usd), 6);
  });

  it('and the batch stay known where a wave has no value', async () => {
    await box.sql('DELETE FROM users WHERE TRUE');
    // Of three waves of three keys; none of the second's has a value.
    const keys = keysInWaves(application, 3, 3).filter((_, at) => at < 3 || at > 5);
    await box.load(
      application,
      keys.map((own, at) => ({ id: String(at + 1), cipher_text: own.encrypt(`${at}`), dek: own.dek })),
    );
    const seen: Awaited<ReturnType<typeof ledger>>[] = [];
    const look: Watcher = {
      async step(name, work) {
        if (name.startsWith('stage')) seen.push(await ledger());
        return work(() => {});
      },
    };
    const report = await box.run({ runId, waveDeks: 2, engine: 'dataproc' }, look);
    const [, first, second] = seen;
    const { batch_id, kms_calls, milli_dcu_seconds, cost_usd } = first ?? {};
    expect(Number(milli_dcu_seconds)).toBeGreaterThan(0);
    expect(second).toMatchObject({ waves_merged: '2', batch_id, kms_calls, milli_dcu_seconds, cost_usd });
    expect(report.milli_dcu_seconds).toBeGreaterThan(Number(milli_dcu_seconds));
    expect(report).toMatchObject({ waves: 3, kms_calls: 6, merged: 6 });
  });

  it.each(['direct', 'bigquery', 'dataproc'] as const)(
    'by the %s engine are known of a run that stops before its merge, and count once when it goes on',
    async (engine) => {
      const bad = Array.from({ length: 12 }, (_, at): UserRow => {
        return { id: String(100 + at), cipher_text: '?', dek: key.dek };
      });
      await box.load(application, bad);
      await expect(box.run({ runId, engine })).rejects.toMatchObject({ code: 'rejected-share' });
      const stopped = await ledger();
      expect(stopped).toMatchObject({ kms_calls: '1', staged_at: expect.any(String) });
      expect(Number(stopped?.cost_usd)).toBeGreaterThan(0);
      const report = await resume(box.context, runId, silent, { rejected: true });
      expect(report).toMatchObject({ merged: 3, rejected: 12, kms_calls: 1 });
      expect(report.cost_usd).toBeCloseTo(Number(stopped?.cost_usd), 6);
    },
  );

  it('are unknown where the process ended before it could say them', async () => {
    const { direct } = box.context.engines;
    const stage: typeof direct.stage = async (...given) => {
      await direct.stage(...given);
      throw new Error('power cut');
    };
    const engines = { ...box.context.engines, direct: { ...direct, stage } };
    await expect(run({ ...box.context, engines }, options(), silent)).rejects.toThrow('power cut');
    expect(await resume(box.context, runId, silent)).toMatchObject({ kms_calls: null, cost_usd: null });
  });

  it('stay known where the engine takes what it staged before', async () => {
    await expect(box.run({ runId }, breakOff('merge'))).rejects.toThrow('power cut');
    expect(await resume(box.context, runId, silent)).toMatchObject({ kms_calls: 1, cost_usd: 0.000003 });
  });
});

it('the ledger names the batch at work, whichever attempt it is', async () => {
  await box.faults({ kind: 'batch-failed', service: 'dataproc', count: 2 });
  for (const attempt of [1, 2]) {
    await expect(run(box.context, { ...options(), engine: 'dataproc' }, silent)).rejects.toMatchObject({
      code: 'batch-failed',
    });
    const batch = batchId(runId, attempt);
    expect(await ledger()).toMatchObject({ batch_id: batch, attempt: batch });
  }
  await box.faults();
});
