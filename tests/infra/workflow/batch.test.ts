import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { batchId, MAX_ATTEMPTS } from '../../../jobs/contract/ids.ts';
import { Application } from '../../support/application.ts';
import { beforeStep, type TestSandbox, testSandbox } from '../../support/sandbox.ts';
import { type Alter, altered } from '../../support/workflow/altered.ts';
import { deployedWorkflow, type Ended, emulator } from '../../support/workflow/emulator.ts';

/** Batches as an execution rarely finds them. */
const application = new Application('gcm');
const key = application.newKey();

let box: TestSandbox;
beforeAll(async () => {
  box = await testSandbox({ engines: '["direct","dataproc"]' }, 'direct');
  await box.load(application, [{ id: '1', cipher_text: key.encrypt('1@example.com'), dek: key.dek }]);
}, 600_000);
afterAll(() => box?.close());
afterEach(() => box.faults());

const ledger = async (runId: string) =>
  (await box.sql(`SELECT state, error_code, owner, batch_id FROM runs WHERE run_id = '${runId}'`))[0];

/** An execution to which Dataproc's answers about a batch come as `stateOf` gives them, look by look from 0. */
async function execute(
  runId: string,
  stateOf: (look: number, state: string) => string,
  edit: (source: string) => string = (source) => source,
): Promise<Ended> {
  let look = 0;
  const alter: Alter = (path, answer) =>
    path.endsWith(`/batches/${batchId(runId, 1)}`)
      ? { ...answer, state: stateOf(look++, String(answer.state)) }
      : answer;
  const way = await altered(box.sandbox.endpoints.bigquery, alter);
  const workflow = await emulator(box, edit(deployedWorkflow(box.state).source), way.origin);
  try {
    return await workflow.execute({ run_id: runId, mode: 'all' });
  } finally {
    await workflow.close();
    await way.close();
  }
}

/** A run of the job whose batch was cancelled. */
async function cancelledRun(): Promise<string> {
  const runId = randomUUID();
  await box.faults({ kind: 'batch-cancelled', service: 'dataproc' });
  await expect(box.run({ runId, engine: 'dataproc', mode: 'all' })).rejects.toMatchObject({
    code: 'batch-cancelled',
  });
  await box.faults();
  return runId;
}

it('one that is being cancelled is waited for, and gets a successor', async () => {
  const runId = await cancelledRun();
  const ended = await execute(runId, (look, state) => (look < 3 ? 'CANCELLING' : state));
  expect(ended).toMatchObject({ result: { state: 'succeeded', batch_id: `reseal-${runId}--2` } });
});

it('one that is being cancelled and succeeds all the same is taken', async () => {
  const runId = randomUUID();
  const breakOff = beforeStep('verify', () => Promise.reject(new Error('power cut')));
  await expect(box.run({ runId, engine: 'dataproc', mode: 'all' }, breakOff)).rejects.toThrow('power cut');
  const ended = await execute(runId, (look, state) => (look < 2 ? 'CANCELLING' : state));
  expect(ended).toMatchObject({ result: { state: 'succeeded', batch_id: `reseal-${runId}` } });
});

it('one that never ends being cancelled is not waited for without end', async () => {
  const runId = await cancelledRun();
  expect(await execute(runId, () => 'CANCELLING')).toMatchObject({
    error: {
      error_code: 'cancel-pending',
      message: expect.stringMatching(/\/batches\/\S+ was cancelled and has not ended$/),
    },
  });
  expect(await ledger(runId)).toMatchObject({ state: 'failed', owner: null });

  // Nor where the cancellation begins under the eyes of the execution.
  const soon = (source: string): string => source.replace(/(\$\{sys\.now\(\) - since > )\d+/, '$11');
  expect(await execute(randomUUID(), (look) => (look < 1 ? 'RUNNING' : 'CANCELLING'), soon)).toMatchObject({
    error: { error_code: 'batch-stuck', message: expect.stringContaining('was CANCELLING for longer') },
  });
});

it('none is made after twenty of a wave, as none is by the job', async () => {
  const runId = randomUUID();
  const breakOff = beforeStep('stage', () => Promise.reject(new Error('power cut')));
  await expect(box.run({ runId, engine: 'dataproc', mode: 'all' }, breakOff)).rejects.toThrow('power cut');
  const spent = Array.from({ length: MAX_ATTEMPTS }, (_, at) => batchId(runId, at + 1)).join(' ');
  await box.sql(`UPDATE runs SET not_whole = ' ${spent} ' WHERE run_id = '${runId}'`);
  expect(await execute(runId, (_, state) => state)).toMatchObject({
    error: {
      error_code: 'batch-failed',
      message: `${MAX_ATTEMPTS} batches of run ${runId} failed: mend what they failed of, abandon the run and start a new one`,
    },
  });
  await expect(box.run({ runId })).rejects.toMatchObject({ code: 'batch-failed' });
});
