import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { cli } from '../support/cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'reseal-cli-'));
const state = join(folder, 'state');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const file = (name: string, content: string): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};

describe('mistakes of the caller', () => {
  it.each([
    { args: ['trigger', '--engine', 'warp'], says: 'Allowed choices are auto, direct, dataproc' },
    { args: ['trigger', '--limit', '0'], says: 'a whole number from 1' },
    { args: ['trigger', '--nonsense'], says: "unknown option '--nonsense'" },
    { args: ['nonsense'], says: "unknown command 'nonsense'" },
    { args: ['trigger', '--stack', 'dev', '--users', 'x'], says: 'option-local' },
    { args: ['trigger', '--run-id', 'Not An Id'], says: 'run-id' },
    { args: ['trigger', '--stack', 'no-such-stack'], says: /pulumi-cli|stack-missing/ },
    { args: ['vectors', join(folder, 'missing.json')], says: 'vectors-file' },
  ])('$args ends with 2 and says what was wrong', async ({ args, says }) => {
    const { code, stdout, stderr } = await cli('reseal', args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(says);
  });

  it.each([
    { users: () => join(folder, 'missing.ndjson'), says: /users-file/ },
    {
      users: () => file('columns.ndjson', '{"id": 1, "cipher_text": "a"}\n'),
      says: /users-columns.* has no dek/,
    },
    {
      users: () => file('broken.ndjson', '{"id": 1, "cipher_text": "a", "dek": "b"}\n{"id": 2,\n'),
      says: '2',
    },
  ])('a users file that is no good: $says', async ({ users, says }) => {
    const { code, stderr } = await cli('trigger', ['--state', state, '--fresh', '--users', users()]);
    expect(code).toBe(2);
    expect(stderr).toMatch(says);
  });
});

describe('what is printed', () => {
  it('with --json is one object, and nothing else', async () => {
    const { code, stdout } = await cli('trigger', ['--state', state, '--fresh', '--json']);
    expect(code).toBe(0);
    expect(stdout.split('\n')).toHaveLength(2);
    expect(JSON.parse(stdout)).toMatchObject({ state: 'succeeded' });
  });

  it('on the second run takes again nothing but the values whose data key KMS does not open', async () => {
    const { code, stdout } = await cli('trigger', ['--state', state, '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ selected: 3, merged: 0, reasons: { 'dek-refused': 3 } });
  });

  it('with --plan is a forecast, and nothing happens', async () => {
    const { stdout } = await cli('trigger', ['--state', state, '--mode', 'all', '--plan', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ mode: 'all', selected: 1000 });
    const { stdout: history } = await cli('reseal', ['history', '--state', state, '--json']);
    expect(JSON.parse(history)).toHaveLength(2);
  });

  it('by read is id and value, as NDJSON or CSV', async () => {
    const lines = await cli('reseal', ['read', '--state', state, '--limit', '2']);
    expect(lines.stdout.trim().split('\n')).toHaveLength(2);
    expect(Object.keys(JSON.parse(lines.stdout.split('\n')[0] ?? ''))).toEqual(['id', 'email']);
    const csv = await cli('reseal', ['read', '--state', state, '--limit', '2', '--format', 'csv']);
    expect(csv.stdout.split('\r\n')[0]).toBe('id,email');
  });

  it('of an error with --json is an object with its code', async () => {
    const { code, stdout } = await cli('trigger', [
      '--state',
      state,
      '--resume',
      'nobody-knows-me',
      '--json',
    ]);
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'run-unknown' } });
  });
});

it('ctrl-C cancels the run, says what it left and how to go on, and ends with 130', async () => {
  const state = join(folder, 'cancelled');
  // Slow enough to be caught in the middle: some 200 data keys at 50 a second.
  const slow = ['--state', state, '--setting', 'kmsCallsPerSecond=50'];
  const { code, stderr } = await cli('trigger', slow, /plan /);
  expect(code).toBe(130);
  expect(stderr).toContain('the source table is untouched');
  const [, run = ''] = /--resume (\S+);/.exec(stderr) ?? [];
  const history = await cli('reseal', ['history', '--state', state, '--json']);
  expect(JSON.parse(history.stdout)).toMatchObject([
    { run_id: run, state: 'cancelled', error_code: 'cancelled' },
  ]);
  const resumed = await cli('trigger', ['--state', state, '--resume', run, '--json']);
  expect(JSON.parse(resumed.stdout)).toMatchObject({ run_id: run, state: 'succeeded', selected: 1000 });
});
