import { afterAll, beforeAll, expect, it } from 'vitest';
import { ResealError } from '../../jobs/contract/errors.ts';
import { newRunId } from '../../jobs/contract/ids.ts';
import type { BigQueryService } from '../../jobs/google/bigquery.ts';
import type { Watcher } from '../../jobs/run/context.ts';
import { run } from '../../jobs/run/run.ts';
import { Application } from '../support/application.ts';
import { beforeStep, type TestSandbox, testSandbox } from '../support/sandbox.ts';

/** What a run says of itself when it is interrupted at a given step. */
const application = new Application('gcm');
const key = application.newKey();

let box: TestSandbox;
beforeAll(async () => {
  box = await testSandbox();
});
afterAll(() => box?.close());

const load = (id: string) =>
  box.load(application, [{ id, cipher_text: key.encrypt(`${id}@example.com`), dek: key.dek }]);
const state = async (runId: string) =>
  (await box.sql(`SELECT state, merged FROM runs WHERE run_id = '${runId}'`))[0];

it('keeps what is merged where only its report is cut short', async () => {
  await load('1');
  const runId = newRunId();
  const cut: Watcher = beforeStep('report', async () => {
    throw new DOMException('This operation was aborted', 'AbortError');
  });
  await expect(box.run({ runId }, cut)).rejects.toMatchObject({ name: 'AbortError' });
  expect(await state(runId)).toEqual({ state: 'succeeded', merged: '1' });
});

it('says that the ledger may not say so, and how to go on', async () => {
  await load('2');
  const runId = newRunId();
  const controller = new AbortController();
  const query: BigQueryService['query'] = (statement, values) =>
    statement.name === 'end'
      ? Promise.reject(new Error('no answer'))
      : box.context.bigquery.query(statement, values);
  const context = {
    ...box.context,
    signal: controller.signal,
    bigquery: { ...box.context.bigquery, query },
  };
  const options = { runId, mode: 'pending', limit: null, engine: 'direct' } as const;
  const stop = beforeStep('verify', async () => controller.abort());
  await expect(run(context, options, stop)).rejects.toMatchObject({
    code: 'cancelled',
    message: `run ${runId} was cancelled; the source table is untouched`,
    hint: expect.stringMatching(/--resume .*the ledger may not say so/),
  });
});

it('says that a batch may still be at work where it is not known whether there is one', async () => {
  await load('3');
  const runId = newRunId();
  const controller = new AbortController();
  const stop = beforeStep('stage', async () => controller.abort());
  const stage = () =>
    Promise.reject(new ResealError('cancel-failed', 'batches/b may have been created: no answer'));
  const dataproc = { ...box.context.engines.dataproc, stage };
  const engines = { ...box.context.engines, dataproc };
  const options = { runId, mode: 'pending', limit: null, engine: 'dataproc' } as const;
  await expect(
    run({ ...box.context, engines, signal: controller.signal }, options, stop),
  ).rejects.toMatchObject({
    code: 'cancelled',
    hint: expect.stringMatching(`^a batch may still be at work; go on with --resume ${runId}; `),
  });
});

it('says that BigQuery is busy, and not that a value does not open, where the proof meets a lasting limit', async () => {
  await load('9');
  await box.faults({
    kind: 'job-error',
    service: 'bigquery',
    reason: 'rateLimitExceeded',
    sql: 'COUNTIF(opened IS NULL OR',
    count: null,
  });
  await expect(box.run()).rejects.toMatchObject({
    code: 'bigquery-busy',
    hint: expect.stringContaining('--resume'),
  });
  await box.faults();
  expect(await box.run()).toMatchObject({ state: 'succeeded' });
});
