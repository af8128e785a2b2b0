import { spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line as `npm run <program>` would; `interruptOn` presses ctrl-C when stdout says so. */
export async function cli(
  program: 'trigger' | 'reseal',
  args: readonly string[],
  interruptOn?: RegExp,
): Promise<CliResult> {
  const running = startCli(program, args);
  if (interruptOn !== undefined)
    void running.says(interruptOn).then(
      () => running.kill('SIGINT'),
      () => {},
    );
  return running.ended;
}

/** A command line under way. */
export interface RunningCli {
  /** Resolves once stdout or stderr says so; rejects if the process ends before. */
  says(pattern: RegExp): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  /** `endedAt` is `performance.now()` at the process's end. */
  readonly ended: Promise<CliResult & { readonly endedAt: number }>;
}

/** With `asGroup` signals reach the programs that it waits for, too, as a terminal's do. */
export function startCli(
  program: 'trigger' | 'reseal',
  args: readonly string[],
  { asGroup = false } = {},
): RunningCli {
  const command = program === 'trigger' ? ['trigger'] : [];
  const argv = ['bin/reseal.js', ...command, ...args];
  const child = spawn(process.execPath, argv, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: asGroup,
  });
  let said = '';
  const heard = new EventEmitter();
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (bytes: Buffer) => {
      said += bytes;
      heard.emit('more');
    });
  const closed = new Promise<{ code: number | null; endedAt: number }>((resolve) =>
    child.on('exit', (code) => resolve({ code, endedAt: performance.now() })),
  );
  const ended = Promise.all([text(child.stdout), text(child.stderr), closed]).then(
    ([stdout, stderr, { code, endedAt }]) => ({ code, stdout, stderr, endedAt }),
  );
  return {
    ended,
    kill: (signal) => void (asGroup ? process.kill(-Number(child.pid), signal) : child.kill(signal)),
    async says(pattern) {
      const gone = ended.then(({ stderr }) => Promise.reject(new Error(`it ended: ${stderr}`)));
      gone.catch(() => {});
      while (!pattern.test(said)) await Promise.race([once(heard, 'more'), gone]);
    },
  };
}

/** Newline-delimited JSON, line by line. */
export const ndjson = <T>(output: string): T[] =>
  output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
