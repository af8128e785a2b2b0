import { randomUUID } from 'node:crypto';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { JOB_FILE } from '../../../jobs/contract/cloud-run.ts';
import { runByWorkflow } from '../../../jobs/run/by-workflow.ts';
import type { EngineChoice } from '../../../jobs/run/context.ts';
import { bundleJob } from '../../../tools/bundle-job.ts';
import { Application, type UserRow } from '../../support/application.ts';
import { filesOf, leakingFiles } from '../../support/canaries.ts';
import { beforeStep, silent, type TestSandbox, testSandbox } from '../../support/sandbox.ts';
import { type Emulator, emulator } from '../../support/workflow/emulator.ts';
import { executionsApi } from '../../support/workflow/executions-api.ts';

/** The deployed definition in the emulator, which hands runs to the job that the bundle has, on the sandbox's Cloud Run. */
const application = new Application('gcm');
const key = application.newKey();
const user = (id: string): UserRow => ({ id, cipher_text: key.encrypt(`${id}@example.com`), dek: key.dek });

const bundle = mkdtempSync(join(tmpdir(), 'reseal-bundle-'));
/** The same beside what passes for a batch's. */
const mixed = join(bundle, 'mixed');
let box: TestSandbox;
let workflow: Emulator;
beforeAll(async () => {
  await bundleJob(bundle);
  cpSync('tests/fixtures/bundle', mixed, { recursive: true });
  cpSync(join(bundle, JOB_FILE), join(mixed, JOB_FILE));
  box = await testSandbox({ storePlaintext: 'true', engines: '["bigquery"]', bundle }, 'direct');
  workflow = await emulator(box);
}, 600_000);
afterAll(async () => {
  await workflow?.close();
  await box?.close();
  rmSync(bundle, { recursive: true, force: true });
});
afterEach(async () => {
  await box.faults();
});

const load = (...ids: string[]) =>
  box.load(
    application,
    ids.map((id) => user(id)),
  );
const users = () => box.sql('SELECT id, decrypted_email AS email FROM users ORDER BY id');
const merged = (...ids: string[]) => ids.map((id) => ({ id, email: `${id}@example.com` }));
const ledger = async (runId: string) => (await box.sql(`SELECT * FROM runs WHERE run_id = '${runId}'`))[0];

interface Execution {
  readonly name: string;
  readonly completionTime?: string;
}
async function executions(): Promise<readonly Execution[]> {
  const answer = await fetch(`${box.sandbox.owner.run}/v2/${box.deployment.cloudRunJob}/executions`, {
    headers: { authorization: `Bearer ${box.sandbox.owner.accessToken}` },
  });
  return ((await answer.json()) as { executions?: Execution[] }).executions ?? [];
}

const isAtWork = async (): Promise<boolean> =>
  (await executions()).some(({ completionTime }) => completionTime === undefined);

/** Waits until the job of Cloud Run has taken a run over. */
async function drivenByJob(runId: string): Promise<void> {
  while (!(await ledger(runId))?.owner?.startsWith('cloud-run:')) await sleep(50);
}

describe('an execution of a stack without batches', () => {
  it('has the job of Cloud Run do the run inside BigQuery', async () => {
    await load('1', '2', '3');
    await box.sql(`INSERT INTO users (id, cipher_text, dek) VALUES (4, 'no base64', '${key.dek}')`);
    const runId = randomUUID();
    const { result, error, entries } = await workflow.execute(null, runId);
    expect(error).toBeUndefined();
    expect(result).toMatchObject({ run_id: runId, state: 'succeeded', selected: '4', merged: '3' });
    const counts = { selected: 4, merged: 3, rejected: 1, kms_calls: 1 };
    expect(entries).toEqual([
      { severity: 'INFO', json: { reseal: { event: 'run.succeeded', run_id: runId, ...counts } } },
    ]);
    expect(await users()).toEqual([...merged('1', '2', '3'), { id: '4', email: null }]);
    expect(await ledger(runId)).toMatchObject({
      via: 'workflow',
      engine: 'bigquery',
      batch_id: null,
      milli_dcu_seconds: null,
      owner: null,
      error: null,
    });
    expect(await executions()).toHaveLength(1);
    expect(await box.sql('SELECT COUNT(*) AS n FROM data_keys')).toEqual([{ n: '0' }]);
  });

  it('starts none for a run without a value', async () => {
    const before = (await executions()).length;
    const { result } = await workflow.execute({ run_id: 'nothing-to-do' });
    expect(result).toMatchObject({ state: 'succeeded', selected: '0', kms_calls: '0' });
    expect(await ledger('nothing-to-do')).toMatchObject({ engine: 'bigquery', milli_dcu_seconds: null });
    expect((await executions()).length).toBe(before);
  });

  it('goes through all waves', async () => {
    const keys = Array.from({ length: 6 }, () => application.newKey());
    await box.load(
      application,
      keys.map((one, at) => ({
        id: String(20 + at),
        cipher_text: one.encrypt(`${20 + at}@example.com`),
        dek: one.dek,
      })),
    );
    const { result } = await workflow.execute({ run_id: 'in-waves', wave_deks: 2 });
    expect(result).toMatchObject({
      state: 'succeeded',
      waves: '3',
      waves_merged: '3',
      merged: '6',
      kms_calls: '6',
    });
  });

  it('raises what the job says, and tries again only what may pass', async () => {
    await load('30');
    await box.faults({ kind: 'denied', service: 'kms', method: 'cryptoKeys.decrypt' });
    const before = (await executions()).length;
    const { error, entries } = await workflow.execute({ run_id: 'refused-by-kms' });
    expect(error).toMatchObject({ error_code: 'kms-denied' });
    expect(entries.map(({ json }) => json.reseal)).toMatchObject([
      { event: 'run.failed', code: 'kms-denied' },
    ]);
    expect((await executions()).length).toBe(before + 1);
    expect(await ledger('refused-by-kms')).toMatchObject({
      state: 'failed',
      error_code: 'kms-denied',
      owner: null,
    });
    await box.faults();
    expect(await workflow.execute({ run_id: 'refused-by-kms' })).toMatchObject({
      result: { state: 'succeeded', merged: '1' },
    });
  });

  it('hands on that any number of values may be rejected', async () => {
    const rows = Array.from({ length: 11 }, (_, at) => `(${40 + at}, 'no base64', '${key.dek}')`);
    await box.sql(`INSERT INTO users (id, cipher_text, dek) VALUES ${rows.join(', ')}`);
    expect((await workflow.execute({ run_id: 'many-rejected' })).error).toMatchObject({
      error_code: 'rejected-share',
    });
    expect(await workflow.execute({ run_id: 'many-rejected', accept_rejected: true })).toMatchObject({
      result: { state: 'succeeded', rejected: '11' },
    });
  });

  it('is refused an engine that the stack has nothing for', async () => {
    expect((await workflow.execute({ engine: 'dataproc' })).error).toMatchObject({
      error_code: 'argument-engine',
      message: 'engine must be auto, bigquery, not dataproc',
    });
  });

  it('starts the job again where it dies, and goes on from what the ledger has', async () => {
    await load('50');
    await box.faults({ kind: 'execution-killed', service: 'run', output: 'data keys', count: 1 });
    const before = (await executions()).length;
    const { result, error } = await workflow.execute({ run_id: 'killed-once' });
    expect(error).toBeUndefined();
    expect(result).toMatchObject({ state: 'succeeded', merged: '1' });
    expect((await executions()).length).toBe(before + 2);
    expect(await box.sql('SELECT COUNT(*) AS n FROM data_keys')).toEqual([{ n: '0' }]);
  });

  it('gives up where it never starts, and lets go of the run', async () => {
    await load('51');
    await box.faults({ kind: 'execution-without-image', service: 'run', count: 100 });
    const { error } = await workflow.execute({ run_id: 'never-started' });
    expect(error).toMatchObject({
      error_code: 'job-failed',
      message: expect.stringMatching(/^Cloud Run: .*\/executions\/.* ended before the run did: .*image/i),
    });
    expect(await ledger('never-started')).toMatchObject({
      state: 'failed',
      owner: null,
      error_code: 'job-failed',
    });
    await box.faults();
    expect(await workflow.execute({ run_id: 'never-started' })).toMatchObject({ result: { merged: '1' } });
  });

  it('asks Cloud Run again only where it has certainly begun nothing', async () => {
    await load('52');
    await box.faults({ kind: 'unavailable', service: 'run', method: 'jobs.run', count: 1 });
    const before = (await executions()).length;
    expect(await workflow.execute({ run_id: 'asked-again' })).toMatchObject({ result: { merged: '1' } });
    expect((await executions()).length).toBe(before + 1);
  });

  it('follows the execution that it has started, whatever befalls its call or its looks', async () => {
    await load('53', '54');
    await box.faults(
      { kind: 'unavailable', service: 'run', method: 'jobs.run', count: 1, when: 'after' },
      { kind: 'internal', service: 'run', method: 'executions.get', count: 1 },
      // Long enough for a second execution, should there be one, to meet the first at work.
      { kind: 'latency', service: 'kms', method: 'cryptoKeys.decrypt', ms: 2_000 },
    );
    const { result, error, entries } = await workflow.execute({ run_id: 'followed' });
    expect(error).toBeUndefined();
    expect(result).toMatchObject({ state: 'succeeded', merged: '2' });
    expect(entries.map(({ json }) => json.reseal)).toMatchObject([{ event: 'run.succeeded' }]);
  });

  it('ends with a run whose execution somebody cancels, also one that had not begun', async () => {
    await load('55');
    await box.faults({ kind: 'latency', service: 'run', method: 'executions.get', ms: 300 });
    const before = new Set((await executions()).map(({ name }) => name));
    const running = workflow.execute({ run_id: 'cancelled-early' });
    let mine: string | undefined;
    while (mine === undefined) {
      mine = (await executions()).map(({ name }) => name).find((name) => !before.has(name));
      await sleep(10);
    }
    const cancelled = await fetch(`${box.sandbox.owner.run}/v2/${mine}:cancel`, {
      method: 'POST',
      headers: { authorization: `Bearer ${box.sandbox.owner.accessToken}` },
    });
    expect(cancelled.status).toBe(200);
    expect((await running).error).toMatchObject({ error_code: 'cancelled' });
    await box.faults();
    expect(await ledger('cancelled-early')).toMatchObject({ state: 'cancelled', owner: null, merged: null });
    expect(await workflow.execute({ run_id: 'cancelled-early' })).toMatchObject({ result: { merged: '1' } });
  });

  it('leaves alone a run whose job has lost it to somebody else', async () => {
    await load('60');
    await box.faults({ kind: 'latency', service: 'kms', method: 'cryptoKeys.decrypt', ms: 3_000 });
    const running = workflow.execute({ run_id: 'taken-from-it' });
    await drivenByJob('taken-from-it');
    await box.sql(
      "UPDATE runs SET owner = 'job:somebody', heartbeat = CURRENT_TIMESTAMP() WHERE run_id = 'taken-from-it'",
    );
    expect((await running).error).toMatchObject({ error_code: 'run-taken-over' });
    expect(await ledger('taken-from-it')).toMatchObject({ owner: 'job:somebody', error_code: null });
  });
});

describe('`--via workflow`', () => {
  let api: Awaited<ReturnType<typeof executionsApi>>;
  beforeAll(async () => {
    api = await executionsApi(workflow, box);
  });
  afterAll(() => api?.close());

  const trigger = (runId: string, engine: EngineChoice = 'auto', signal = box.context.signal) =>
    runByWorkflow(
      { ...box.context, signal },
      { runId, engine, mode: 'pending', limit: null },
      { rejected: false },
      silent,
      { ...box.sandbox.endpoints, workflows: api.origin },
    );

  it('takes `--engine bigquery`, reports as the job does, and resumes what a process began with it', async () => {
    // The row that the run before has left.
    expect(await trigger('by-name', 'bigquery')).toMatchObject({
      engine: 'bigquery',
      via: 'workflow',
      merged: 1,
      batch_id: null,
      read_back: { readable: 1 },
    });
    await load('71');
    const crash = beforeStep('stage', () => Promise.reject(new Error('power cut')));
    await expect(box.run({ runId: 'begun-by-hand', engine: 'bigquery' }, crash)).rejects.toThrow('power cut');
    expect(await trigger('begun-by-hand')).toMatchObject({ state: 'succeeded', merged: 1, via: 'job' });
  });

  it('refuses an engine that the workflow does not have', async () => {
    await expect(trigger('by-batch', 'dataproc')).rejects.toMatchObject({
      code: 'option-engine',
      message: 'the workflow of this stack has no engine dataproc',
    });
  });

  it.each(['interrupted-one', 'begun-by-hand-again'])(
    'ends the job, too, when %s is interrupted',
    async (runId) => {
      await load(runId === 'interrupted-one' ? '72' : '73');
      if (runId !== 'interrupted-one') {
        const crash = beforeStep('stage', () => Promise.reject(new Error('power cut')));
        await expect(box.run({ runId, engine: 'bigquery' }, crash)).rejects.toThrow('power cut');
      }
      await box.faults({ kind: 'latency', service: 'kms', method: 'cryptoKeys.decrypt', ms: 5_000 });
      const interrupt = new AbortController();
      const running = trigger(runId, 'auto', interrupt.signal);
      await drivenByJob(runId);
      interrupt.abort();
      await expect(running).rejects.toMatchObject({ code: 'cancelled' });
      expect(await ledger(runId)).toMatchObject({ state: 'cancelled', owner: null });
      // The job may be at work yet, but nothing that it does comes through.
      await box.faults();
      while (await isAtWork()) await sleep(100);
      expect(await box.sql('SELECT COUNT(*) AS n FROM data_keys')).toEqual([{ n: '0' }]);
      expect(await ledger(runId)).toMatchObject({ state: 'cancelled', merged: null });
      expect(await trigger(runId)).toMatchObject({ state: 'succeeded', merged: 1 });
    },
  );

  it('ends no job that another execution of the workflow has handed its run to', async () => {
    await load('74');
    await box.faults({ kind: 'latency', service: 'kms', method: 'cryptoKeys.decrypt', ms: 3_000 });
    const other = workflow.execute({ run_id: 'of-another' });
    await drivenByJob('of-another');
    const interrupt = new AbortController();
    const running = trigger('of-another', 'auto', interrupt.signal);
    await sleep(300);
    interrupt.abort();
    await expect(running).rejects.toThrow();
    expect(await other).toMatchObject({ result: { state: 'succeeded', merged: '1' } });
  });
});

describe('an execution of a stack with both engines', () => {
  let both: TestSandbox;
  let few: Emulator;
  let many: Emulator;
  beforeAll(async () => {
    both = await testSandbox({ engines: '["dataproc","bigquery"]', bundle: mixed }, 'direct');
    few = await emulator(both);
    many = await emulator(both, few.source.replace('> 300000}', '> 0}'));
  }, 600_000);
  afterAll(async () => {
    await few?.close();
    await many?.close();
    await both?.close();
  });

  it.each([
    ['few keys', {}, () => few, 'bigquery'],
    ['more keys than are few', {}, () => many, 'dataproc'],
    ['few keys, and is told to take a batch', { engine: 'dataproc' }, () => few, 'dataproc'],
    ['many keys, and is told to take none', { engine: 'bigquery' }, () => many, 'bigquery'],
  ])('finds %s', async (_what, args, definition, engine) => {
    await both.load(application, [user('1')]);
    const runId = randomUUID();
    const { result, error } = await definition().execute({ ...args, mode: 'all' }, runId);
    expect(error).toBeUndefined();
    expect(result).toMatchObject({ state: 'succeeded', engine, merged: '1' });
    expect(result?.batch_id ?? null).toBe(engine === 'dataproc' ? `reseal-${runId}` : null);
  });
});

it('leaves no data key in what the sandbox keeps: tables, jobs, executions, logs', () => {
  const left = filesOf(box.state);
  expect(left.some((path) => path.includes('cloud-run'))).toBe(true);
  expect(leakingFiles(left, [key.unwrapped])).toEqual([]);
});
