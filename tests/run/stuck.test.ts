import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { runContext } from '../../jobs/cli/connect.ts';
import { newRunId } from '../../jobs/contract/ids.ts';
import { run } from '../../jobs/run/run.ts';
import { Application } from '../support/application.ts';
import { silent, type TestSandbox, testSandbox } from '../support/sandbox.ts';

/** What becomes of a run where a job or a batch never ends: it ends, nothing is half done, and it can go on. */
const application = new Application('gcm');
const key = application.newKey();
const limits = { jobMs: 2_000, pendingMs: 1_000, runningMs: 1_000 };

let box: TestSandbox;
let ids = 0;
beforeAll(async () => {
  box = await testSandbox({}, 'direct');
});
afterAll(() => box?.close());
beforeEach(async () => {
  const id = String(++ids);
  await box.load(application, [{ id, cipher_text: key.encrypt(`${id}@example.com`), dek: key.dek }]);
});

const users = () => box.sql('SELECT * FROM users ORDER BY id');
const impatient = async () => {
  const { deployment, sandbox } = box;
  const target = { deployment, endpoints: sandbox.endpoints };
  return runContext(target, new AbortController().signal, limits);
};

it.each([
  ['the job that counts', { of: 'query', sql: 'COUNT(DISTINCT' }, 'direct', 'job-stuck'],
  ['the job that reads the values', { of: 'query', sql: 'cipher_text' }, 'direct', 'job-stuck'],
  ['the load job', { of: 'load' }, 'direct', 'job-stuck'],
  ['the job that merges', { of: 'query', sql: 'MERGE' }, 'direct', 'job-stuck'],
  ['a batch that does not start', { kind: 'batch-stuck', state: 'PENDING' }, 'dataproc', 'batch-stuck'],
  ['a batch that does not end', { kind: 'batch-stuck', state: 'RUNNING' }, 'dataproc', 'batch-stuck'],
] as const)('%s', async (_what, rule, engine, code) => {
  const before = await users();
  const service = 'kind' in rule ? 'dataproc' : 'bigquery';
  await box.faults({ kind: 'job-stuck', service, ...rule });
  const options = { runId: newRunId(), mode: 'pending', limit: null, engine } as const;
  await expect(run(await impatient(), options, silent)).rejects.toMatchObject({
    code,
    hint: expect.stringContaining('--resume'),
  });
  expect(await users()).toEqual(before);
  await box.faults();
  expect((await box.run(options)).state).toBe('succeeded');
  expect(await box.sql('SELECT COUNT(*) AS n FROM users WHERE bq_encrypted_email IS NULL')).toEqual([
    { n: '0' },
  ]);
});
