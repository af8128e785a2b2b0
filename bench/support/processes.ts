import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** A tick of /proc/PID/stat is a hundredth of a second on every Linux that Node supports. */
const TICKS = 100;

/** The job has the flags of `npm run trigger`. */
export const JOB_FLAGS = ['--single-threaded-gc'];

/** What a program in TypeScript prints, run by a Node of its own. */
export const node = (flags: readonly string[], file: string, ...args: string[]): string =>
  execFileSync(process.execPath, [...flags, '--import', 'tsx', file, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });

/** Seconds of CPU that a process has taken so far. */
export function processCpu(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

/** The most memory that it had. */
export function processPeakMb(pid: number): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}
