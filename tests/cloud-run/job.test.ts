import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { cloudRunOwner, handOverArguments } from '../../jobs/contract/cloud-run.ts';
import { newRunId } from '../../jobs/contract/ids.ts';
import type { Watcher } from '../../jobs/run/context.ts';
import { handedOver } from '../../jobs/run/handed-over.ts';
import { plan } from '../../jobs/run/plan.ts';
import { openRun } from '../../jobs/run/recorded-run.ts';
import { bundleJob } from '../../tools/bundle-job.ts';
import { Application, type UserRow } from '../support/application.ts';
import { type TestSandbox, testSandbox } from '../support/sandbox.ts';

/** The file that `npm run bundle` makes, as Cloud Run runs it: alone in a folder, with the environment that it is given. */
const application = new Application('gcm');
const key = application.newKey();
const user = (id: string): UserRow => ({ id, cipher_text: key.encrypt(`${id}@example.com`), dek: key.dek });

const OWNER = 'workflow:an-execution';
const folder = mkdtempSync(join(tmpdir(), 'reseal-job-'));
let file: string;
let box: TestSandbox;
beforeAll(async () => {
  [file, box] = await Promise.all([bundleJob(folder), testSandbox({ storePlaintext: 'true' }, 'direct')]);
}, 600_000);
afterAll(async () => {
  await box?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Enters a run into the ledger as the workflow does. */
async function entered(...rows: UserRow[]): Promise<string> {
  await box.load(application, rows);
  const runId = newRunId();
  const options = { runId, engine: 'bigquery', mode: 'pending', limit: null } as const;
  const held = { ...box.context, owner: OWNER };
  await openRun(held, await plan(held, options), 'workflow');
  return runId;
}

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** An execution of the job from its start to its end; `acting` may do something to its process meanwhile. */
async function execution(
  args: readonly string[],
  given: NodeJS.ProcessEnv = {},
  acting: (process: ReturnType<typeof spawn>) => void = () => {},
): Promise<Ended> {
  const env = {
    PATH: process.env.PATH,
    RESEAL_DEPLOYMENT: JSON.stringify({ ...box.deployment, workflow: null, cloudRunJob: null }),
    RESEAL_ENDPOINTS: JSON.stringify(box.sandbox.endpoints),
    CLOUD_RUN_EXECUTION: 'reseal-dev-x7k2p',
    ...given,
  };
  const child = spawn(process.execPath, [file, ...args], { env, cwd: folder });
  acting(child);
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: await ended, out, err };
}

const givenTo = (run: string, from = OWNER, acceptRejected = 'no'): string[] =>
  handOverArguments({ run, from, acceptRejected });
const ledger = async (runId: string) => (await box.sql(`SELECT * FROM runs WHERE run_id = '${runId}'`))[0];
const merged = () =>
  box.sql('SELECT id, decrypted_email AS email FROM users WHERE resealed_at IS NOT NULL ORDER BY id');

it('takes the run over, seals its values inside BigQuery and merges them', async () => {
  const runId = await entered(user('1'), user('2'));
  const { code, out, err } = await execution(givenTo(runId));
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(out).toContain('merge');
  expect(await ledger(runId)).toMatchObject({
    state: 'succeeded',
    via: 'workflow',
    engine: 'bigquery',
    owner: null,
    merged: '2',
    kms_calls: '1',
  });
  expect(await merged()).toEqual([
    { id: '1', email: '1@example.com' },
    { id: '2', email: '2@example.com' },
  ]);
  expect(await box.sql('SELECT COUNT(*) AS n FROM data_keys')).toEqual([{ n: '0' }]);
});

it('leaves a run alone that has another owner than hands it over, or none', async () => {
  const runId = await entered(user('3'));
  const before = await ledger(runId);
  const { code, err } = await execution(givenTo(runId, 'workflow:another'));
  expect(code).toBe(1);
  expect(err).toContain('error (run-taken-over)');
  expect(await ledger(runId)).toEqual(before);
  // The workflow was cancelled before the job had begun.
  await box.sql(`UPDATE runs SET owner = NULL, state = 'cancelled' WHERE run_id = '${runId}'`);
  expect((await execution(givenTo(runId))).code).toBe(1);
  expect(await ledger(runId)).toMatchObject({ state: 'cancelled', owner: null });
});

it('takes no run over that is ended while it looks', async () => {
  const runId = await entered(user('7'));
  const cancellation = {
    run_id: runId,
    owner: OWNER,
    state: 'cancelled',
    error_code: 'cancelled',
    error: 'ctrl-C',
  };
  const { bigquery, sql } = box.context;
  const ending: Watcher = {
    async step(name, work) {
      const result = await work(() => {});
      if (name === 'plan') await bigquery.query(sql.endRun, cancellation);
      return result;
    },
  };
  const context = { ...box.context, owner: cloudRunOwner({ execution: 'e', process: '0', from: OWNER }) };
  await expect(handedOver(context, runId, OWNER, ending, { rejected: false })).rejects.toMatchObject({
    code: 'run-taken-over',
  });
  expect(await ledger(runId)).toMatchObject({ state: 'cancelled', owner: null, merged: null });
});

it('records why a run broke off, for the workflow to read', async () => {
  const runId = await entered(user('4'));
  await box.faults({ kind: 'denied', service: 'kms', method: 'cryptoKeys.decrypt' });
  const { code, err } = await execution(givenTo(runId));
  await box.faults();
  expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining('error (kms-denied)') });
  expect(await ledger(runId)).toMatchObject({ state: 'failed', owner: null, error_code: 'kms-denied' });
});

it('records what keeps it from taking the run over', async () => {
  const runId = await entered(user('6'));
  await box.sql('UPDATE keysets SET version = version + 1 WHERE TRUE');
  const { code } = await execution(givenTo(runId));
  await box.sql('UPDATE keysets SET version = version - 1 WHERE TRUE');
  expect(code).toBe(1);
  expect(await ledger(runId)).toMatchObject({ state: 'failed', owner: null, error_code: 'keyset-missing' });
});

it('ends in good order when Cloud Run cancels its execution', async () => {
  const runId = await entered(user('5'));
  await box.faults({ kind: 'latency', service: 'kms', method: 'cryptoKeys.decrypt', ms: 20_000 });
  const { code, err } = await execution(givenTo(runId), {}, (child) => {
    child.stdout?.once('data', () => setTimeout(() => child.kill('SIGTERM'), 1_500));
  });
  await box.faults();
  expect({ code, err }).toEqual({ code: 130, err: expect.stringContaining(`run ${runId} was cancelled`) });
  expect(await ledger(runId)).toMatchObject({ state: 'cancelled', owner: null });
});

it('says what it lacks where somebody starts it by hand', async () => {
  expect(await execution([])).toMatchObject({ code: 2, err: expect.stringContaining('error (run-id)') });
  expect(await execution(['--stack', 'dev'])).toMatchObject({ code: 2 });
  const { code, err } = await execution(givenTo('a-run'), { RESEAL_DEPLOYMENT: '' });
  expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining('error (job-environment)') });
});
