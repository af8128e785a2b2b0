import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { newRunId } from '../../jobs/contract/ids.ts';
import { LEASE_SECONDS } from '../../jobs/contract/lease-terms.ts';
import type { EngineName } from '../../jobs/contract/settings/choices.ts';
import { removeFiles } from '../../jobs/engines/dataproc/temp-files.ts';
import { storageClient } from '../../jobs/google/clients.ts';
import { abandon } from '../../jobs/run/abandonment.ts';
import { newOwner, released } from '../../jobs/run/owner.ts';
import type { Report } from '../../jobs/run/report.ts';
import { resume, run } from '../../jobs/run/run.ts';
import { Application } from '../support/application.ts';
import { beforeStep, silent, type TestSandbox, testSandbox } from '../support/sandbox.ts';

/** One process at a time drives a run, whatever others try. */
const application = new Application('gcm');
const key = application.newKey();
/** A process that runs elsewhere, as far as this one can tell. */
const ELSEWHERE = 'job:another-host:4711:00000000-00000000';

let box: TestSandbox;
let id = 0;
beforeAll(async () => {
  box = await testSandbox({}, 'direct');
});
afterAll(() => box?.close());
afterEach(() => box.faults());

/** A value that waits for a run. */
async function pending(): Promise<void> {
  id += 1;
  await box.load(application, [
    { id: String(id), cipher_text: key.encrypt(`${id}@example.com`), dek: key.dek },
  ]);
}
async function ledger(runId: string) {
  const [row] = await box.sql(`SELECT *, UNIX_MICROS(heartbeat) AS beat FROM runs WHERE run_id = '${runId}'`);
  return row;
}
async function until(runId: string, state: string): Promise<void> {
  while ((await ledger(runId))?.state !== state) await sleep(20);
}
const staged = async (runId: string) =>
  Number((await box.sql(`SELECT COUNT(*) AS n FROM users_temp WHERE run_id = '${runId}'`))[0]?.n);

/** A run that broke off with its rows staged, and the ledger as `change` leaves it. */
async function brokenOff(change = '', engine: EngineName = 'direct'): Promise<string> {
  await pending();
  const runId = newRunId();
  const crash = beforeStep('merge', () => Promise.reject(new Error('power cut')));
  await expect(box.run({ runId, engine }, crash)).rejects.toThrow('power cut');
  if (change !== '') await box.sql(`UPDATE runs SET ${change} WHERE run_id = '${runId}'`);
  return runId;
}

/** A run that KMS keeps in its stage for a while. */
async function slow(latencyMs: number, heartbeatMs: number) {
  await pending();
  await box.faults({ kind: 'latency', service: 'kms', ms: latencyMs });
  const runId = newRunId();
  const context = { ...box.context, heartbeatMs };
  const ended = run(context, { runId, mode: 'pending', limit: null, engine: 'direct' }, silent);
  ended.catch(() => {});
  await until(runId, 'staging');
  return { runId, ended };
}

const takeOver = { rejected: false, takeOver: true };
const values = async () =>
  (await box.sql('SELECT id FROM users WHERE bq_encrypted_email IS NULL')).map((row) => row.id);

describe('a live run', () => {
  it('is not resumed by another, which says who drives it, and goes on undisturbed', async () => {
    await pending();
    const runId = newRunId();
    // It stays where it is until the others have tried.
    let goOn = (): void => {};
    const tried = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const ended = box.run(
      { runId },
      beforeStep('verify', () => tried),
    );
    await until(runId, 'staging');
    await expect(resume(box.context, runId, silent)).rejects.toMatchObject({
      code: 'run-live',
      message: expect.stringMatching(
        new RegExp(`^run ${runId} is driven by process ${process.pid} on .+, heard of \\d+ s ago$`),
      ),
      hint: expect.stringContaining('--take-over'),
    });
    // The same id given anew is the same run.
    await expect(box.run({ runId })).rejects.toMatchObject({ code: 'run-live' });
    await expect(abandon(box.context, runId, false)).rejects.toMatchObject({ code: 'run-live' });
    expect(await ledger(runId)).toMatchObject({ state: 'staging', error: null });
    goOn();
    expect(await ended).toMatchObject({ state: 'succeeded', merged: 1 });
    expect(await ledger(runId)).toMatchObject({ state: 'succeeded', owner: null });
  });

  it('is renewed while it works', async () => {
    const { runId, ended } = await slow(1500, 50);
    const before = await ledger(runId);
    await sleep(300);
    const after = await ledger(runId);
    expect(Number(after?.beat)).toBeGreaterThan(Number(before?.beat));
    expect(after?.owner).toBe(before?.owner);
    await ended;
  });

  it('whose renewal hangs is merged all the same', async () => {
    await pending();
    await box.faults({
      kind: 'job-stuck',
      service: 'bigquery',
      sql: 'SET heartbeat = CURRENT_TIMESTAMP() WHERE',
    });
    const hanging = beforeStep('verify', () => sleep(500));
    const context = { ...box.context, heartbeatMs: 50 };
    const options = { runId: newRunId(), mode: 'pending', limit: null, engine: 'direct' } as const;
    const began = performance.now();
    expect(await run(context, options, hanging)).toMatchObject({ state: 'succeeded' });
    expect(performance.now() - began).toBeLessThan(20_000);
  });

  it('that is taken over leaves its work, and its state, to the new owner', async () => {
    const { runId, ended } = await slow(10_000, 50);
    await box.faults();
    const lost = expect(ended).rejects.toMatchObject({ code: 'run-taken-over' });
    expect(await resume(box.context, runId, silent, takeOver)).toMatchObject({ merged: 1 });
    await lost;
    expect(await ledger(runId)).toMatchObject({ state: 'succeeded', error: null });
  });

  it('that has lost its lease without knowing merges nothing, and writes nothing into the ledger', async () => {
    await pending();
    const runId = newRunId();
    const other = beforeStep('merge', () => Promise.reject(new Error('power cut')));
    const meanwhile = beforeStep('merge', async () => {
      await expect(resume(box.context, runId, other, takeOver)).rejects.toThrow('power cut');
    });
    await expect(box.run({ runId }, meanwhile)).rejects.toMatchObject({ code: 'merge-state' });
    expect(await ledger(runId)).toMatchObject({ state: 'failed', error: 'power cut', owner: null });
    const held = beforeStep('merge', async () => {
      await box.sql(`UPDATE runs SET owner = '${ELSEWHERE}' WHERE run_id = '${runId}'`);
    });
    await expect(resume(box.context, runId, held)).rejects.toMatchObject({
      code: 'run-taken-over',
      message: `run ${runId} is driven by process 4711 on another-host now`,
    });
    expect(await ledger(runId)).toMatchObject({ state: 'verified', owner: ELSEWHERE, error: null });
    expect(await values()).toEqual([String(id)]);
    expect(await resume(box.context, runId, silent, takeOver)).toMatchObject({ merged: 1 });
  });
});

it.each([
  ['is driven by another', () => beforeStep('merge', () => Promise.reject(new Error('power cut')))],
  ['has been merged by another', () => silent],
])('a process whose run %s says so, and not that rows are missing', async (_what, others) => {
  await pending();
  const runId = newRunId();
  const meanwhile = beforeStep('verify', async () => {
    await resume(box.context, runId, others(), takeOver).catch(() => {});
    await box.sql(`UPDATE runs SET owner = '${ELSEWHERE}' WHERE run_id = '${runId}' AND state = 'failed'`);
    await box.sql(`DELETE FROM users_temp WHERE run_id = '${runId}'`);
  });
  await expect(box.run({ runId }, meanwhile)).rejects.toMatchObject({
    code: 'run-taken-over',
    message: expect.stringMatching(/driven by process 4711 on another-host now|has let go of it since/),
  });
  expect(await ledger(runId)).toMatchObject({ state: expect.stringMatching(/failed|succeeded/) });
  await box.sql(`UPDATE runs SET owner = NULL WHERE run_id = '${runId}'`);
  await box.run();
});

describe('a run that nobody drives', () => {
  it('is resumed by one of two at once, and by nobody twice', async () => {
    const runId = await brokenOff();
    const both = await Promise.allSettled([1, 2, 3].map(() => resume(box.context, runId, silent)));
    const reports = both.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const errors = both.flatMap((one) => (one.status === 'rejected' ? [one.reason.code] : []));
    expect(reports.length).toBeGreaterThanOrEqual(1);
    expect(new Set(errors)).toEqual(new Set(errors.length === 0 ? [] : ['run-live']));
    expect(await ledger(runId)).toMatchObject({ state: 'succeeded', merged: '1', error: null });
    expect(await values()).toEqual([]);
  });

  it('is begun by one of two that come with the same new id', async () => {
    await pending();
    const runId = newRunId();
    await box.kmsCalls();
    const both = await Promise.allSettled([1, 2].map(() => box.run({ runId })));
    const codes = both.map((one) =>
      one.status === 'fulfilled' ? (one.value as Report).state : one.reason.code,
    );
    expect(codes).toContain('succeeded');
    expect(codes.filter((code) => !['succeeded', 'run-live'].includes(code))).toEqual([]);
    expect(await box.sql(`SELECT state, merged FROM runs WHERE run_id = '${runId}'`)).toEqual([
      { state: 'succeeded', merged: '1' },
    ]);
    expect(await box.kmsCalls()).toBe(1);
  });

  it.each([
    ['has been silent for too long', LEASE_SECONDS + 1, true],
    ['has been heard of just now', LEASE_SECONDS - 30, false],
  ])('whose owner elsewhere %s', async (_how, seconds, resumed) => {
    const runId = await brokenOff(
      `owner = '${ELSEWHERE}', heartbeat = TIMESTAMP_MILLIS(UNIX_MILLIS(CURRENT_TIMESTAMP()) - ${seconds * 1000})`,
    );
    const outcome = resume(box.context, runId, silent);
    if (resumed) expect(await outcome).toMatchObject({ state: 'succeeded' });
    else
      await expect(outcome).rejects.toMatchObject({
        code: 'run-live',
        message: expect.stringMatching('15\\d s ago'),
      });
  });

  it('is not one that was heard of while it was to be taken over, as one is that merges for long', async () => {
    const silentFor = (seconds: number) => `heartbeat = TIMESTAMP_MILLIS(${Date.now() - seconds * 1000})`;
    const runId = await brokenOff(`owner = '${ELSEWHERE}', ${silentFor(LEASE_SECONDS + 60)}`);
    const { bigquery, sql } = box.context;
    const query: typeof bigquery.query = async (statement, ...rest) => {
      // The statement waits for the end of the merge, which noted its own beginning.
      if (statement.name === sql.takeLease.name)
        await box.sql(`UPDATE runs SET ${silentFor(LEASE_SECONDS + 30)} WHERE run_id = '${runId}'`);
      return bigquery.query(statement, ...rest);
    };
    const context = { ...box.context, bigquery: { ...bigquery, query } };
    await expect(resume(context, runId, silent)).rejects.toMatchObject({ code: 'run-live' });
    expect(await resume(box.context, runId, silent)).toMatchObject({ state: 'succeeded' });
  });

  it('whose owner was a process of this machine that is gone needs no waiting', async () => {
    const owner = newOwner();
    const runId = await brokenOff(`owner = '${owner}', heartbeat = CURRENT_TIMESTAMP()`);
    await expect(resume(box.context, runId, silent)).rejects.toMatchObject({ code: 'run-live' });
    released(owner);
    expect(await resume(box.context, runId, silent)).toMatchObject({ state: 'succeeded' });
    // No process has this number: it is beyond what Linux gives.
    const gone = newOwner().replace(/:\d+:/, ':4194305:');
    const other = await brokenOff(`owner = '${gone}', heartbeat = CURRENT_TIMESTAMP()`);
    expect(await resume(box.context, other, silent)).toMatchObject({ state: 'succeeded' });
  });
});

describe('abandoning', () => {
  it('ends a run that broke off: nothing is left of it, and its values are taken by the next', async () => {
    const runId = await brokenOff();
    expect(await staged(runId)).toBe(1);
    const { run: row, discarded } = await abandon(box.context, runId, false);
    expect([row.state, discarded]).toEqual(['abandoned', { cancelled: [], files: 0 }]);
    expect(await staged(runId)).toBe(0);
    expect(await ledger(runId)).toMatchObject({ state: 'abandoned', owner: null, error: 'power cut' });
    await expect(resume(box.context, runId, silent)).rejects.toMatchObject({ code: 'run-abandoned' });
    await expect(box.run({ runId })).rejects.toMatchObject({ code: 'run-abandoned' });
    const before = await ledger(runId);
    expect(await abandon(box.context, runId, false)).toMatchObject({ discarded: null });
    expect(await ledger(runId)).toEqual(before);
    const { run_id: next } = await box.run();
    expect(await abandon(box.context, next, false)).toMatchObject({
      run: { state: 'succeeded' },
      discarded: null,
    });
    expect(await values()).toEqual([]);
  });

  it.each(['dataproc', 'bigquery'] as const)('has Node warn of nothing, by the %s engine', async (engine) => {
    const runId = await brokenOff('', engine);
    const warnings: string[] = [];
    const heard = (warning: Error): void => void warnings.push(warning.message);
    process.on('warning', heard);
    expect(await abandon(box.context, runId, false)).toMatchObject({ run: { state: 'abandoned' } });
    await sleep(10);
    process.off('warning', heard);
    expect(warnings).toEqual([]);
  });

  it('that breaks off, and a resumed run whose ledger cannot be read, leave no owner', async () => {
    const runId = await brokenOff();
    const { direct } = box.context.engines;
    const discard = () => Promise.reject(new Error('no network'));
    const engines = { ...box.context.engines, direct: { ...direct, discard } };
    await expect(abandon({ ...box.context, engines }, runId, false)).rejects.toThrow('no network');
    expect(await ledger(runId)).toMatchObject({ state: 'failed', owner: null });
    let taken = false;
    const { query } = box.context.bigquery;
    const unread: typeof query = async (statement, given, ...more) => {
      if (taken && statement.name === 'ledger') throw new Error('no network');
      taken ||= statement.name === 'take_lease';
      return query(statement, given, ...more);
    };
    const bigquery = { ...box.context.bigquery, query: unread };
    await expect(resume({ ...box.context, bigquery }, runId, silent)).rejects.toThrow('no network');
    expect(await ledger(runId)).toMatchObject({ state: 'failed', owner: null });
    expect(await abandon(box.context, runId, false)).toMatchObject({ run: { state: 'abandoned' } });
  });

  it('that has lost the run leaves it as it is', async () => {
    const runId = await brokenOff();
    const before = await staged(runId);
    const { direct } = box.context.engines;
    const engines = {
      ...box.context.engines,
      direct: {
        ...direct,
        async discard() {
          await box.sql(
            `UPDATE runs SET owner = '${ELSEWHERE}', state = 'verified' WHERE run_id = '${runId}'`,
          );
          return { cancelled: [], files: 0 };
        },
      },
    };
    await expect(abandon({ ...box.context, engines }, runId, false)).rejects.toMatchObject({
      code: 'run-taken-over',
    });
    expect(await staged(runId)).toBe(before);
    expect(await ledger(runId)).toMatchObject({ state: 'verified', owner: ELSEWHERE });
    expect(await abandon(box.context, runId, true)).toMatchObject({ run: { state: 'abandoned' } });
  });

  it('knows no other runs', async () => {
    await expect(abandon(box.context, 'nobody-knows-me', true)).rejects.toMatchObject({
      code: 'run-unknown',
    });
  });

  it('ends a batch that an execution of the workflow has begun for the run of another engine', async () => {
    await pending();
    const runId = newRunId();
    const crash = beforeStep('stage', () => Promise.reject(new Error('power cut')));
    await expect(box.run({ runId }, crash)).rejects.toThrow('power cut');
    await box.sql(`UPDATE runs SET batch_id = 'reseal-${runId}' WHERE run_id = '${runId}'`);
    const { engines } = box.context;
    const dataproc = {
      ...engines.dataproc,
      discard: async (id: string) => ({ cancelled: [`reseal-${id}`], files: 2 }),
    };
    const { discarded } = await abandon({ ...box.context, engines: { ...engines, dataproc } }, runId, false);
    expect(discarded).toEqual({ cancelled: [`reseal-${runId}`], files: 2 });
  });

  it('cancels the batch of a live run, if told to, and whoever drove it leaves the ledger alone', async () => {
    await pending();
    await box.faults({ kind: 'latency', service: 'kms', ms: 10_000 });
    const runId = newRunId();
    const ended = box.run({ runId, engine: 'dataproc' });
    ended.catch(() => {});
    const { project, location, bucket, tempFolder } = box.deployment;
    const headers = { authorization: `Bearer ${box.sandbox.owner.accessToken}` };
    const batch = async () => {
      const name = `projects/${project}/locations/${location}/batches/reseal-${runId}`;
      const answer = await fetch(`${box.sandbox.owner.dataproc}/v1/${name}`, { headers });
      return ((await answer.json()) as { state?: string }).state;
    };
    while ((await batch()) !== 'RUNNING') await sleep(20);
    await expect(abandon(box.context, runId, false)).rejects.toMatchObject({ code: 'run-live' });
    expect(await batch()).toBe('RUNNING');
    const left = `${tempFolder}/reseal-${runId}/part-0`;
    const upload = `${box.sandbox.owner.storage}/upload/storage/v1/b/${bucket}/o?uploadType=media&name=${encodeURIComponent(left)}`;
    expect((await fetch(upload, { method: 'POST', headers, body: 'x' })).ok).toBe(true);
    // The job's user may not remove the batch's files; the owner of the project may.
    const { discarded } = await abandon(box.context, runId, true);
    expect(discarded).toEqual({ cancelled: [`reseal-${runId}`], files: null });
    const storage = await storageClient(box.deployment, box.sandbox.owner);
    expect(await removeFiles(storage, box.deployment, runId)).toBe(1);
    expect(await removeFiles(storage, box.deployment, runId)).toBe(0);
    expect(await batch()).toBe('CANCELLED');
    await expect(ended).rejects.toMatchObject({
      code: expect.stringMatching(/batch-cancelled|run-taken-over/),
    });
    expect(await ledger(runId)).toMatchObject({ state: 'abandoned', owner: null });
  });
});
