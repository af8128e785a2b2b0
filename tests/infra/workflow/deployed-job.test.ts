import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { bundleJob } from '../../../tools/bundle-job.ts';
import { Application, type UserRow } from '../../support/application.ts';
import { type TestSandbox, testSandbox } from '../../support/sandbox.ts';
import { type Emulator, emulator } from '../../support/workflow/emulator.ts';

/** The deployed definition in the emulator, which hands runs to the job that the bundle has, on the sandbox's Cloud Run. */
const application = new Application('gcm');
const key = application.newKey();
const user = (id: string): UserRow => ({ id, cipher_text: key.encrypt(`${id}@example.com`), dek: key.dek });

const bundle = mkdtempSync(join(tmpdir(), 'reseal-bundle-'));
let box: TestSandbox;
let workflow: Emulator;
beforeAll(async () => {
  await bundleJob(bundle);
  box = await testSandbox({ storePlaintext: 'true', engines: '["bigquery"]', bundle }, 'direct');
  workflow = await emulator(box);
}, 600_000);
afterAll(async () => {
  await workflow?.close();
  await box?.close();
  rmSync(bundle, { recursive: true, force: true });
});
afterEach(async () => {
  await box.faults();
});

const load = (...ids: string[]) =>
  box.load(
    application,
    ids.map((id) => user(id)),
  );
const users = () => box.sql('SELECT id, decrypted_email AS email FROM users ORDER BY id');
const merged = (...ids: string[]) => ids.map((id) => ({ id, email: `${id}@example.com` }));
const ledger = async (runId: string) => (await box.sql(`SELECT * FROM runs WHERE run_id = '${runId}'`))[0];

async function executions(): Promise<readonly { name: string }[]> {
  const answer = await fetch(`${box.sandbox.owner.run}/v2/${box.deployment.cloudRunJob}/executions`, {
    headers: { authorization: `Bearer ${box.sandbox.owner.accessToken}` },
  });
  return ((await answer.json()) as { executions?: { name: string }[] }).executions ?? [];
}

describe('an execution of a stack without batches', () => {
  it('has the job of Cloud Run do the run inside BigQuery', async () => {
    await load('1', '2', '3');
    await box.sql(`INSERT INTO users (id, cipher_text, dek) VALUES (4, 'no base64', '${key.dek}')`);
    const runId = randomUUID();
    const { result, error, entries } = await workflow.execute(null, runId);
    expect(error).toBeUndefined();
    expect(result).toMatchObject({ run_id: runId, state: 'succeeded', selected: '4', merged: '3' });
    const counts = { selected: 4, merged: 3, rejected: 1, kms_calls: 1 };
    expect(entries).toEqual([
      { severity: 'INFO', json: { reseal: { event: 'run.succeeded', run_id: runId, ...counts } } },
    ]);
    expect(await users()).toEqual([...merged('1', '2', '3'), { id: '4', email: null }]);
    expect(await ledger(runId)).toMatchObject({
      via: 'workflow',
      engine: 'bigquery',
      batch_id: null,
      milli_dcu_seconds: null,
      owner: null,
      error: null,
    });
    expect(await executions()).toHaveLength(1);
    expect(await box.sql('SELECT COUNT(*) AS n FROM data_keys')).toEqual([{ n: '0' }]);
  });

  it('starts none for a run without a value', async () => {
    const before = (await executions()).length;
    const { result } = await workflow.execute({ run_id: 'nothing-to-do' });
    expect(result).toMatchObject({ state: 'succeeded', selected: '0', kms_calls: '0' });
    expect(await ledger('nothing-to-do')).toMatchObject({ engine: 'bigquery', milli_dcu_seconds: null });
    expect((await executions()).length).toBe(before);
  });

  it('goes through all waves', async () => {
    const keys = Array.from({ length: 6 }, () => application.newKey());
    await box.load(
      application,
      keys.map((one, at) => ({
        id: String(20 + at),
        cipher_text: one.encrypt(`${20 + at}@example.com`),
        dek: one.dek,
      })),
    );
    const { result } = await workflow.execute({ run_id: 'in-waves', wave_deks: 2 });
    expect(result).toMatchObject({
      state: 'succeeded',
      waves: '3',
      waves_merged: '3',
      merged: '6',
      kms_calls: '6',
    });
  });

  it('raises what the job says, and tries again only what may pass', async () => {
    await load('30');
    await box.faults({ kind: 'denied', service: 'kms', method: 'cryptoKeys.decrypt' });
    const before = (await executions()).length;
    const { error, entries } = await workflow.execute({ run_id: 'refused-by-kms' });
    expect(error).toMatchObject({ error_code: 'kms-denied' });
    expect(entries.map(({ json }) => json.reseal)).toMatchObject([
      { event: 'run.failed', code: 'kms-denied' },
    ]);
    expect((await executions()).length).toBe(before + 1);
    expect(await ledger('refused-by-kms')).toMatchObject({
      state: 'failed',
      error_code: 'kms-denied',
      owner: null,
    });
    await box.faults();
    expect(await workflow.execute({ run_id: 'refused-by-kms' })).toMatchObject({
      result: { state: 'succeeded', merged: '1' },
    });
  });

  it('hands on that any number of values may be rejected', async () => {
    const rows = Array.from({ length: 11 }, (_, at) => `(${40 + at}, 'no base64', '${key.dek}')`);
    await box.sql(`INSERT INTO users (id, cipher_text, dek) VALUES ${rows.join(', ')}`);
    expect((await workflow.execute({ run_id: 'many-rejected' })).error).toMatchObject({
      error_code: 'rejected-share',
    });
    expect(await workflow.execute({ run_id: 'many-rejected', accept_rejected: true })).toMatchObject({
      result: { state: 'succeeded', rejected: '11' },
    });
  });

  it('is refused an engine that the stack has nothing for', async () => {
    expect((await workflow.execute({ engine: 'dataproc' })).error).toMatchObject({
      error_code: 'argument-engine',
      message: 'engine must be auto, bigquery, not dataproc',
    });
  });

  it('leaves alone a run whose job has lost it to somebody else', async () => {
    await load('60');
    await box.faults({ kind: 'latency', service: 'kms', method: 'cryptoKeys.decrypt', ms: 3_000 });
    const running = workflow.execute({ run_id: 'taken-from-it' });
    for (;;) {
      const row = await ledger('taken-from-it');
      if (row?.owner?.startsWith('cloud-run:')) break;
      await sleep(50);
    }
    await box.sql(
      "UPDATE runs SET owner = 'job:somebody', heartbeat = CURRENT_TIMESTAMP() WHERE run_id = 'taken-from-it'",
    );
    expect((await running).error).toMatchObject({ error_code: 'run-taken-over' });
    expect(await ledger('taken-from-it')).toMatchObject({ owner: 'job:somebody', error_code: null });
  });
});
