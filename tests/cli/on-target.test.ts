import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { Application, usersUnder } from '../support/application.ts';
import { startCli } from '../support/cli.ts';
import { type StuckJob, stuckJob } from '../support/interrupted.ts';
import { type TestSandbox, testSandbox } from '../support/sandbox.ts';

describe('a command that is interrupted while BigQuery is at work', () => {
  let box: TestSandbox;
  const application = new Application();

  beforeAll(async () => {
    box = await testSandbox();
    await box.load(application, usersUnder(application.newKey())(1, 3));
    await box.run();
  });
  afterAll(() => box.close());
  afterEach(() => box.faults());

  const started = async (args: readonly string[], job: StuckJob) => {
    const isStuck = await stuckJob(box, job);
    const running = startCli('reseal', [...args, '--state', box.state]);
    const early = running.ended.then(({ code, stderr }) => Promise.reject(new Error(`${code}: ${stderr}`)));
    await Promise.race([isStuck(), early]);
    early.catch(() => {});
    return running;
  };

  it.each([
    {
      args: ['shred', '1', '--yes'],
      job: { sql: 'BEGIN TRANSACTION' },
      signal: 'SIGINT',
      exit: 130,
      says: 'cancelled; 1 of 1 rows may be shredded',
      hint: 'encryption_poc.users_shredded has an entry for each value that is shredded; the same command again',
    },
    {
      args: ['keys', 'rotate'],
      job: { sql: 'ROTATE_WRAPPED_KEYSET' },
      signal: 'SIGHUP',
      exit: 129,
      says: 'cancelled; version 2 of the keyset may be added',
      hint: '`npm run reseal -- keys --state ',
    },
    {
      args: ['sample', '--append', '--rows', '5'],
      job: { of: 'load' },
      signal: 'SIGTERM',
      exit: 130,
      says: 'cancelled; 5 made-up users may be in users',
      hint: '`bq show -j example-data-dev:us-central1.reseal_sample_',
    },
    {
      args: ['shred', '1', '--yes'],
      job: { sql: 'ORDER BY version' },
      signal: 'SIGINT',
      exit: 130,
      says: 'cancelled; nothing was shredded',
      hint: undefined,
    },
  ] as const)('$args.0 by $signal: $says', async ({ args, job, signal, exit, says, hint }) => {
    const { kill, ended } = await started(args, job);
    kill(signal);
    const { code, stdout, stderr } = await ended;
    expect([code, stdout]).toEqual([exit, '']);
    expect(stderr).toContain(`error (cancelled): ${says}\n`);
    if (hint !== undefined) expect(stderr).toContain(`hint: ${hint}`);
    const left = `SELECT COUNT(*) AS n, COUNTIF(bq_encrypted_email = b'') AS tombstones,
      (SELECT COUNT(*) FROM keysets) AS versions FROM users`;
    expect(await box.sql(left)).toEqual([{ n: '3', tombstones: '0', versions: '1' }]);
  });

  it('says what may be the case when its end is not waited for', async () => {
    const { says, kill, ended } = await started(['shred', '1', '--yes', '--json'], {
      sql: 'BEGIN TRANSACTION',
    });
    await box.faults({ kind: 'latency', service: 'bigquery', ms: 10_000 });
    kill('SIGINT');
    await says(/cancelling/);
    kill('SIGINT');
    const { code, stdout } = await ended;
    expect(code).toBe(130);
    expect(JSON.parse(stdout)).toEqual({
      error: {
        code: 'cancelled',
        message: 'the shredding of 1 rows was left as it stands; its end was not waited for',
        hint: expect.stringMatching(
          /^any of them may be shredded by now; encryption_poc\.users_shredded has/,
        ),
      },
    });
  });
});

describe('a command that is interrupted while it reads the outputs of a stack', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pulumi-'));
  afterAll(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  });

  it.each([
    ['abandon', 'some-run'],
    ['shred', '1', '--yes'],
  ])('%s was cancelled, whatever Pulumi says', async (...args) => {
    vi.stubEnv('FAKE_PULUMI', folder);
    vi.stubEnv('FAKE_PULUMI_WAITS', 'stack output');
    vi.stubEnv('PATH', [resolve('tests/support/pulumi/cli'), process.env.PATH].join(delimiter));
    const log = join(folder, 'commands.log');
    rmSync(log, { force: true });
    const { kill, ended } = startCli('reseal', [...args, '--stack', 'dev'], { asGroup: true });
    while (!existsSync(log) || !readFileSync(log, 'utf8').includes('stack output'))
      await new Promise((resolve) => setTimeout(resolve, 20));
    kill('SIGINT');
    const { code, stderr } = await ended;
    expect([code, stderr]).toEqual([
      130,
      expect.stringContaining('error (cancelled): cancelled; nothing was begun\n'),
    ]);
    expect(stderr).not.toContain('cause');
  });
});
