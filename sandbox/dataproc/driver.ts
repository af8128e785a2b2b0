import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { DriverOutput } from './batches.ts';

/** How long a cancelled program has to end by itself. */
const KILL_MS = 5000;

/**
 * Runs a program as the batch's driver: what it prints is the driver's output. Throws where it ends with
 * another status than 0; a cancelled one is ended with everything that it started.
 */
export function runDriver(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  output: DriverOutput,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    // A group of its own: Spark's JVM and Python workers end with the driver.
    const child = spawn(command, args, {
      env: { ...process.env, ...env },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const kill = (how: NodeJS.Signals): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, how);
      } catch {
        // It has ended meanwhile.
      }
    };
    const abort = (): void => {
      kill('SIGTERM');
      setTimeout(() => kill('SIGKILL'), KILL_MS).unref();
    };
    const dog = child.pid === undefined ? undefined : watchdog(child.pid);
    signal.addEventListener('abort', abort, { once: true });
    // The sandbox's own end is the batch's too.
    const end = (): void => kill('SIGKILL');
    process.once('exit', end);
    // Whole lines, so that what comes on one stream does not land inside a line of the other.
    for (const stream of [child.stdout, child.stderr])
      createInterface({ input: stream }).on('line', (line) => output.write(`${line}\n`));
    child.on('error', reject);
    child.on('close', (code, how) => {
      dog?.kill('SIGKILL');
      signal.removeEventListener('abort', abort);
      process.off('exit', end);
      if (code === 0) resolve();
      else
        reject(
          new Error(
            `Job failed with message [the driver ended with ${how ?? code}]. See the driver's output.`,
          ),
        );
    });
  });
}

/**
 * Kills the driver's group once this process is gone, also where nothing of it could say so: a process outside the
 * group waits for the end of a pipe, which the kernel closes with its other end.
 */
function watchdog(group: number): ChildProcess {
  const script = 'read -r _; kill -s KILL -- "-$1"';
  const dog = spawn('/bin/sh', ['-c', script, 'sh', String(group)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  dog.on('error', () => {});
  dog.unref();
  return dog;
}
