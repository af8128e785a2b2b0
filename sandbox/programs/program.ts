import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** A program that the sandbox runs for a service. */
export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<NodeJS.ProcessEnv>;
  /** The folder that it begins in; this process's own unless given. */
  readonly folder?: string;
  /** Asks it to end by SIGTERM. */
  readonly stop: AbortSignal;
  /** How long it may take to end by itself then. */
  readonly graceMs: number;
  /** Ends it by SIGKILL at once. */
  readonly kill?: AbortSignal;
  /** Gets each line of its output, without the end of the line. */
  readonly line: (text: string, stream: 'stdout' | 'stderr') => void;
}

/** How a program ended: its exit code, or the signal that ended it. */
export type Ending = number | NodeJS.Signals;

/**
 * Runs a program to its end. One that is stopped is ended with everything that it started.
 *
 * @throws Error where it cannot be started
 */
export function runProgram({
  command,
  args,
  env,
  folder,
  stop,
  graceMs,
  kill,
  line,
}: Program): Promise<Ending> {
  return new Promise((resolve, reject) => {
    // A group of its own: what the program has started ends with it.
    const child = spawn(command, args, {
      env,
      ...(folder === undefined ? {} : { cwd: folder }),
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const signal = (how: NodeJS.Signals): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, how);
      } catch {
        // It has ended meanwhile.
      }
    };
    const end = (): void => signal('SIGKILL');
    const ask = (): void => {
      signal('SIGTERM');
      setTimeout(end, graceMs).unref();
    };
    const dog = child.pid === undefined ? undefined : watchdog(child.pid);
    const undo = [heard(stop, ask), kill === undefined ? () => {} : heard(kill, end)];
    // The sandbox's own end is the program's too.
    process.once('exit', end);
    // Whole lines, so that what comes on one stream does not land inside a line of the other.
    for (const stream of ['stdout', 'stderr'] as const)
      createInterface({ input: child[stream] }).on('line', (text) => line(text, stream));
    child.on('error', reject);
    child.on('close', (code, how) => {
      dog?.kill('SIGKILL');
      for (const one of undo) one();
      process.off('exit', end);
      resolve(how ?? code ?? 0);
    });
  });
}

/** Does something once a signal is given, or at once where it was; returns what takes that back. */
function heard(signal: AbortSignal, act: () => void): () => void {
  if (signal.aborted) act();
  else signal.addEventListener('abort', act, { once: true });
  return () => signal.removeEventListener('abort', act);
}

/**
 * Kills the program's group once this process is gone, also where nothing of it could say so: a process outside the
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
