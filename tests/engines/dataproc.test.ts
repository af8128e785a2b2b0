import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { ResealError } from '../../jobs/contract/errors.ts';
import { batchId, MAX_ATTEMPTS } from '../../jobs/contract/ids.ts';
import { dataprocEngine } from '../../jobs/engines/dataproc/index.ts';
import type { StageInput, StageProgress } from '../../jobs/engines/engine.ts';
import { TAKEN_OVER } from '../../jobs/google/bounds.ts';
import { type WaitLimits, waitLimits } from '../../jobs/google/wait-limits.ts';
import { Batches, type BatchRunner } from '../../sandbox/dataproc/batches.ts';
import { dataprocRoutes } from '../../sandbox/dataproc/routes.ts';
import { driverOutput } from '../../sandbox/dataproc/runner.ts';
import { GoogleError } from '../../sandbox/errors/google-error.ts';
import { endpointsOf } from '../../sandbox/http/endpoints.ts';
import type { Route } from '../../sandbox/http/router.ts';
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
        await intercept(route.path, route.method);
        const answer = await route.handle(call);
        return (await answering(route.path, route.method, answer)) ?? answer;
      },
    })),
    () => EVERYBODY,
  );
});
type Answer = Awaited<ReturnType<Route['handle']>>;
/** Comes before every request; tests have it wait or fail. */
let intercept: (path: string, method: string) => Promise<void> | void = () => {};
/** Comes between a request's work and its answer; tests have it wait, fail or answer in its place. */
let answering: (path: string, method: string, answer: Answer) => Answer | Promise<void> | undefined = () =>
  undefined;
afterEach(() => {
  [intercept, answering] = [() => {}, () => undefined];
});
const UNAVAILABLE = new GoogleError('UNAVAILABLE', 'The service is currently unavailable.');
const isCreation = (path: string, method: string): boolean => method === 'POST' && path.endsWith('/batches');
const isLook = (path: string): boolean => path.endsWith('/batches/{batch}');
afterAll(async () => {
  await batches.close();
  await listener.close();
  rmSync(folder, { recursive: true, force: true });
});

function stage(
  runId: string,
  signal = new AbortController().signal,
  limits: Partial<WaitLimits> = {},
  spent: readonly string[] = [],
  of = deployment,
) {
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
    spent,
    keyset: { version: 1, wrapped: Buffer.alloc(0), kmsKey: '' },
  };
  started = 0;
  const engine = dataprocEngine(of, endpointsOf(listener.origin, 'any'), {
    ...waitLimits(of),
    ...limits,
  });
  return { seen, done: engine.stage(input, (now) => seen.push(now), signal) };
}

/** Gives up what a run has at work; `said` is what it hears meanwhile. */
async function discard(runId: string) {
  const said: string[] = [];
  const engine = dataprocEngine(deployment, endpointsOf(listener.origin, 'any'));
  const never = new AbortController().signal;
  const { cancelled } = await engine.discard(runId, runId, never, (message) => said.push(message));
  return { said, cancelled };
}

/** The state of a run's first batch, as Dataproc has it. */
const stateOfBatch = (runId: string) =>
  batches.get(`projects/${deployment.project}/locations/${deployment.location}/batches/reseal-${runId}`)
    .state;

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

it('makes no batch beyond the twentieth, and says how to go on then', async () => {
  const spent = Array.from({ length: MAX_ATTEMPTS }, (_, at) => batchId('run-spent', at + 1));
  await expect(stage('run-spent', undefined, {}, spent).done).rejects.toMatchObject({
    code: 'batch-failed',
    message: '20 batches of run run-spent failed',
    hint: expect.stringContaining('`npm run reseal -- abandon run-spent`'),
  });
});

it("says why a batch failed, with the driver's last lines and no stack trace of its own", async () => {
  work = async (_batch, output) => {
    for (let line = 1; line <= 40; line++) output.write(`line ${line}\n`);
    throw new Error('Job failed with message [exit code 1].');
  };
  const failure = await stage('run-bad').done.catch((error: unknown) => error);
  // The message goes into the ledger, and what a driver prints may be anything.
  expect(failure).toMatchObject({
    code: 'batch-failed',
    message: expect.stringMatching(
      /\/batches\/reseal-run-bad failed: Job failed with message \[exit code 1\]\.$/,
    ),
    hint: expect.stringMatching(
      /^the whole output: gs:.*; its last lines:\n {2}\| line 26\n.*\n {2}\| line 40$/s,
    ),
  });
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

it("looks once more at the driver's output where the last look has failed", async () => {
  work = async (_batch, output) => output.write(counts);
  let failed = false;
  intercept = (path) => {
    if (!path.includes('/storage/') || failed || stateOfBatch('run-late-counts') !== 'SUCCEEDED') return;
    failed = true;
    throw new GoogleError('PERMISSION_DENIED', 'only this once');
  };
  const { done } = stage('run-late-counts');
  expect([await done, failed]).toMatchObject([{ kmsCalls: 3 }, true]);
});

it('does without what Dataproc leaves out, which its client gives as empty text', async () => {
  work = async () => {
    throw new Error('out of memory');
  };
  answering = (path, _method, answer) =>
    isLook(path) ? { ...answer, runtimeInfo: {}, stateMessage: '' } : undefined;
  const { seen, done } = stage('run-empty');
  await expect(done).rejects.toMatchObject({
    message: expect.stringMatching(/ failed: no reason given$/),
    hint: 'the whole output: in Cloud Logging',
  });
  expect(seen).not.toContainEqual({ message: expect.stringContaining('cannot be read') });
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

it('goes on where Dataproc cannot say for a while how the batch stands', async () => {
  work = async (_batch, output) => output.write(counts);
  let looks = 0;
  intercept = (path) => {
    // The first look is for a batch that is there already.
    if (isLook(path) && [1, 3].includes(++looks)) throw UNAVAILABLE;
  };
  const { seen, done } = stage('run-unlooked');
  expect(await done).toMatchObject({ kmsCalls: 3, batchId: 'reseal-run-unlooked' });
  expect([started, seen]).toEqual([
    1,
    expect.arrayContaining([{ message: 'Dataproc is asked again: The service is currently unavailable.' }]),
  ]);
});

it('says that the batch may go on where Dataproc cannot be asked for too long', async () => {
  let release = (): void => {};
  work = () => new Promise((resolve) => (release = resolve));
  intercept = (path) => {
    if (isLook(path) && started > 0) throw UNAVAILABLE;
  };
  const { done } = stage('run-blind', undefined, { lookMs: 300 });
  await expect(done).rejects.toMatchObject({
    code: 'batch',
    message: 'Dataproc: The service is currently unavailable.',
    hint: 'batch reseal-run-blind may still be at work; `--resume RUN` takes it',
  });
  release();
});

it.each([
  ['is asked for again', 'before'],
  ['is followed although its first answer is lost', 'after'],
])('a batch %s', async (how, when) => {
  work = async (_batch, output) => output.write(counts);
  let failed = false;
  const fail = (path: string, method: string): undefined => {
    if (!isCreation(path, method) || failed) return;
    failed = true;
    throw UNAVAILABLE;
  };
  if (when === 'before') intercept = fail;
  else answering = fail;
  const runId = `run-created-${when}`;
  expect(await stage(runId).done, how).toMatchObject({ kmsCalls: 3, batchId: `reseal-${runId}` });
  expect([failed, started]).toEqual([true, 1]);
});

it('gives up at once where it may not create a batch', async () => {
  intercept = (path, method) => {
    if (isCreation(path, method)) throw new GoogleError('PERMISSION_DENIED', 'no dataproc.batches.create');
  };
  await expect(stage('run-uncreated').done).rejects.toMatchObject({ code: 'batch-denied' });
});

it('says that a batch may be at work where Dataproc has not said for too long whether it made one', async () => {
  intercept = (path, method) => {
    if (isCreation(path, method)) throw UNAVAILABLE;
  };
  await expect(stage('run-unsaid', undefined, { lookMs: 300 }).done).rejects.toMatchObject({
    code: 'batch',
    message: 'Dataproc: The service is currently unavailable.',
    hint: 'batch reseal-run-unsaid may be at work; `--resume RUN` takes it',
  });
});

it('gives up at once where there is no quota for the batch, which does not exist then', async () => {
  let asked = 0;
  intercept = (path, method) => {
    if (!isCreation(path, method)) return;
    asked++;
    throw new GoogleError('RESOURCE_EXHAUSTED', "Insufficient 'CPUS' quota. Requested 12.0, available 8.0.");
  };
  const failure = await stage('run-quota', undefined, { lookMs: 300 }).done.catch((error) => error);
  expect([asked, failure.code, failure.message, failure.hint]).toEqual([
    1,
    'batch',
    "Dataproc: Insufficient 'CPUS' quota. Requested 12.0, available 8.0.",
    undefined,
  ]);
});

it.each([
  ['answers late', async () => void (await sleep(2_500, undefined, { ref: false }))],
  ['fails to answer', () => Promise.reject(UNAVAILABLE)],
])('cancels a batch that comes to be after the interrupt, where Dataproc %s', async (how, answer) => {
  const controller = new AbortController();
  work = (_batch, _output, signal) =>
    new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
  answering = async (path, method) => {
    if (!isCreation(path, method)) return;
    setTimeout(() => controller.abort(), how === 'answers late' ? 0 : 100);
    await answer();
  };
  const runId = how === 'answers late' ? 'run-late' : 'run-lost';
  const began = performance.now();
  await expect(stage(runId, controller.signal).done).rejects.toMatchObject({
    code: 'cancel-failed',
    message: expect.stringMatching(`/batches/reseal-${runId} may have been created: `),
  });
  expect(performance.now() - began).toBeLessThan(4_000);
  // The process ends soon after this: what is not asked for by now is never asked for.
  expect(stateOfBatch(runId)).toMatch(/^CANCELL/);
});

it('cancels a batch that comes to be after the interrupt, where Dataproc cannot be asked for a while', async () => {
  const controller = new AbortController();
  work = (_batch, _output, signal) =>
    new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
  answering = (path, method) => {
    if (!isCreation(path, method)) return;
    controller.abort();
    throw UNAVAILABLE;
  };
  let looks = 0;
  intercept = (path) => {
    // The first look is for a batch that is there already.
    if (isLook(path) && ++looks === 2) throw UNAVAILABLE;
  };
  const { done } = stage('run-lost-twice', controller.signal);
  await expect(done).rejects.toMatchObject({ code: 'cancel-failed' });
  expect([looks, stateOfBatch('run-lost-twice')]).toEqual([3, expect.stringMatching(/^CANCELL/)]);
});

it('gives up the batches at work, although one before them is gone, and says why it takes long', async () => {
  const takenOver = new ResealError(TAKEN_OVER, 'somebody else drives the run');
  const controller = new AbortController();
  work = (_batch, _output, signal) =>
    new Promise((resolve) => {
      signal.addEventListener('abort', () => resolve());
      setTimeout(() => controller.abort(takenOver), 100);
    });
  const spent = [batchId('run-gap', 1)];
  await expect(stage('run-gap', controller.signal, {}, spent).done).rejects.toThrow();
  let looks = 0;
  intercept = (path) => {
    // One of the looks may be the last of those that followed the batch.
    if (isLook(path) && ++looks <= 3) throw UNAVAILABLE;
  };
  expect(await discard('run-gap')).toEqual({
    cancelled: ['reseal-run-gap--2'],
    said: expect.arrayContaining(['Dataproc is asked again: The service is currently unavailable.']),
  });
});

describe('of two stacks with a run of the same id', () => {
  const theirs = { ...deployment, dataset: 'another_dataset' };
  const ofTheirs = (runId: string, signal?: AbortSignal) => stage(runId, signal, {}, [], theirs);
  /** The state of the batch that comes first; null before there is one. */
  const first = (runId: string) => {
    try {
      return stateOfBatch(runId);
    } catch {
      return null;
    }
  };

  it("neither takes nor cancels the other's batch", async () => {
    const controller = new AbortController();
    work = (batch, output, signal) =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => resolve());
        if (!String(batch.name).endsWith('--2')) return;
        output.write(counts);
        resolve();
      });
    const other = ofTheirs('run-both', controller.signal).done;
    other.catch(() => {});
    await vi.waitFor(() => expect(first('run-both')).toBe('RUNNING'));
    expect(await stage('run-both').done).toMatchObject({ batchId: 'reseal-run-both--2' });
    expect(await discard('run-both')).toMatchObject({ cancelled: [] });
    expect(first('run-both')).toBe('RUNNING');
    controller.abort(new Error('ctrl-C'));
    await expect(other).rejects.toThrow();
    expect(first('run-both')).toBe('CANCELLED');
  });

  it('each makes its own, although both begin at once', async () => {
    work = async (_batch, output) => output.write(counts);
    let other: Promise<unknown> | null = null;
    intercept = async (path, method) => {
      if (other !== null || !isCreation(path, method)) return;
      other = ofTheirs('run-at-once').done;
      await vi.waitFor(() => expect(first('run-at-once')).toBeTruthy());
    };
    expect(await stage('run-at-once').done).toMatchObject({ batchId: 'reseal-run-at-once--2' });
    expect(await other).toMatchObject({ batchId: 'reseal-run-at-once' });
  });
});
