import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { dataprocEngine } from '../../jobs/engines/dataproc/index.ts';
import type { StageInput, StageProgress } from '../../jobs/engines/engine.ts';
import { Batches, type BatchRunner } from '../../sandbox/dataproc/batches.ts';
import { dataprocRoutes } from '../../sandbox/dataproc/routes.ts';
import { driverOutput } from '../../sandbox/dataproc/runner.ts';
import { endpointsOf } from '../../sandbox/http/endpoints.ts';
import { GoogleError } from '../../sandbox/http/errors.ts';
import { type Listener, listen } from '../../sandbox/http/serve.ts';
import { Uploads } from '../../sandbox/http/upload.ts';
import { storageRoutes } from '../../sandbox/storage/routes.ts';
import { Store } from '../../sandbox/storage/store.ts';
import { EVERYBODY } from '../support/callers.ts';
import { aDeployment } from '../support/deployment.ts';

const folder = mkdtempSync(join(tmpdir(), 'reseal-dataproc-'));
const deployment = aDeployment();
let listener: Listener;
let batches: Batches;
/** What the next batches do; each test sets its own. */
let work: BatchRunner;
let started = 0;

beforeAll(async () => {
  const store = new Store(folder);
  await store.createBucket(deployment.bucket, {});
  const runner: BatchRunner = (batch, output, signal) => {
    started++;
    return work(batch, output, signal);
  };
  batches = new Batches(folder, runner, (batch) => driverOutput(store, batch));
  const routes = [...dataprocRoutes(batches), ...storageRoutes(store, new Uploads(folder))];
  listener = await listen(
    routes.map((route) => ({
      ...route,
      async handle(call) {
        await intercept(route.path);
        return route.handle(call);
      },
    })),
    () => EVERYBODY,
  );
});
/** Comes before every request; tests have it wait or fail. */
let intercept: (path: string) => Promise<void> | void = () => {};
afterEach(() => {
  intercept = () => {};
});
afterAll(async () => {
  await batches.close();
  await listener.close();
  rmSync(folder, { recursive: true, force: true });
});

function stage(runId: string, signal = new AbortController().signal) {
  const seen: StageProgress[] = [];
  const input: StageInput = {
    runId,
    mode: 'pending',
    snapshotMillis: '1700000000000',
    idFrom: '-9223372036854775808',
    idCutoff: '1',
    wave: 0,
    waves: 1,
    limit: null,
    selected: 10,
    spent: [],
    keyset: { version: 1, wrapped: Buffer.alloc(0), kmsKey: '' },
  };
  started = 0;
  const engine = dataprocEngine(deployment, endpointsOf(listener.origin, 'any'));
  return { seen, done: engine.stage(input, (now) => seen.push(now), signal) };
}

const counts = '{"reseal": "counts", "selected": 10, "staged": 10, "rejected": {}, "kms_calls": 3}\n';

it("shows the application's progress as it comes and reports calls and usage", async () => {
  work = async (_batch, output) => {
    output.write('Spark says something\n{"reseal": "progress", "phase": "unwrap", "rows": 10, ');
    await sleep(700);
    output.write(`"deks": 3}\n`);
    await sleep(700);
    output.write(counts);
  };
  const { seen, done } = stage('run-good');
  const outcome = await done;
  expect(outcome).toMatchObject({ kmsCalls: 3, batchId: 'reseal-run-good' });
  expect(outcome.milliDcuSeconds).toBeGreaterThan(0);
  expect(seen).toContainEqual({
    message: 'batch reseal-run-good is running, unwrapping 3 data keys',
  });
});

it('shows how far the application is, where it says so, and its phase where it does not', async () => {
  work = async (_batch, output) => {
    output.write('{"reseal": "progress", "phase": "unwrap", "rows": 10, "deks": 3}\n');
    output.write('{"reseal": "live", "phase": "unwrap", "done": 2, "of": 3, "a_second": 0.5}\n');
    output.write('{"reseal": "of a later version", "phase": "unwrap"}\n');
    await sleep(700);
    output.write('{"reseal": "progress", "phase": "seal", "rows": 10, "deks": 3}\n');
    await sleep(700);
    output.write('{"reseal": "live", "phase": "seal", "done": 7, "of": 10, "a_second": 1.5, "more": 1}\n');
    await sleep(700);
    output.write('{"reseal": "live", "phase": "seal", "done": 10, "of": 10, "a_second": 1.5}\n');
    await sleep(700);
    output.write(counts);
  };
  const { seen, done } = stage('run-live');
  await done;
  const told = seen.filter((each, at) => JSON.stringify(each) !== JSON.stringify(seen[at - 1]));
  const running = 'batch reseal-run-live is running';
  expect(told.slice(told.findIndex((each) => each.message?.includes('unwrapping')))).toEqual([
    { message: `${running}, unwrapping 3 data keys` },
    { rows: 0, deks: 2, deksASecond: 0.5 },
    { message: `${running}, sealing 10 values` },
    { rows: 7, rowsASecond: 1.5 },
    { message: `${running}, BigQuery loads what is sealed` },
  ]);
});

it('follows the batch that is there instead of making another', async () => {
  work = async (_batch, output) => output.write(counts);
  await stage('run-twice').done;
  expect(started).toBe(1);
  const again = stage('run-twice');
  expect(await again.done).toMatchObject({ kmsCalls: 3, batchId: 'reseal-run-twice' });
  expect(started).toBe(0);
});

it('gives a failed batch a successor when the run is resumed', async () => {
  work = async () => {
    throw new Error('out of memory');
  };
  await expect(stage('run-again').done).rejects.toMatchObject({ code: 'batch-failed' });
  work = async (_batch, output) => output.write(counts);
  expect(await stage('run-again').done).toMatchObject({ batchId: 'reseal-run-again--2' });
});

it("says why a batch failed, with the driver's last lines and no stack trace of its own", async () => {
  work = async (_batch, output) => {
    for (let line = 1; line <= 40; line++) output.write(`line ${line}\n`);
    throw new Error('Job failed with message [exit code 1].');
  };
  const failure = stage('run-bad').done;
  await expect(failure).rejects.toMatchObject({ code: 'batch-failed' });
  const message = await failure.then(String, (error: Error) => error.message);
  expect(message).toContain('Job failed with message [exit code 1].');
  expect(message).toContain('| line 40');
  expect(message).not.toContain('| line 20\n');
});

it("passes on the application's own error", async () => {
  work = async (_batch, output) => {
    output.write(
      '{"reseal": "error", "code": "kms-denied", "message": "Cloud KMS answered PERMISSION_DENIED"}\n',
    );
    throw new Error('exit code 1');
  };
  await expect(stage('run-denied').done).rejects.toMatchObject({
    code: 'kms-denied',
    message: 'Cloud KMS answered PERMISSION_DENIED',
  });
});

it('cancels the batch with the run, and waits until it has ended', async () => {
  let stopped = false;
  const controller = new AbortController();
  work = async (_batch, _output, signal) => {
    setTimeout(() => controller.abort(), 100);
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    stopped = true;
  };
  const { done } = stage('run-cancelled', controller.signal);
  await expect(done).rejects.toMatchObject({ code: 'batch-cancelled' });
  expect(stopped).toBe(true);
  const batch = batches.get('projects/a-project/locations/us-central1/batches/reseal-run-cancelled');
  expect(batch.stateHistory.map(({ state }) => state)).toEqual(['PENDING', 'RUNNING', 'CANCELLING']);
});

it("does without the driver's output where it cannot be read", async () => {
  work = async (_batch, output) => output.write(counts);
  intercept = (path) => {
    if (path.includes('/storage/')) throw new GoogleError('PERMISSION_DENIED', 'no storage.objects.list');
  };
  const { seen, done } = stage('run-unread');
  expect(await done).toMatchObject({ kmsCalls: null, batchId: 'reseal-run-unread' });
  expect(seen).toContainEqual({ message: expect.stringContaining('no storage.objects.list') });
});

/** A batch that goes on whatever it is told, until the test lets it end. */
function stubborn() {
  let release = (): void => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const controller = new AbortController();
  work = async () => {
    setTimeout(() => controller.abort(), 100);
    await gate;
  };
  return { controller, release };
}

it('waits a moment, and no longer, for a cancelled batch to end; resumed, it waits and makes a successor', async () => {
  const { controller, release } = stubborn();
  const { done } = stage('run-slow', controller.signal);
  const began = performance.now();
  await expect(done).rejects.toMatchObject({
    code: 'cancel-pending',
    message: expect.stringContaining('/batches/reseal-run-slow has been cancelled and is about to end'),
  });
  expect(performance.now() - began).toBeLessThan(4_000);
  work = async (_batch, output) => output.write(counts);
  const resumed = stage('run-slow');
  await sleep(500);
  expect(started).toBe(0);
  release();
  expect(await resumed.done).toMatchObject({ batchId: 'reseal-run-slow--2' });
});

it.each([
  ['does not answer', () => sleep(60_000, undefined, { ref: false })],
  ['says no', () => Promise.reject(new GoogleError('PERMISSION_DENIED', 'no operations.cancel'))],
])('says that a batch may go on where its cancellation %s', async (how, answer) => {
  const { controller, release } = stubborn();
  intercept = async (path) => {
    if (path.endsWith(':cancel')) await answer();
  };
  const runId = how === 'says no' ? 'run-no' : 'run-mute';
  const { done } = stage(runId, controller.signal);
  const began = performance.now();
  await expect(done).rejects.toMatchObject({
    code: 'cancel-failed',
    message: expect.stringContaining(`/batches/reseal-${runId} could not be cancelled: `),
  });
  expect(performance.now() - began).toBeLessThan(4_000);
  release();
});
