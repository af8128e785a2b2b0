import { spawn } from 'node:child_process';
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
  const command = program === 'trigger' ? ['trigger'] : [];
  const argv = ['--import', 'tsx', 'jobs/cli/main.ts', ...command, ...args];
  const child = spawn(process.execPath, argv, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  let [said, pressed] = ['', false];
  child.stdout.on('data', (bytes: Buffer) => {
    said += bytes;
    if (pressed || !interruptOn?.test(said)) return;
    pressed = true;
    child.kill('SIGINT');
  });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, stdout, stderr };
}

/** Newline-delimited JSON, line by line. */
export const ndjson = <T>(output: string): T[] =>
  output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
