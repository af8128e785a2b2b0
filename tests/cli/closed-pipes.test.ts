import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newRunId } from '../../jobs/contract/ids.ts';
import { Application } from '../support/application.ts';
import { type TestSandbox, testSandbox } from '../support/sandbox.ts';

/** What becomes of a command when whoever read its output has gone: `| head -1`, and pagers that are left. */
const application = new Application('gcm');
const key = application.newKey();
/** More than a pipe holds, so that a list is still being written when its reader goes. */
const MANY = "SELECT n, REPEAT('x', 100) AS text FROM UNNEST(GENERATE_ARRAY(1, 20000)) AS n";

let box: TestSandbox;
beforeAll(async () => {
  box = await testSandbox();
  const rows = Array.from({ length: 30 }, (_, at) => ({
    id: String(at + 1),
    cipher_text: key.encrypt(`user${at}@example.com`),
    dek: key.dek,
  }));
  await box.load(application, rows);
  // The command line joins the sandbox that serves the folder.
  writeFileSync(join(box.state, 'settings.json'), '{}');
});
afterAll(() => box?.close());

interface Piped {
  /** Of the command, not of what reads it. */
  readonly code: number;
  readonly stderr: string;
}

/** A command in a shell's pipe: `2>&1` before the bar closes both of its outputs. */
async function piped(command: string, reader: string, start = 'node bin/reseal.js'): Promise<Piped> {
  const line = `${start} ${command} | ${reader}; exit "\${PIPESTATUS[0]}"`;
  const env = { ...process.env, STATE: box.state, MANY };
  const shell = spawn('bash', ['-c', line], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = new Promise<number>((done) => shell.once('exit', (code) => done(code ?? -1)));
  const [code, stderr] = await Promise.all([ended, text(shell.stderr)]);
  return { code, stderr };
}

const ledger = (runId: string) => box.sql(`SELECT state, error_code FROM runs WHERE run_id = '${runId}'`);
const SUCCEEDED = [{ state: 'succeeded', error_code: null }];

describe('a command that does something goes on to its end, with its own exit code', () => {
  it.each([
    ['2>&1', 'head -1'],
    ['--json', 'true'],
  ])('trigger %s | %s', async (options, reader) => {
    const runId = newRunId();
    const command = `trigger --mode all --state "$STATE" --run-id ${runId} ${options}`;
    expect(await piped(command, reader)).toEqual({ code: 0, stderr: '' });
    expect(await ledger(runId)).toEqual(SUCCEEDED);
  });

  it('also where nobody reads how far it is, on stderr', async () => {
    const runId = newRunId();
    const command = `trigger --mode all --state "$STATE" --run-id ${runId} 2> >(true)`;
    expect(await piped(command, 'cat')).toEqual({ code: 0, stderr: '' });
    expect(await ledger(runId)).toEqual(SUCCEEDED);
  });

  it('also under npm', async () => {
    const runId = newRunId();
    const ended = await piped(
      `--mode all --state "$STATE" --run-id ${runId}`,
      'head -1',
      'npm run trigger --',
    );
    expect(ended).toEqual({ code: 0, stderr: '' });
    expect(await ledger(runId)).toEqual(SUCCEEDED);
  });

  it('keys, shred, sample, abandon and doctor', async () => {
    const state = '--state "$STATE"';
    const commands = ['keys rotate', 'shred 1 2 --yes', 'sample --append --rows 3', 'doctor'];
    const ended = await Promise.all(commands.map((command) => piped(`${command} ${state}`, 'true')));
    expect(ended).toEqual(commands.map(() => ({ code: 0, stderr: '' })));
    expect(await box.sql('SELECT MAX(version) AS newest FROM keysets')).toEqual([{ newest: '2' }]);
    expect(await box.sql('SELECT COUNT(*) AS n FROM users_shredded')).toEqual([{ n: '2' }]);
    expect(await box.sql('SELECT COUNT(*) AS n FROM users')).toEqual([{ n: '33' }]);
    expect(await piped(`abandon nobody-knows-me ${state}`, 'true')).toMatchObject({ code: 2 });
  });
});

describe('a command that lists ends at once, quietly, as one that SIGPIPE has ended', () => {
  it.each([
    ['sql "$MANY" --csv', 'head -1'],
    ['sql "$MANY" --json 2>&1', 'head -1'],
    ['read', 'true'],
    ['history --json', 'true'],
  ])('%s | %s', async (command, reader) => {
    const [, name, options = ''] = /^(\w+)(.*)$/.exec(command) ?? [];
    expect(await piped(`${name} --state "$STATE"${options}`, reader)).toEqual({ code: 141, stderr: '' });
  });

  it('under npm, too', async () => {
    const ended = await piped('history --state "$STATE"', 'true', 'npm run --silent reseal --');
    expect(ended).toEqual({ code: 141, stderr: '' });
  });

  it('but not while it is stderr alone that nobody reads', async () => {
    const lines = 'test "$(wc -l)" = 20000 || echo lines are missing >&2';
    const ended = await piped('sql "$MANY" --json --state "$STATE" 2> >(true)', `(${lines})`);
    expect(ended).toEqual({ code: 0, stderr: '' });
  });

  it('and with the code of what was wrong, where something was', async () => {
    const ended = await piped('show nobody-knows-me --json --state "$STATE"', 'true');
    expect(ended).toMatchObject({ code: 2, stderr: expect.stringContaining('error (run-unknown)') });
  });
});
