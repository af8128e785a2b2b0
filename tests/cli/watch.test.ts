import { spawn } from 'node:child_process';
import { expect, it, onTestFinished, vi } from 'vitest';
import { plainWatcher } from '../../jobs/cli/watch.ts';

/** Python's standard library has what Node has not: a terminal for the child. */
const TERMINAL = 'import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)';

/** A step that is interrupted, says so, and takes a moment to end in good order. */
const STEP = `
  const { terminalWatcher } = await import('./jobs/cli/watch.ts');
  const watcher = await terminalWatcher();
  process.on('SIGINT', () => process.stderr.write('cancelling\\n'));
  await watcher.step('stage', async (progress) => {
    progress({ values: { done: 0, of: 50 } });
    await new Promise((done) => setTimeout(done, 200));
    progress({ values: { done: 10, of: 50 } });
    await new Promise((done) => setTimeout(done, 200));
    process.kill(process.pid, 'SIGINT');
    await new Promise((done) => setTimeout(done, 300));
  }, () => 'staged');
  await watcher.step('merge', async () => { throw new Error('broken') }, String).catch(() => {});
  process.exit(7);
`;

/** What is left on the screen: a line is drawn again after the terminal was told to clear it. */
const screen = (drawn: string): string[] =>
  drawn.split('\r\n').map((line) =>
    line
      .split('\x1b[0K')
      .at(-1)
      // biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal's control sequences
      ?.replaceAll(/\x1b\[[?\d;]*[a-zA-Z]/g, '')
      .trim(),
  ) as string[];

it('on a terminal draws how far a step is in one line, and what others say in lines of their own', async () => {
  const script = `Object.defineProperty(process.stdout, 'columns', { value: 100 });${STEP}`;
  const node = [process.execPath, '--import', 'tsx', '--input-type=module', '-e', script];
  // With CI set nothing is drawn, whatever the terminal.
  const { CI: _, ...env } = process.env;
  const child = spawn('python3', ['-c', TERMINAL, ...node], { env });
  let drawn = '';
  child.stdout.on('data', (part) => {
    drawn += part;
  });
  const code = await new Promise((done) => child.once('close', done));
  expect(drawn).toContain('░░░░░░░░░░ 50 values');
  expect(drawn).toMatch(/██░░░░░░░░ 10 of 50 values · \d+\/s · 1 s left/);
  expect(screen(drawn).filter((line) => line !== '')).toEqual(['cancelling', '✔ stage   staged', '✖ merge']);
  // Ctrl-C is the command's: neither the process nor its step ends by it.
  expect(code).toBe(7);
});

it('in a log writes a line a step', async () => {
  const lines: string[] = [];
  const watcher = plainWatcher((line) => lines.push(line));
  await watcher.step(
    'stage',
    async (progress) => progress({ values: { done: 1, of: 2 } }),
    () => 'staged',
  );
  expect(lines).toEqual(['stage   staged\n']);
});

it('in a log says what has not changed again once a minute', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const lines: string[] = [];
  await plainWatcher((line) => lines.push(line)).step(
    'stage',
    async (progress) => {
      for (let seconds = 0; seconds < 100; seconds += 5) {
        vi.advanceTimersByTime(5_000);
        progress({ message: seconds < 90 ? 'batch is running' : 'batch has ended' });
      }
    },
    () => 'staged',
  );
  expect(lines).toEqual([
    'stage   … batch is running\n',
    'stage   … batch is running\n',
    'stage   … batch has ended\n',
    'stage   staged\n',
  ]);
});
