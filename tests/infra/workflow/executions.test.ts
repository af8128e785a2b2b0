import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { workflowSource } from '../../../infra/workflow/source.ts';
import { OWNER } from '../../../sandbox/iam/caller.ts';
import { Application, keysInWaves, type UserRow } from '../../support/application.ts';
import { EMAIL } from '../../support/deployment.ts';
import { beforeStep, type TestSandbox, testSandbox } from '../../support/sandbox.ts';
import { type Emulator, emulator } from '../../support/workflow/emulator.ts';

/** The deployed definition in the emulator, against a sandbox whose batches the direct engine works off. */
const application = new Application('gcm');
const key = application.newKey();
const user = (id: string): UserRow => ({ id, cipher_text: key.encrypt(`${id}@example.com`), dek: key.dek });

let box: TestSandbox;
let workflow: Emulator;
beforeAll(async () => {
  box = await testSandbox({ storePlaintext: 'true', engines: '["direct","dataproc"]' }, 'direct');
  workflow = await emulator(box);
}, 600_000);
afterAll(async () => {
  await workflow?.close();
  await box?.close();
});
// No test's faults are another's.
afterEach(async () => {
  await box.faults();
});

const users = (where = 'TRUE') =>
  box.sql(`SELECT id, decrypted_email AS email FROM users WHERE ${where} ORDER BY id`);
const merged = (...ids: string[]) => ids.map((id) => ({ id, email: `${id}@example.com` }));
const pending = (...ids: string[]) => ids.map((id) => ({ id, email: null }));
const load = (...ids: string[]) =>
  box.load(
    application,
    ids.map((id) => user(id)),
  );
const staged = () => box.sql('SELECT COUNT(*) AS n FROM users_temp');
const rejected = (runId: string) =>
  box.sql(`SELECT id, reason FROM users_rejected WHERE run_id = '${runId}' ORDER BY id`);

async function ledger(runId: string) {
  const [row] = await box.sql(`SELECT * FROM runs WHERE run_id = '${runId}'`);
  return row;
}

interface Batch {
  readonly name: string;
  readonly state: string;
  readonly operation: string;
}
const asOwner = () => ({ authorization: `Bearer ${box.sandbox.owner.accessToken}` });
async function dataproc(path: string, method = 'GET', body?: object): Promise<unknown> {
  const headers = { ...asOwner(), ...(body && { 'content-type': 'application/json' }) };
  const sent = { method, headers, ...(body && { body: JSON.stringify(body) }) };
  const answer = await fetch(`${box.sandbox.owner.dataproc}/v1/${path}`, sent);
  return answer.ok ? answer.json() : null;
}
const parent = () => `projects/${box.deployment.project}/locations/${box.deployment.location}`;
async function batches(runId: string): Promise<string[]> {
  const { batches: all } = (await dataproc(`${parent()}/batches`)) as { batches: Batch[] };
  const own = all.filter(({ name }) => name.includes(`/reseal-${runId}`));
  return own.map(({ name, state }) => `${name.split('/').at(-1)} ${state}`).sort();
}

describe('an execution', () => {
  it('goes from start to merged rows', async () => {
    await load('1', '2', '3');
    await box.sql(`INSERT INTO users (id, cipher_text, dek) VALUES (4, 'no base64', '${key.dek}')`);
    const runId = randomUUID();
    const { result, entries } = await workflow.execute(null, runId);
    expect(result).toMatchObject({ run_id: runId, state: 'succeeded', selected: '4', merged: '3' });
    const counts = { selected: 4, merged: 3, rejected: 1, kms_calls: 1 };
    expect(entries).toEqual([
      { severity: 'INFO', json: { reseal: { event: 'run.succeeded', run_id: runId, ...counts } } },
    ]);
    expect(await users()).toEqual([...merged('1', '2', '3'), ...pending('4')]);
    expect(await rejected(runId)).toEqual([{ id: '4', reason: 'encoding' }]);
    expect(await staged()).toEqual([{ n: '0' }]);
    expect(await ledger(runId)).toMatchObject({
      state: 'succeeded',
      via: 'workflow',
      engine: 'dataproc',
      mode: 'pending',
      keyset_version: '1',
      selected: '4',
      distinct_deks: '1',
      staged: '3',
      rejected: '1',
      merged: '3',
      changed_meanwhile: '0',
      kms_calls: '1',
      batch_id: `reseal-${runId}`,
      error: null,
    });
    expect(Number((await ledger(runId))?.milli_dcu_seconds)).toBeGreaterThan(0);
    expect(await batches(runId)).toEqual([`reseal-${runId} SUCCEEDED`]);
  });

  it('finds nothing the second time, with a limit or without, and starts no batch', async () => {
    for (const args of [{}, { limit: 2 }]) {
      const runId = randomUUID();
      const { result } = await workflow.execute(args, runId);
      expect(result).toMatchObject({ state: 'succeeded', selected: '0', merged: '0', kms_calls: '0' });
      expect(await batches(runId)).toEqual([]);
      expect(await ledger(runId)).toMatchObject({ state: 'succeeded', batch_id: null });
    }
    expect(await users()).toEqual([...merged('1', '2', '3'), ...pending('4')]);
  });

  it('takes run id, mode and limit as arguments', async () => {
    await load('10', '11', '12');
    const { result } = await workflow.execute({ run_id: 'of-a-caller', mode: 'pending', limit: 2 });
    expect(result).toMatchObject({ run_id: 'of-a-caller', selected: '2', merged: '2', id_cutoff: '11' });
    expect(await users('id >= 10')).toEqual([...merged('10', '11'), ...pending('12')]);
    expect(await workflow.execute({ run_id: 'rejected-ones', mode: 'rejected' })).toMatchObject({
      result: { mode: 'rejected', selected: '1', rejected: '1' },
    });
    expect(await rejected('rejected-ones')).toEqual([{ id: '4', reason: 'encoding' }]);
    expect(await workflow.execute({ run_id: 'the-rest-of-it' })).toMatchObject({ result: { merged: '1' } });
    expect(await staged()).toEqual([{ n: '0' }]);
  });

  it('begins behind the last run with a limit, and at the lowest id once that has come to the end', async () => {
    const rows = await box.sql("SELECT id FROM users WHERE cipher_text != 'no base64' ORDER BY id");
    const ids = rows.map((row) => row.id);
    const cutoffs = [];
    for (let at = 0; at < 3; at++) {
      const { result } = await workflow.execute({ mode: 'all', limit: Math.ceil((ids.length + 1) / 2) });
      cutoffs.push(result?.id_cutoff);
    }
    expect(cutoffs[1]).toBe(ids.at(-1));
    expect(Number(cutoffs[0])).toBeLessThan(Number(cutoffs[1]));
    expect(cutoffs[2]).toBe(cutoffs[0]);
    expect(await workflow.execute({ mode: 'stale' })).toMatchObject({
      result: { selected: '0', mode: 'stale' },
    });
  });

  it('goes in waves of data keys, each in a batch of its own, and goes on where it broke off', async () => {
    const keys = keysInWaves(application, 3, 2);
    const rows = keys.map((own, at): UserRow => {
      const id = String(900 + at);
      return { id, cipher_text: own.encrypt(`${id}@example.com`), dek: own.dek };
    });
    await box.load(application, rows);
    const runId = 'in-waves';
    await box.faults({ kind: 'batch-failed', service: 'dataproc', from: 2, count: 1000 });
    expect(await workflow.execute({ run_id: runId, wave_deks: 2 })).toMatchObject({
      error: { error_code: 'batch-failed' },
    });
    expect(await ledger(runId)).toMatchObject({ state: 'failed', waves: '3', waves_merged: '1' });
    await box.faults();
    const { result } = await workflow.execute({ run_id: runId });
    expect(result).toMatchObject({ state: 'succeeded', waves_merged: '3', selected: '6', merged: '6' });
    expect(await users('id >= 900')).toEqual(merged(...rows.map(({ id }) => id)));
    const succeeded = (await batches(runId)).filter((batch) => batch.endsWith('SUCCEEDED'));
    expect(succeeded).toEqual([
      `reseal-${runId} SUCCEEDED`,
      expect.stringMatching(/^reseal-in-waves--w2--\d+ SUCCEEDED$/),
      `reseal-${runId}--w3 SUCCEEDED`,
    ]);
    expect(result?.kms_calls).toBe('6');
    expect(await staged()).toEqual([{ n: '0' }]);
    await box.sql('DELETE FROM users WHERE id >= 900');
  });

  it('does nothing where its run has succeeded already', async () => {
    const before = await ledger('of-a-caller');
    expect(await workflow.execute({ run_id: 'of-a-caller' })).toMatchObject({ result: { merged: '2' } });
    expect(await ledger('of-a-caller')).toEqual(before);
  });

  it.each([
    [{ mode: 'everything' }, 'argument-mode'],
    [{ run_id: 'No Run Id' }, 'run-id'],
    [{ run_id: 'of-a-run--2' }, 'run-id'],
  ])('refuses %o', async (args, code) => {
    expect(await workflow.execute(args)).toMatchObject({ error: { error_code: code } });
  });
});

describe('a batch', () => {
  it('that fails twice gets successors, and their rows are merged once', async () => {
    await load('20', '21');
    await box.faults({ kind: 'batch-failed', service: 'dataproc', count: 2 });
    const runId = randomUUID();
    expect(await workflow.execute({}, runId)).toMatchObject({ result: { state: 'succeeded', merged: '2' } });
    expect(await batches(runId)).toEqual([
      `reseal-${runId} FAILED`,
      `reseal-${runId}--2 FAILED`,
      `reseal-${runId}--3 SUCCEEDED`,
    ]);
    expect(await users('id >= 20')).toEqual(merged('20', '21'));
    expect(await rejected(runId)).toEqual([]);
    expect(await staged()).toEqual([{ n: '0' }]);
    expect(await ledger(runId)).toMatchObject({
      state: 'succeeded',
      batch_id: `reseal-${runId}--3`,
      error: null,
    });
  });

  it('that always fails ends the run as failed, in the words of the batch; users stay as they were', async () => {
    await load('30', '31');
    const before = await box.sql('SELECT * FROM users ORDER BY id');
    await box.faults({ kind: 'batch-failed', service: 'dataproc', count: 1000 });
    const runId = randomUUID();
    const message = `${parent()}/batches/reseal-${runId}--4 failed: Batch failed: the sandbox was asked for a failing batch.`;
    const { error, entries } = await workflow.execute({}, runId);
    expect(error).toEqual({ error_code: 'batch-failed', message, account: 'workflow' });
    const failed = { event: 'run.failed', run_id: runId, state: 'failed', code: 'batch-failed' };
    expect(entries).toEqual([{ severity: 'ERROR', json: { reseal: failed } }]);
    expect(await batches(runId)).toHaveLength(4);
    expect(await box.sql('SELECT * FROM users ORDER BY id')).toEqual(before);
    expect(await rejected(runId)).toEqual([]);
    expect(await staged()).toEqual([{ n: '0' }]);
    expect(await ledger(runId)).toMatchObject({
      state: 'failed',
      error_code: 'batch-failed',
      error: message,
    });
    expect((await ledger(runId))?.ended_at).not.toBeNull();
    await box.faults();
    // The same run again goes on where it broke off.
    expect(await workflow.execute({ run_id: runId })).toMatchObject({ result: { merged: '2' } });
    expect(await ledger(runId)).toMatchObject({
      state: 'succeeded',
      batch_id: `reseal-${runId}--5`,
      error: null,
    });
    expect(await users('id >= 30')).toEqual(merged('30', '31'));
  });

  it("that fails with an error of the application's own ends the run with that", async () => {
    const runId = randomUUID();
    await load('35');
    const said = { reseal: 'error', code: 'kms-denied', message: 'Cloud KMS answered "PERMISSION_DENIED".' };
    const output = `Spark says something.\n${JSON.stringify(said)}\nSpark says more.\n`;
    await box.faults({ kind: 'batch-failed', service: 'dataproc', count: 1000, output });
    const { error } = await workflow.execute({}, runId);
    expect(error).toEqual({ error_code: said.code, message: said.message, account: 'workflow' });
    expect(await ledger(runId)).toMatchObject({
      state: 'failed',
      error_code: said.code,
      error: said.message,
    });
    await box.sql('DELETE FROM users WHERE id = 35');
  });

  it('that somebody cancels ends the run as cancelled, without another try', async () => {
    await load('40');
    const runId = randomUUID();
    await box.faults({ kind: 'latency', service: 'kms', ms: 3000 });
    const execution = workflow.execute({}, runId);
    let batch: Batch | null = null;
    while (batch?.state !== 'RUNNING') {
      await sleep(50);
      batch = (await dataproc(`${parent()}/batches/reseal-${runId}`)) as Batch | null;
    }
    await dataproc(`${batch.operation}:cancel`, 'POST');
    const message = `${batch.name} was cancelled`;
    expect((await execution).error).toEqual({ error_code: 'batch-cancelled', message, account: 'workflow' });
    expect(await batches(runId)).toEqual([`reseal-${runId} CANCELLED`]);
    expect(await ledger(runId)).toMatchObject({ state: 'cancelled', error_code: 'batch-cancelled' });
    expect(await users('id = 40')).toEqual(pending('40'));
    expect(await rejected(runId)).toEqual([]);
    expect(await staged()).toEqual([{ n: '0' }]);
  });

  it('that does not start is cancelled after a while, and the run goes on with another', async () => {
    await load('41');
    const runId = randomUUID();
    await box.faults({ kind: 'batch-stuck', service: 'dataproc', state: 'PENDING' });
    const { error } = await workflow.execute({}, runId);
    expect(error).toEqual({
      account: 'workflow',
      error_code: 'batch-stuck',
      message: `${parent()}/batches/reseal-${runId} was PENDING for longer than any batch of this stack should be`,
    });
    expect(await batches(runId)).toEqual([`reseal-${runId} CANCELLED`]);
    expect(await ledger(runId)).toMatchObject({ state: 'failed', error_code: 'batch-stuck' });
    expect(await workflow.execute({ run_id: runId })).toMatchObject({ result: { state: 'succeeded' } });
    expect(await batches(runId)).toEqual([`reseal-${runId} CANCELLED`, `reseal-${runId}--2 SUCCEEDED`]);
    expect(await users('id = 41')).toEqual(merged('41'));
  });
});

it("takes no batch of another stack's run of the same id", async () => {
  await load('42');
  const runId = randomUUID();
  await box.faults({ kind: 'batch-stuck', service: 'dataproc', state: 'RUNNING', member: OWNER });
  const mainPythonFileUri = box.deployment.batch.application?.main;
  const args = ['--dataset-id=another_dataset', `--destination-table=${box.deployment.tables.staging}`];
  await dataproc(`${parent()}/batches?batchId=reseal-${runId}`, 'POST', {
    pysparkBatch: { mainPythonFileUri, args },
  });
  expect(await workflow.execute({}, runId)).toMatchObject({
    result: { state: 'succeeded', merged: '1', batch_id: `reseal-${runId}--2` },
  });
  expect(await batches(runId)).toEqual([`reseal-${runId} RUNNING`, `reseal-${runId}--2 SUCCEEDED`]);
});

it('that has been taken over stops at its next look, and leaves batch and ledger alone', async () => {
  await load('60');
  const runId = randomUUID();
  await box.faults({ kind: 'latency', service: 'kms', ms: 2000 });
  const execution = workflow.execute({}, runId);
  while ((await ledger(runId))?.state !== 'staging') await sleep(50);
  expect((await ledger(runId))?.owner).toBe(`workflow:${runId}`);
  await box.sql(`UPDATE runs SET owner = 'job:another-host:1:-0' WHERE run_id = '${runId}'`);
  // It is no failure of the run, and no metric or alert is to count it as one.
  expect(await execution).toEqual({
    error: {
      account: 'workflow',
      error_code: 'run-taken-over',
      message: `run ${runId} is driven by job:another-host:1:-0 now`,
    },
    entries: [],
  });
  expect(await ledger(runId)).toMatchObject({
    state: 'staging',
    owner: 'job:another-host:1:-0',
    error: null,
  });
  await box.faults();
  expect(await workflow.execute({ run_id: runId })).toMatchObject({
    error: { error_code: 'run-live' },
    entries: [],
  });
  expect(await workflow.execute({ run_id: runId, take_over: true })).toMatchObject({
    result: { state: 'succeeded' },
  });
  expect(await users('id = 60')).toEqual(merged('60'));
  expect(await batches(runId)).toEqual([`reseal-${runId} SUCCEEDED`]);
  expect(await ledger(runId)).toMatchObject({ state: 'succeeded', owner: null });
  await box.sql("UPDATE runs SET state = 'abandoned' WHERE run_id = 'of-a-caller'");
  expect(await workflow.execute({ run_id: 'of-a-caller' })).toMatchObject({
    error: { error_code: 'run-abandoned' },
    entries: [],
  });
});

it('goes on with what another driver began, but for rows that are not whole and under other settings', async () => {
  await load('62', '63');
  const runId = 'begun-by-the-job';
  const lose = beforeStep('verify', async () => {
    await box.sql('DELETE FROM users_temp WHERE id = 62');
  });
  await expect(box.run({ runId, engine: 'dataproc' }, lose)).rejects.toMatchObject({ code: 'verify-count' });
  const began = (await ledger(runId))?.settings;
  const under = async (change: string, named: string, args: object = {}) => {
    await box.sql(`UPDATE runs SET ${change} WHERE run_id = '${runId}'`);
    const before = await ledger(runId);
    expect(await workflow.execute({ run_id: runId, ...args })).toMatchObject({
      error: {
        error_code: 'resume-changed',
        message: expect.stringContaining(`began with another value of ${named} than the stack has now`),
      },
      entries: [],
    });
    expect(await ledger(runId)).toEqual(before);
  };
  const other = began?.replace(/(idType|keying):\w+/g, '$1:00000000');
  await under(`settings = '${other}'`, 'reseal:idType, reseal:keying');
  // What a driver of other settings holds stays its own, and so does the end that a run has had.
  const live = "owner = 'job:another-host:1:-0', heartbeat = CURRENT_TIMESTAMP()";
  await under(live, 'reseal:idType, reseal:keying', { take_over: true });
  await under("owner = NULL, state = 'verified'", 'reseal:idType, reseal:keying');
  await box.sql(`UPDATE runs SET state = 'failed' WHERE run_id = '${runId}'`);
  await under("settings = NULL, keying = 'shared'", 'reseal:sourceFormat or reseal:keying');
  await box.sql(`UPDATE runs SET keying = '${box.deployment.keying}' WHERE run_id = '${runId}'`);
  await box.sql(`UPDATE runs SET settings = '${began}' WHERE run_id = '${runId}'`);
  expect(await workflow.execute({ run_id: runId })).toMatchObject({
    result: { merged: '2', batch_id: `reseal-${runId}--2`, not_whole: ` reseal-${runId} ` },
  });
  expect(await batches(runId)).toEqual([`reseal-${runId} SUCCEEDED`, `reseal-${runId}--2 SUCCEEDED`]);
  expect(await users('id IN (62, 63)')).toEqual(merged('62', '63'));
});

it('and another at the same time merge every row, as one would', async () => {
  const ids = Array.from({ length: 20 }, (_, at) => String(100 + at));
  await load(...ids);
  await box.sql(`INSERT INTO users (id, cipher_text, dek) VALUES (199, 'no base64', '${key.dek}')`);
  const runs = [randomUUID(), randomUUID()];
  const ended = await Promise.all(runs.map((runId) => workflow.execute({}, runId)));
  expect(ended.map(({ result }) => result?.state)).toEqual(['succeeded', 'succeeded']);
  expect(await users('id BETWEEN 100 AND 198')).toEqual(merged(...ids));
  expect(await staged()).toEqual([{ n: '0' }]);
  for (const runId of runs) expect(await ledger(runId)).toMatchObject({ state: 'succeeded', error: null });
  const rejections = await box.sql('SELECT DISTINCT id, reason FROM users_rejected WHERE id >= 100');
  expect(rejections).toEqual([{ id: '199', reason: 'encoding' }]);
  // Nothing is left for a third, and what the rows hold opens as an analyst opens it.
  const { read_back } = await box.run({ mode: 'all' });
  expect(read_back.readable).toBe(read_back.checked);
  expect(await workflow.execute({})).toMatchObject({ result: { selected: '0' } });
});

it('names one setting where columns and patterns of several fields have changed', async () => {
  await load('64');
  const runId = 'begun-with-one-field';
  const crash = beforeStep('stage', () => Promise.reject(new Error('power cut')));
  await expect(box.run({ runId, engine: 'dataproc' }, crash)).rejects.toThrow('power cut');
  const phone = { ...EMAIL, name: 'phone', valuePattern: '.+' };
  await workflow.close();
  workflow = await emulator(box, workflowSource({ ...box.deployment, fields: [EMAIL, phone] }));
  expect(await workflow.execute({ run_id: runId })).toMatchObject({
    error: {
      error_code: 'resume-changed',
      message: expect.stringContaining('another value of reseal:fields than'),
    },
  });
  await workflow.close();
  workflow = await emulator(box);
});

describe('a run that the job began, and that an execution is to go on with', () => {
  const begun = async (runId: string, step: string, engine: 'dataproc' | 'direct' = 'dataproc') => {
    const crash = beforeStep(step, () => Promise.reject(new Error('power cut')));
    await expect(box.run({ runId, engine }, crash)).rejects.toThrow('power cut');
  };
  const gone = (runId: string, change: string) =>
    box.sql(`UPDATE runs SET ${change} WHERE run_id = '${runId}'`);

  it('is left to the job where its engine is another', async () => {
    const runId = 'of-another-engine';
    await load('70');
    await begun(runId, 'stage', 'direct');
    const before = await ledger(runId);
    expect(await workflow.execute({ run_id: runId })).toMatchObject({
      error: { error_code: 'option-engine', message: expect.stringContaining('by engine direct') },
    });
    expect(await ledger(runId)).toEqual(before);
    expect(await batches(runId)).toEqual([]);
  });

  it.each([
    ['keyset-missing', 'stage', (id: string) => gone(id, 'keyset_version = 77')],
    [
      // Of a moment to come: of one before there was a table the sandbox says that there is none.
      'snapshot-gone',
      'stage',
      (id: string) => gone(id, 'waves = 2, snapshot = TIMESTAMP_ADD(snapshot, INTERVAL 9 DAY)'),
    ],
    [
      'verify-open',
      'verify',
      (id: string) => box.sql(`UPDATE users_temp SET bq_encrypted_email = b'none' WHERE run_id = '${id}'`),
    ],
  ] as const)('breaks off with %s, as the job would', async (code, step, meddle) => {
    const runId = `ends-with-${code}`;
    await load('71');
    await begun(runId, step);
    await meddle(runId);
    expect(await workflow.execute({ run_id: runId })).toMatchObject({ error: { error_code: code } });
    expect(await ledger(runId)).toMatchObject({ state: 'failed', error_code: code });
  });
});

it.each([
  ['bigquery-busy', { kind: 'job-error', reason: 'internalError', sql: 'AS distinct_deks' }, 'plan'],
  ['bigquery-denied', { kind: 'denied', method: 'tables.get' }, 'table'],
])('raises %s, as the job would', async (code, rule, step) => {
  await box.faults({ service: 'bigquery', count: null, ...rule });
  expect(await workflow.execute({})).toMatchObject({
    error: { error_code: code, message: expect.stringMatching(`^BigQuery, step ${step}: `) },
  });
});

it('raises what BigQuery refused a statement with, and the step', async () => {
  const { project, dataset, tables } = box.deployment;
  const table = `/bigquery/v2/projects/${project}/datasets/${dataset}/tables/${tables.keysets}`;
  await fetch(`${box.sandbox.owner.bigquery}${table}`, { method: 'DELETE', headers: asOwner() });
  const { error } = await workflow.execute({});
  expect(error).toMatchObject({ error_code: 'bigquery-missing' });
  expect(error?.message).toMatch(/^BigQuery, step keyset_read: Not found: Table .*keysets/);
});
