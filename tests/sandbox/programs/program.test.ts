import { expect, it } from 'vitest';
import { type Ending, type Program, runProgram } from '../../../sandbox/programs/program.ts';

/** Runs a script of the shell, and does something once it has printed a line. */
async function run(
  script: string,
  given: Partial<Program> = {},
  act: () => void = () => {},
): Promise<{ ending: Ending; lines: string[] }> {
  const lines: string[] = [];
  const ending = await runProgram({
    command: '/bin/sh',
    args: ['-c', script],
    env: { PATH: process.env.PATH },
    stop: new AbortController().signal,
    graceMs: 100,
    line(text, stream) {
      lines.push(`${stream}: ${text}`);
      act();
    },
    ...given,
  });
  return { ending, lines };
}

it('says how a program ended, and which lines it printed where', async () => {
  expect(await run('echo a; echo b >&2; exit 3')).toEqual({
    ending: 3,
    lines: expect.arrayContaining(['stdout: a', 'stderr: b']),
  });
  expect((await run('true')).ending).toBe(0);
});

it('a program that is stopped may end by itself', async () => {
  const stop = new AbortController();
  const script = "trap 'echo ends; exit 4' TERM; echo begins; while :; do sleep 0.01; done";
  const { ending, lines } = await run(script, { stop: stop.signal, graceMs: 60_000 }, () => stop.abort());
  // The shell may say of what it was waiting for that it was stopped, too.
  const said = lines.filter((line) => line.startsWith('stdout'));
  expect([ending, ...said]).toEqual([4, 'stdout: begins', 'stdout: ends']);
});

it('one that does not is killed with what it has started', async () => {
  const stop = new AbortController();
  const script = "trap '' TERM; echo begins; sleep 600 & while :; do sleep 0.01; done";
  expect((await run(script, { stop: stop.signal }, () => stop.abort())).ending).toBe('SIGKILL');
});

it('one that is to be killed is asked nothing', async () => {
  const kill = new AbortController();
  const script = "trap 'exit 4' TERM; echo begins; while :; do sleep 0.01; done";
  expect((await run(script, { kill: kill.signal }, () => kill.abort())).ending).toBe('SIGKILL');
});

it('one that is stopped before it has begun ends, and one that is not there cannot begin', async () => {
  expect((await run('sleep 600', { stop: AbortSignal.abort() })).ending).toBe('SIGTERM');
  await expect(run('', { command: '/none' })).rejects.toThrow('ENOENT');
});
