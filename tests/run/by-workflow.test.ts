import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { exitCode } from '../../jobs/cli/exit.ts';
import type { Deployment } from '../../jobs/contract/deployment.ts';
import { ResealError } from '../../jobs/contract/errors.ts';
import { newRunId } from '../../jobs/contract/ids.ts';
import { abandon } from '../../jobs/run/abandonment.ts';
import { runByWorkflow, startWorkflow } from '../../jobs/run/by-workflow.ts';
import type { RunContext, Watcher } from '../../jobs/run/context.ts';
import { resume } from '../../jobs/run/run.ts';
import { GoogleError } from '../../sandbox/errors/google-error.ts';
import { Application } from '../support/application.ts';
import { cli } from '../support/cli.ts';
import { beforeStep, silent, type TestSandbox, testSandbox } from '../support/sandbox.ts';
import { deployedWorkflow, type Emulator, emulator } from '../support/workflow/emulator.ts';
import { executionsApi } from '../support/workflow/executions-api.ts';

/** `trigger --via workflow`, with the emulator behind Workflow Executions and the sandbox behind the rest. */
const application = new Application('gcm');
const key = application.newKey();

let box: TestSandbox;
let workflow: Emulator;
let api: Awaited<ReturnType<typeof executionsApi>>;
beforeAll(async () => {
  box = await testSandbox({ storePlaintext: 'true', engines: '["direct","dataproc"]' }, 'direct');
  workflow = await emulator(box);
  api = await executionsApi(workflow, box);
}, 600_000);
afterAll(async () => {
  await api?.close();
  await workflow?.close();
  await box?.close();
});

const load = (...ids: string[]) =>
  box.load(
    application,
    ids.map((id) => ({ id, cipher_text: key.encrypt(`${id}@example.com`), dek: key.dek })),
  );

function trigger(
  options: { runId?: string; limit?: number } = {},
  watcher: Watcher = silent,
  context: Partial<RunContext> = {},
  takeOver = false,
) {
  const { runId = newRunId(), limit = null } = options;
  const endpoints = { ...box.sandbox.endpoints, workflows: api.origin };
  return runByWorkflow(
    { ...box.context, ...context },
    { runId, mode: 'pending', engine: 'auto', limit },
    { rejected: false, takeOver },
    watcher,
    endpoints,
  );
}

it('starts the deployed workflow, shows its steps and reports as the job does', async () => {
  await load('1', '2', '3');
  await box.sql(`INSERT INTO users (id, cipher_text, dek) VALUES (4, 'no base64', '${key.dek}')`);
  const said: string[] = [];
  const watcher: Watcher = {
    async step(name, work, summary) {
      const result = await work(({ message }) => said.push(`${name} … ${message}`));
      said.push(`${name} ${summary(result)}`);
      return result;
    },
  };
  const runId = newRunId();
  const byWorkflow = await trigger({ runId }, watcher);
  expect(new Set(said)).toEqual(
    new Set([
      'run … main.attempts › run.batch',
      'run 3 merged, 1 rejected',
      'report 3 of 3 merged values read back through SQL',
    ]),
  );
  expect(byWorkflow).toMatchObject({
    run_id: runId,
    via: 'workflow',
    engine: 'dataproc',
    state: 'succeeded',
    selected: 4,
    merged: 3,
    reasons: { encoding: 1 },
    kms_calls: 1,
    read_back: { checked: 3, readable: 3 },
    batch_id: `reseal-${runId}`,
  });
  const byJob = await box.run();
  expect(Object.keys(byWorkflow)).toEqual(Object.keys(byJob));
});

it('passes a limit on', async () => {
  await load('10', '11');
  expect(await trigger({ limit: 1 })).toMatchObject({ selected: 1, merged: 1 });
  expect(await trigger()).toMatchObject({ selected: 1, merged: 1 });
});

it('goes on where Workflows cannot say for a while how the execution stands', async () => {
  await load('15');
  let looks = 0;
  api.faults.look = async () => {
    if (++looks < 3) throw new GoogleError('UNAVAILABLE', 'try again');
  };
  const said: (string | undefined)[] = [];
  const watcher: Watcher = { step: (_name, work) => work(({ message }) => said.push(message)) };
  expect(await trigger({}, watcher)).toMatchObject({ merged: 1 });
  api.faults.look = async () => {};
  expect(said).toContain('Workflows is asked again: try again');
});

it("raises the workflow's own message, and goes on with the same run afterwards", async () => {
  await load('20');
  const runId = newRunId();
  await box.faults({ kind: 'batch-failed', service: 'dataproc', count: 1000 });
  await expect(trigger({ runId })).rejects.toMatchObject({
    code: 'batch-failed',
    message: expect.stringContaining(
      `/batches/reseal-${runId}--4 failed: Batch failed: the sandbox was asked`,
    ),
    hint: '`--resume RUN` goes on',
  });
  await box.faults();
  expect(await trigger({ runId })).toMatchObject({ run_id: runId, merged: 1 });
});

it('ends with the code and the exit code of the job where too many values are rejected', async () => {
  await box.load(
    application,
    Array.from({ length: 12 }, (_, at) => ({ id: String(100 + at), cipher_text: '?', dek: key.dek })),
  );
  const runId = newRunId();
  const byWorkflow: unknown = await trigger({ runId }).catch((error: unknown) => error);
  expect(byWorkflow).toMatchObject({
    code: 'rejected-share',
    hint: expect.stringContaining('`--resume RUN --accept-rejected`'),
  });
  await expect(box.run()).rejects.toMatchObject({ code: 'rejected-share' });
  expect(exitCode(byWorkflow)).toBe(3);
  const [stopped] = await box.sql(`SELECT * FROM runs WHERE run_id = '${runId}'`);
  expect(stopped).toMatchObject({ kms_calls: expect.any(String), staged_at: expect.any(String) });
  await box.sql('DELETE FROM users WHERE id >= 100');
});

it('cancels the execution with ctrl-C, tells the ledger and says what may still be at work', async () => {
  await load('30');
  await box.faults({ kind: 'latency', service: 'kms', ms: 3000 });
  const runId = newRunId();
  const state = async () => (await box.sql(`SELECT state FROM runs WHERE run_id = '${runId}'`))[0]?.state;
  const controller = new AbortController();
  const failure = trigger({ runId }, silent, { signal: controller.signal });
  const expected = expect(failure).rejects.toMatchObject({
    code: 'cancelled',
    message: `run ${runId} was cancelled; the source table is untouched`,
    hint: `batch reseal-${runId} may still be at work; go on with --resume ${runId} --via workflow`,
  });
  while ((await state()) !== 'staging') await sleep(50);
  controller.abort();
  await expected;
  await box.faults();
  expect([...api.executions.values()].at(-1)?.body.state).toBe('CANCELLED');
  expect(await state()).toBe('cancelled');
  expect(await box.sql('SELECT decrypted_email FROM users WHERE id = 30')).toEqual([
    { decrypted_email: null },
  ]);
  // The batch went on; the run that is resumed takes what it staged.
  expect(await trigger({ runId })).toMatchObject({ merged: 1 });
});

it.each([
  ['does not answer', () => sleep(60_000, undefined, { ref: false })],
  ['says no', () => Promise.reject(new GoogleError('PERMISSION_DENIED', 'no executions.cancel'))],
] as const)('ends soon where the cancellation %s, and says what may be left', async (_how, cancel) => {
  await load('35');
  await box.faults({ kind: 'latency', service: 'kms', ms: 3000 });
  const runId = newRunId();
  const state = async () => (await box.sql(`SELECT state FROM runs WHERE run_id = '${runId}'`))[0]?.state;
  const controller = new AbortController();
  api.faults.cancel = async () => void (await cancel());
  const failure = trigger({ runId }, silent, { signal: controller.signal }).catch((error) => error);
  while ((await state()) !== 'staging') await sleep(50);
  const began = performance.now();
  controller.abort();
  const error = await failure;
  expect(performance.now() - began).toBeLessThan(5_000);
  api.faults.cancel = async () => {};
  await box.faults();
  expect(error).toMatchObject({
    code: 'cancelled',
    hint: expect.stringContaining(`go on with --resume ${runId} --via workflow`),
    cause: expect.objectContaining({
      code: 'cancel-failed',
      message: expect.stringMatching(/\/executions\/.* could not be cancelled/),
    }),
  });
  expect(await state()).toBe('cancelled');
  [...api.executions.values()].at(-1)?.abort.abort();
  expect(await trigger({ runId })).toMatchObject({ run_id: runId, state: 'succeeded' });
});

it('asks again for a cancellation that Workflows cannot take for a moment', async () => {
  await load('39');
  await box.faults({ kind: 'latency', service: 'kms', ms: 3000 });
  const runId = newRunId();
  const state = async () => (await box.sql(`SELECT state FROM runs WHERE run_id = '${runId}'`))[0]?.state;
  const controller = new AbortController();
  let asked = 0;
  api.faults.cancel = async () => {
    if (++asked === 1) throw new GoogleError('UNAVAILABLE', 'try again');
  };
  const failure = trigger({ runId }, silent, { signal: controller.signal }).catch((error) => error);
  while ((await state()) !== 'staging') await sleep(50);
  controller.abort();
  const error = await failure;
  api.faults.cancel = async () => {};
  await box.faults();
  expect([asked, error.code, error.cause]).toEqual([2, 'cancelled', undefined]);
  expect([...api.executions.values()].at(-1)?.body.state).toBe('CANCELLED');
  await box.sql('DELETE FROM users WHERE id = 39');
});

it('does not say that nothing was begun where the execution is still to begin it', async () => {
  await load('38');
  // The workflow's account comes to the ledger late, this one at once.
  const { account } = deployedWorkflow(box.state);
  const member = `serviceAccount:${account}`;
  await box.faults({ kind: 'latency', service: 'bigquery', method: 'jobs.insert', member, ms: 1500 });
  const runId = newRunId();
  const controller = new AbortController();
  api.faults.cancel = () => Promise.reject(new GoogleError('UNAVAILABLE', 'try again'));
  const before = api.executions.size;
  const failure = trigger({ runId }, silent, { signal: controller.signal }).catch((error) => error);
  while (api.executions.size === before) await sleep(20);
  controller.abort();
  const error = await failure;
  const [execution] = [...api.executions.values()].slice(-1);
  execution?.abort.abort();
  api.faults.cancel = async () => {};
  await box.faults();
  expect(error).toMatchObject({
    code: 'cancelled',
    message: `run ${runId} may still begin: its execution could not be cancelled`,
    hint: expect.stringContaining(`\`gcloud workflows executions cancel ${execution?.body.name}\``),
    cause: expect.objectContaining({ code: 'cancel-failed' }),
  });
});

it('says so where the ledger cannot be told', async () => {
  await load('36');
  await box.faults({ kind: 'latency', service: 'kms', ms: 3000 });
  const runId = newRunId();
  const state = async () => (await box.sql(`SELECT state FROM runs WHERE run_id = '${runId}'`))[0]?.state;
  const controller = new AbortController();
  const mute: RunContext['bigquery'] = {
    ...box.context.bigquery,
    query: (statement, values) =>
      statement.name === 'end'
        ? Promise.reject(new ResealError('bigquery-late', 'BigQuery did not end step end'))
        : box.context.bigquery.query(statement, values),
  };
  const failure = trigger({ runId }, silent, { signal: controller.signal, bigquery: mute });
  const expected = expect(failure).rejects.toMatchObject({
    code: 'cancelled',
    message: `run ${runId} was cancelled, but the ledger does not say so`,
    hint: expect.stringContaining('--take-over'),
  });
  while ((await state()) !== 'staging') await sleep(50);
  controller.abort();
  await expected;
  await box.faults();
  // As far as the ledger knows, the execution still drives the run.
  await expect(trigger({ runId })).rejects.toMatchObject({
    code: 'run-live',
    message: expect.stringMatching(`^run ${runId} is driven by workflow:`),
  });
  await expect(resume(box.context, runId, silent)).rejects.toMatchObject({
    code: 'run-live',
    message: expect.stringMatching(/is driven by execution [0-9a-f-]+ of the workflow, heard of \d+ s ago/),
  });
  expect(await trigger({ runId }, silent, {}, true)).toMatchObject({ run_id: runId, state: 'succeeded' });
});

it('starts no execution for a run that is to go on by another engine', async () => {
  await load('41');
  const runId = newRunId();
  const crash = beforeStep('stage', () => Promise.reject(new Error('power cut')));
  await expect(box.run({ runId }, crash)).rejects.toThrow('power cut');
  const before = api.executions.size;
  await expect(trigger({ runId })).rejects.toMatchObject({
    code: 'option-engine',
    message: `run ${runId} goes on by engine direct, as it began, which the workflow of this stack does not have`,
  });
  expect(api.executions.size).toBe(before);
  expect(await resume(box.context, runId, silent)).toMatchObject({ state: 'succeeded' });
});

it('gives the remedy of the code, which need not be to go on', async () => {
  await load('42');
  const runId = newRunId();
  const crash = beforeStep('stage', () => Promise.reject(new Error('power cut')));
  await expect(box.run({ runId, engine: 'dataproc' }, crash)).rejects.toThrow('power cut');
  await abandon(box.context, runId, false);
  await expect(trigger({ runId })).rejects.toMatchObject({
    code: 'run-abandoned',
    hint: 'start a new run, which takes its values',
  });
  await box.sql(`UPDATE runs SET staged = 5000000000 WHERE run_id = '${runId}'`);
  await expect(trigger()).rejects.toMatchObject({
    code: 'keyset-exhausted',
    hint: expect.stringContaining('`npm run reseal -- keys rotate`'),
  });
  await box.sql(`UPDATE runs SET staged = NULL WHERE run_id = '${runId}'`);
});

it('leaves a detached run to the workflow', async () => {
  await load('37');
  const runId = newRunId();
  const endpoints = { ...box.sandbox.endpoints, workflows: api.origin };
  const execution = await startWorkflow(
    box.context,
    { runId, mode: 'pending', engine: 'auto', limit: null },
    { rejected: false },
    endpoints,
  );
  expect(api.executions.get(execution)?.body.state).toBe('ACTIVE');
  while (api.executions.get(execution)?.body.state === 'ACTIVE') await sleep(50);
  expect(await box.sql(`SELECT state, via FROM runs WHERE run_id = '${runId}'`)).toEqual([
    { state: 'succeeded', via: 'workflow' },
  ]);
});

it('tells an execution that somebody else cancelled from a failed one', async () => {
  await load('40');
  const runId = newRunId();
  const watcher: Watcher = {
    step: (_name, work) => work(() => [...api.executions.values()].at(-1)?.abort.abort()),
  };
  await expect(trigger({ runId }, watcher)).rejects.toMatchObject({ code: 'workflow-cancelled' });
  // Nobody drives it any more.
  expect(await box.sql(`SELECT owner FROM runs WHERE run_id = '${runId}' AND owner IS NOT NULL`)).toEqual([]);
});

it('says what to do where there is no workflow', async () => {
  const missing = { code: 'workflow-missing', hint: expect.stringContaining('pulumi up') };
  const without = (workflow: string | null) =>
    trigger({}, silent, { deployment: { ...box.deployment, workflow } });
  await expect(without(null)).rejects.toMatchObject(missing);
  // A bundle alone does not bring one: the direct engine has none.
  const direct: Deployment = { ...box.deployment, workflow: null, engines: ['direct'] };
  await expect(trigger({}, silent, { deployment: direct })).rejects.toMatchObject({
    code: 'workflow-missing',
    hint: 'add dataproc or bigquery to reseal:engines, then run `npm run bundle` and `pulumi up`, or leave --via workflow out',
  });
  await expect(
    without(`projects/${box.deployment.project}/locations/l/workflows/gone`),
  ).rejects.toMatchObject(missing);
});

it('is for stacks', async () => {
  const { code, stderr } = await cli('trigger', ['--via', 'workflow']);
  expect([code, stderr]).toEqual([
    2,
    expect.stringContaining('error (option-stack): --via workflow needs --stack'),
  ]);
});
