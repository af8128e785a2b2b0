import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { Executions } from '../../../sandbox/cloud-run/executions.ts';
import { Faults } from '../../../sandbox/faults/plane.ts';
import { Iam } from '../../../sandbox/iam/iam.ts';
import {
  bucket,
  completed,
  entries,
  follow,
  JOB,
  JOBS,
  left,
  program,
  READER,
  run,
  template,
} from '../../support/cloud-run.ts';
import { type Harness, harness, PROJECT } from '../../support/harness.ts';

let h: Harness;
const folder = mkdtempSync(join(tmpdir(), 'reseal-cloud-run-'));
const seen = join(folder, 'seen.json');
const stopped = join(folder, 'stopped');
/** Says what it was given. */
const TELLS = `
import { writeFileSync } from 'node:fs';
console.log('a line');
console.log(JSON.stringify({ severity: 'WARNING', message: 'of JSON' }));
console.error('to stderr');
writeFileSync(${JSON.stringify(seen)}, JSON.stringify({ args: process.argv.slice(2), env: process.env, cwd: process.cwd() }));
`;
/** Waits to be stopped, and takes its leave as if all was well. */
const WAITS = `
import { writeFileSync } from 'node:fs';
process.on('SIGTERM', () => { writeFileSync(${JSON.stringify(stopped)}, ''); process.exit(0); });
setInterval(() => {}, 1000);
console.log('waits');
writeFileSync(${JSON.stringify(seen)}, '');
`;
const told = () => JSON.parse(readFileSync(seen, 'utf8')) as { args: string[]; env: Record<string, string> };

beforeAll(async () => {
  h = await harness();
  await bucket(h);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const file of [seen, stopped]) rmSync(file, { force: true });
  await h.rest('DELETE', `/v2/${JOB}`);
});
afterAll(async () => {
  await h.close();
  rmSync(folder, { recursive: true, force: true });
});

async function job(given: object = template()): Promise<void> {
  const { status, body } = await h.rest('POST', `/v2/${JOBS}?jobId=a-job`, { template: given });
  expect(body.error?.message ?? status).toBe(200);
  expect(body).toMatchObject({ done: true, response: { name: JOB, generation: '1' } });
}

it("runs the file of the bucket as its account, with the arguments that override the template's", async () => {
  await program(h, TELLS);
  await job(template({}, { args: ['--of-the-template'] }));
  vi.stubEnv('OF_THIS_PROCESS', 'yes');
  const operation = await run(h, {
    containerOverrides: [{ args: ['--run=r'], env: [{ name: 'OF_THE_OVERRIDE', value: 'yes' }] }],
  });
  expect(operation.done).toBeUndefined();
  expect(operation.metadata).toMatchObject({
    '@type': 'type.googleapis.com/google.cloud.run.v2.Execution',
    job: 'a-job',
    creator: 'owner@sandbox.invalid',
    taskCount: 1,
  });
  expect(operation.metadata.name).toMatch(new RegExp(`^${JOB}/executions/a-job-[a-z0-9]{5}$`));
  expect(operation.metadata).not.toHaveProperty('completionTime');
  const execution = await follow(h, operation);
  expect(completed(execution)).toMatchObject({ state: 'CONDITION_SUCCEEDED' });
  expect(execution).toMatchObject({ succeededCount: 1 });
  for (const none of ['runningCount', 'failedCount', 'reconciling'])
    expect(execution).not.toHaveProperty(none);

  const { args, env } = told();
  expect(args).toEqual(['--run=r']);
  const id = execution.name.split('/').at(-1);
  expect(env).toMatchObject({
    OF_THE_TEMPLATE: 'yes',
    OF_THE_OVERRIDE: 'yes',
    CLOUD_RUN_JOB: 'a-job',
    CLOUD_RUN_EXECUTION: id,
    CLOUD_RUN_TASK_INDEX: '0',
    CLOUD_RUN_TASK_ATTEMPT: '0',
    CLOUD_RUN_TASK_COUNT: '1',
  });
  const own = Object.keys(env).filter((name) => !/^(OF_THE_|CLOUD_RUN_|RESEAL_ENDPOINTS$)/.test(name));
  expect(own.filter((name) => !name.startsWith('__')).sort()).toEqual(['HOME', 'PATH', 'TMPDIR']);
  const { accessToken, run: origin } = JSON.parse(env.RESEAL_ENDPOINTS ?? '');
  expect(origin).toBe(h.origin);
  const may = await fetch(`${h.origin}/v1/projects/${PROJECT}:testIamPermissions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${accessToken}` },
    body: JSON.stringify({ permissions: ['bigquery.jobs.create'] }),
  });
  expect(await may.json(), "the account's token, not the owner's").toEqual({});

  expect(entries(execution)).toMatchObject([
    { textPayload: 'a line', logName: `projects/${PROJECT}/logs/run.googleapis.com%2Fstdout` },
    { severity: 'WARNING', jsonPayload: { message: 'of JSON' } },
    { textPayload: 'to stderr', labels: { 'run.googleapis.com/execution_name': id } },
  ]);
  expect(readdirSync(join(h.state, 'cloud-run', 'tasks')), 'nothing of its files is left').toEqual([]);
  const done = await h.rest('GET', `/v2/${operation.name}`);
  expect(done.body).toMatchObject({ done: true, response: { name: execution.name } });
  expect((await h.rest('GET', `/v2/${JOB}/executions`)).body.executions).toEqual([execution]);
});

it('fails with its process, as often as it may be tried again', async () => {
  await program(h, 'console.log(process.env.CLOUD_RUN_TASK_ATTEMPT); process.exit(3);');
  await job(template({ maxRetries: 2 }));
  const operation = await run(h);
  const execution = await follow(h, operation);
  expect(execution).toMatchObject({ failedCount: 1, retriedCount: 1 });
  expect(completed(execution)).toMatchObject({
    state: 'CONDITION_FAILED',
    executionReason: 'NON_ZERO_EXIT_CODE',
    message: expect.stringMatching(
      /^Task a-job-.{5}-task0 failed with message: The container exited with an error\.$/,
    ),
  });
  const said = entries(execution).map(({ textPayload }) => textPayload);
  expect(said).toEqual(['0', '1', '2'].flatMap((attempt) => [attempt, 'Container called exit(3).']));
  const { body } = await h.rest('GET', `/v2/${operation.name}`);
  expect(body).toMatchObject({ done: true, error: { code: 13 } });
});

it('fails where its file is not there', async () => {
  await job(template({}, { command: ['node', '/mnt/reseal/none.mjs'] }));
  const execution = await follow(h, await run(h));
  expect(execution.failedCount).toBe(1);
  expect(
    entries(execution)
      .map(({ textPayload }) => textPayload)
      .join('\n'),
  ).toContain('Cannot find module');
});

it('is asked to end when it is cancelled, and nothing of it is tried again', async () => {
  await program(h, WAITS);
  await job(template({ maxRetries: 3 }));
  const operation = await run(h);
  await left(seen);
  expect(await follow(h, operation, () => true)).toMatchObject({ runningCount: 1 });
  const { body } = await h.rest('POST', `/v2/${operation.metadata.name}:cancel`, {});
  expect(completed(body.metadata)).toMatchObject({ executionReason: 'CANCELLING' });
  const execution = await follow(h, operation);
  await left(stopped);
  expect(execution).toMatchObject({ cancelledCount: 1 });
  expect(completed(execution)).toMatchObject({ state: 'CONDITION_FAILED', executionReason: 'CANCELLED' });
  expect((await h.rest('GET', `/v2/${body.name}`)).body).toMatchObject({ done: true });
  expect((await h.rest('GET', `/v2/${operation.name}`)).body).toMatchObject({
    done: true,
    error: { code: 1 },
  });
  // Once it has completed it stays as it is.
  await h.rest('POST', `/v2/${operation.metadata.name}:cancel`, {});
  expect(await follow(h, operation)).toEqual(execution);
});

it('is ended at the timeout of its template, or of the override', async () => {
  await program(h, WAITS);
  await job();
  const execution = await follow(h, await run(h, { timeout: '1s' }));
  expect(completed(execution).message).toContain('The configured timeout was reached.');
  expect(execution.template.timeout).toBe('1s');
});

it('does not start where its account may not list the bucket or read the object', async () => {
  await program(h, TELLS);
  await job();
  await h.rest('POST', '/sandbox/v1/iam:unbind', READER);
  try {
    const execution = await follow(h, await run(h));
    expect(completed(execution).message).toContain('does not have storage.objects.list access');
    expect(execution).not.toHaveProperty('startTime');
  } finally {
    await h.rest('POST', '/sandbox/v1/iam:bind', READER);
  }
});

it('that a sandbox leaves behind has failed when it starts again', async () => {
  await program(h, WAITS);
  await job();
  const operation = await run(h);
  await left(seen);
  await h.restart();
  const execution = await follow(h, operation);
  expect(execution).toMatchObject({ failedCount: 1 });
  expect(completed(execution)).toMatchObject({
    state: 'CONDITION_FAILED',
    message: 'The sandbox was stopped.',
  });
  expect((await h.rest('GET', `/v2/${JOB}`)).body.name).toBe(JOB);
});

it('that a sandbox which was killed leaves behind has failed, too, and its files are gone', async () => {
  await program(h, WAITS);
  await job();
  const operation = await run(h);
  await left(seen);
  const state = join(folder, 'killed');
  cpSync(join(h.state, 'cloud-run'), join(state, 'cloud-run'), { recursive: true });
  const tasks = join(state, 'cloud-run', 'tasks');
  expect(readdirSync(tasks)).toHaveLength(1);
  const origin = () => h.origin;
  const again = new Executions({ state, origin, iam: new Iam(state, () => PROJECT), faults: new Faults() });
  expect(again.get(operation.metadata.name)).toMatchObject({ failedCount: 1 });
  expect(existsSync(tasks)).toBe(false);
});
