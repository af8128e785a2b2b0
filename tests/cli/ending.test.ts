import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newRunId } from '../../jobs/contract/ids.ts';
import { Application } from '../support/application.ts';
import { startCli } from '../support/cli.ts';
import { onTerminal } from '../support/on-terminal.ts';
import { type TestSandbox, testSandbox } from '../support/sandbox.ts';

/** How a direct run ends when it fails or is cancelled: soon, with its code, and with a word on how to go on. */
const application = new Application('gcm');
const ROWS = 300;
/** From the cause of the end to the end of the process. */
const SOON_MS = 5_000;

let box: TestSandbox;
beforeAll(async () => {
  box = await testSandbox({ kmsCallsPerSecond: '400' });
  // Every row has a data key of its own, so that many KMS calls wait while the first are under way.
  const rows = Array.from({ length: ROWS }, (_, n) => {
    const key = application.newKey();
    return { id: String(n + 1), cipher_text: key.encrypt(`user${n}@example.com`), dek: key.dek };
  });
  await box.load(application, rows);
  // The command line joins the sandbox that serves the folder.
  writeFileSync(join(box.state, 'settings.json'), JSON.stringify({ kmsCallsPerSecond: '400' }));
});
afterAll(() => box?.close());
beforeEach(() => box.faults());

const run = (...args: string[]) => {
  const runId = newRunId();
  return { runId, ...startCli('trigger', ['--state', box.state, '--run-id', runId, ...args]) };
};
const ledger = (runId: string) => box.sql(`SELECT state, error_code FROM runs WHERE run_id = '${runId}'`);
const merged = async () =>
  Number((await box.sql('SELECT COUNT(*) AS n FROM users WHERE bq_encrypted_email IS NOT NULL'))[0]?.n);

describe('a run that fails', () => {
  it('ends at once with its code, however many KMS calls were waiting', async () => {
    await box.faults(
      { kind: 'latency', service: 'kms', ms: 50 },
      { kind: 'denied', service: 'kms', from: 40 },
    );
    const { runId, says, ended } = run();
    await says(/error \(kms-denied\)|stage .*failed/i).catch(() => {});
    const failedAt = performance.now();
    const { code, stderr, endedAt } = await ended;
    expect(stderr).toContain(`error (kms-denied): run ${runId}: `);
    expect(stderr).toContain(`; \`npm run trigger -- --resume ${runId} --state ${box.state}\` goes on\n`);
    expect(code).toBe(1);
    expect(endedAt - failedAt).toBeLessThan(SOON_MS);
    expect(await ledger(runId)).toEqual([{ state: 'failed', error_code: 'kms-denied' }]);
    const { keys } = (await box.control('kms:calls')) as { keys: Record<string, { decrypt: number }> };
    expect(keys[box.deployment.sourceKek]?.decrypt).toBeLessThan(ROWS / 2);
  });

  it('names its run to scripts, which can go on with it', async () => {
    await box.faults({ kind: 'denied', service: 'kms', from: 2 });
    const { runId, ended } = run('--json');
    expect(JSON.parse((await ended).stdout)).toMatchObject({
      error: { code: 'kms-denied', run_id: runId, hint: expect.stringContaining(`--resume ${runId}`) },
    });
  });

  it('names none before the ledger has it', async () => {
    const rule = { kind: 'job-error', service: 'bigquery', reason: 'quotaExceeded', count: null };
    await box.faults({ ...rule, sql: 'AS distinct_deks' });
    const { runId, ended } = run('--json');
    const { error } = JSON.parse((await ended).stdout) as { error: Record<string, string> };
    expect(error).toMatchObject({
      code: 'bigquery',
      hint: 'the message names the quota: run it again once there is some left; nothing was begun',
    });
    expect(JSON.stringify(error)).not.toMatch(`${runId}|--resume`);
    expect(await ledger(runId)).toEqual([]);
  });
});

describe('an interrupted run', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 130],
    ['SIGHUP', 129],
  ] as const)('ends within seconds of %s and says how to go on', async (signal, exit) => {
    await box.faults({ kind: 'latency', service: 'kms', ms: 2_000 });
    const { runId, says, kill, ended } = run();
    await says(/plan /);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const pressedAt = performance.now();
    kill(signal);
    const { code, stderr, endedAt } = await ended;
    expect(endedAt - pressedAt).toBeLessThan(SOON_MS);
    expect(code).toBe(exit);
    expect(stderr).toContain(`--resume ${runId}`);
    expect(await ledger(runId)).toEqual([{ state: 'cancelled', error_code: 'cancelled' }]);
  });

  it('is left alone by another process before that', async () => {
    await box.faults({ kind: 'latency', service: 'kms', ms: 20_000 });
    const { runId, kill, ended } = run();
    while ((await ledger(runId))[0]?.state !== 'staging')
      await new Promise((resolve) => setTimeout(resolve, 50));
    const resumed = await startCli('trigger', ['--state', box.state, '--resume', runId]).ended;
    expect([resumed.code, resumed.stderr]).toEqual([
      2,
      expect.stringMatching(/error \(run-live\): run \S+ is driven by process \d+ on .*heard of \d+ s ago/),
    ]);
    const given = await startCli('reseal', ['abandon', runId, '--state', box.state]).ended;
    expect([given.code, given.stderr]).toEqual([2, expect.stringContaining('error (run-live)')]);
    expect(await ledger(runId)).toEqual([{ state: 'staging', error_code: null }]);
    kill('SIGTERM');
    await ended;
    expect(await ledger(runId)).toEqual([{ state: 'cancelled', error_code: 'cancelled' }]);
    const abandoned = await startCli('reseal', ['abandon', runId, '--state', box.state]).ended;
    expect([abandoned.code, abandoned.stdout]).toEqual([
      0,
      `run ${runId} is abandoned; its staged rows are removed\n`,
    ]);
    const again = await startCli('reseal', ['abandon', runId, '--state', box.state]).ended;
    expect([again.code, again.stdout]).toEqual([0, `run ${runId} was abandoned before: nothing to do\n`]);
  });

  it('ends at once when asked twice', async () => {
    await box.faults({ kind: 'latency', service: 'kms', ms: 20_000 });
    const { says, kill, ended } = run();
    await says(/plan /);
    kill('SIGINT');
    await says(/cancelling/);
    const pressedAt = performance.now();
    kill('SIGINT');
    const { code, endedAt } = await ended;
    expect(endedAt - pressedAt).toBeLessThan(1_000);
    expect(code).toBe(130);
  });

  it('is put in order when its terminal is closed, which sends more than one signal, also to the sandbox', async () => {
    const state = join(box.folder, 'closed');
    const exit = join(box.folder, 'exit');
    // Slow enough to be caught in the middle: some 200 data keys at 50 a second.
    const command = `node bin/reseal.js trigger --state ${state} --setting kmsCallsPerSecond=50`;
    // The shell in front goes with the terminal, and the one that keeps the exit code does not.
    const shell = ['bash', '-c', `(trap '' HUP; ${command}; echo $? > ${exit}) & wait`];
    await onTerminal(shell, 'stage ', 'hangup');
    while (!existsSync(exit)) await new Promise((resolve) => setTimeout(resolve, 50));
    expect(readFileSync(exit, 'utf8')).toBe('129\n');
    const { stdout } = await startCli('reseal', ['history', '--state', state, '--json']).ended;
    expect(JSON.parse(stdout)).toMatchObject([{ state: 'cancelled', error_code: 'cancelled' }]);
  });

  it('is as easily resumed, and unwraps only what it still needs', async () => {
    const { runId, says, kill, ended } = run();
    await says(/stage +staged/);
    kill('SIGKILL');
    await ended;
    await box.kmsCalls();
    const resumed = await startCli('trigger', ['--state', box.state, '--resume', runId, '--json']).ended;
    expect(resumed, resumed.stderr).toMatchObject({ code: 0 });
    expect(JSON.parse(resumed.stdout)).toMatchObject({ run_id: runId, state: 'succeeded' });
    expect(await box.kmsCalls()).toBe(0);
    expect(await merged()).toBe(ROWS);
    expect(existsSync(box.state)).toBe(true);
  });
});
