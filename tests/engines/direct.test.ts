import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadJobId, MAX_ATTEMPTS, newRunId } from '../../jobs/contract/ids.ts';
import { load, nextLoad } from '../../jobs/engines/load.ts';
import { waitLimits } from '../../jobs/google/wait-limits.ts';
import { Application } from '../support/application.ts';
import { beforeStep, destroyVersion, type TestSandbox, testSandbox } from '../support/sandbox.ts';

/** What can befall the direct engine's keys and its load job. */
const application = new Application('gcm');
const key = application.newKey();
const signal = new AbortController().signal;
setMaxListeners(0, signal);

let box: TestSandbox;
beforeAll(async () => {
  box = await testSandbox();
  await box.load(application, [{ id: '1', cipher_text: key.encrypt('a@example.com'), dek: key.dek }]);
});
afterAll(() => box?.close());

async function versionState(state: 'ENABLED' | 'DISABLED'): Promise<void> {
  const name = `${box.sandbox.endpoints.kms}/v1/${box.deployment.bigqueryKek}/cryptoKeyVersions/1`;
  const headers = { authorization: `Bearer ${box.sandbox.owner.accessToken}` };
  const body = JSON.stringify({ state });
  const answer = await fetch(`${name}?updateMask=state`, { method: 'PATCH', headers, body });
  expect(answer.status).toBe(200);
}

it("names BigQuery's key where it cannot open the first-level keyset, and what to do", async () => {
  const runId = newRunId();
  const disable = beforeStep('stage', () => versionState('DISABLED'));
  await expect(box.run({ runId }, disable)).rejects.toMatchObject({
    code: 'kms-key-disabled',
    message: expect.stringContaining(box.deployment.bigqueryKek),
    hint: expect.stringContaining('enable'),
  });
  await versionState('ENABLED');
  expect(await box.sql(`SELECT state, error_code FROM runs WHERE run_id = '${runId}'`)).toEqual([
    { state: 'failed', error_code: 'kms-key-disabled' },
  ]);
});

it('stops where the key version under the first-level keyset is destroyed, and rejects nothing', async () => {
  const other = await testSandbox();
  try {
    await other.load(application, [{ id: '1', cipher_text: key.encrypt('a@example.com'), dek: key.dek }]);
    const runId = newRunId();
    const destroy = beforeStep('stage', () => destroyVersion(other, other.deployment.bigqueryKek));
    await expect(other.run({ runId }, destroy)).rejects.toMatchObject({
      code: 'keyset',
      message: expect.stringContaining('is destroyed'),
    });
    expect(await other.sql('SELECT id FROM users_rejected')).toEqual([]);
  } finally {
    await other.close();
  }
});

it('tells a keyset of another key from rejected values', async () => {
  const input = {
    runId: newRunId(),
    mode: 'pending',
    snapshotMillis: String(Date.now()),
    idFrom: '-9223372036854775808',
    idCutoff: '9223372036854775807',
    wave: 0,
    waves: 1,
    limit: null,
    selected: 1,
    spent: [],
    keyset: { version: 1, wrapped: randomBytes(200), kmsKey: box.deployment.bigqueryKek },
  } as const;
  await expect(box.context.engines.direct.stage(input, () => {}, signal)).rejects.toMatchObject({
    code: 'keyset',
    message: `the first-level keyset was not wrapped by ${box.deployment.bigqueryKek}`,
  });
});

it('stages the rows of one run once, also where two processes drive it', async () => {
  const runId = newRunId();
  const { client } = box.context.bigquery;
  const line = { id: '7', run_id: runId, field: 'email', resealed_from: '', bq_encrypted_email: 'AAAA' };
  const lines = () => Readable.from([Buffer.from(`${JSON.stringify(line)}\n`)]);
  const next = () => nextLoad(client, box.deployment, { runId, wave: 0, anew: false }, signal);
  const both = await Promise.all([next(), next()]);
  for (const { id, loaded } of both) {
    expect(loaded).toBe(false);
    await load(client, box.deployment, id, lines(), signal);
  }
  expect(await next()).toMatchObject({ id: both[0].id, loaded: true });
  expect(await box.sql(`SELECT COUNT(*) AS n FROM users_temp WHERE run_id = '${runId}'`)).toEqual([
    { n: '1' },
  ]);
  // A run of the same id, but of another stack in the project.
  const theirs = { ...box.deployment, dataset: 'another_dataset' };
  expect(await nextLoad(client, theirs, { runId, wave: 0 }, signal)).toMatchObject({ loaded: false });
});

it('begins no load job beyond the twentieth, and says how to go on then', async () => {
  const runId = newRunId();
  const spent = Array.from({ length: MAX_ATTEMPTS }, (_, at) => loadJobId(box.deployment, runId, at + 1));
  const { client } = box.context.bigquery;
  await expect(nextLoad(client, box.deployment, { runId, wave: 0, spent }, signal)).rejects.toMatchObject({
    code: 'bigquery',
    message: 'BigQuery, step load: 20 jobs of this step failed, or were for nothing',
    hint: expect.stringContaining('abandon this run'),
  });
});

it('does not put down to BigQuery what the rows themselves fail with', async () => {
  const { client } = box.context.bigquery;
  const own = new RangeError('no such row');
  async function* failing() {
    yield Buffer.from('{"id":"9"}\n');
    throw own;
  }
  await expect(load(client, box.deployment, `reseal_${newRunId()}_own`, failing(), signal)).rejects.toBe(own);
});

it.each([
  // The client asks four times before it gives up.
  ['is taken once BigQuery answers again', 4, { loaded: true }],
  ['is not taken for failed while BigQuery does not answer', null, { code: 'bigquery-busy' }],
])('a load job whose end cannot be looked up %s', async (_what, count, outcome) => {
  const runId = newRunId();
  const { client } = box.context.bigquery;
  const next = () => nextLoad(client, box.deployment, { runId, wave: 0, anew: false }, signal);
  const first = await next();
  await load(client, box.deployment, first.id, Readable.from([Buffer.from('{"id":"8"}\n')]), signal);
  await box.faults({ kind: 'unavailable', service: 'bigquery', method: 'jobs.get', from: 2, count });
  const found = await next().catch((error: unknown) => error);
  expect(found).toMatchObject({ ...outcome, ...('loaded' in outcome ? { id: first.id } : {}) });
  await box.faults();
  expect(await next()).toMatchObject({ id: first.id, loaded: true });
});

it('waits as long as Cloud KMS asks for when the quota is exhausted', async () => {
  const again = application.newKey();
  await box.load(application, [{ id: '2', cipher_text: again.encrypt('b@example.com'), dek: again.dek }]);
  await box.kmsCalls();
  // The first call is for the first-level keyset.
  await box.faults({ kind: 'quota', service: 'kms', from: 2, retryAfterSeconds: 3 });
  const report = await box.run();
  expect(report).toMatchObject({ state: 'succeeded' });
  expect(report.seconds).toBeGreaterThan(3);
  expect(await box.kmsCalls()).toBeGreaterThan(1);
});

it('unwraps nothing again for a run whose rows are loaded', async () => {
  const third = application.newKey();
  await box.load(application, [{ id: '3', cipher_text: third.encrypt('c@example.com'), dek: third.dek }]);
  const runId = newRunId();
  const broken = beforeStep('verify', async () => {
    throw new Error('the process was ended here');
  });
  await expect(box.run({ runId }, broken)).rejects.toMatchObject({ code: 'internal' });
  await box.kmsCalls();
  const { resume } = await import('../../jobs/run/run.ts');
  const report = await resume(box.context, runId, { step: (_name, work) => work(() => {}) });
  expect(report).toMatchObject({ state: 'succeeded', merged: 1 });
  expect(await box.kmsCalls()).toBe(0);
});

it('waits for the rows of a load job for as long as they take, and for the job as long as BigQuery lets one run', async () => {
  const { client } = box.context.bigquery;
  const runId = newRunId();
  const limits = { ...waitLimits(box.deployment), jobMs: 1_000 };
  const line = (id: number) => ({
    id: String(id),
    run_id: runId,
    field: 'email',
    bq_encrypted_email: 'AAAA',
  });
  const slow = async function* (pauseMs: number) {
    for (const id of [1, 2, 3]) {
      await sleep(pauseMs);
      yield Buffer.from(`${JSON.stringify(line(id))}\n`);
    }
  };
  const loading = (pauseMs: number) =>
    load(client, box.deployment, `reseal_${runId}_${pauseMs}`, slow(pauseMs), signal, limits);
  await loading(500);
  expect(await box.sql(`SELECT COUNT(*) AS n FROM users_temp WHERE run_id = '${runId}'`)).toEqual([
    { n: '3' },
  ]);
  await box.faults({ service: 'bigquery', method: 'jobs.insert', kind: 'latency', ms: 2_000 });
  await expect(loading(1)).rejects.toMatchObject({ code: 'job-stuck' });
  await box.faults();
});
