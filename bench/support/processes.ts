import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { EngineName } from '../../jobs/contract/settings/choices.ts';

/** A tick of /proc/PID/stat is a hundredth of a second on every Linux that Node supports. */
const TICKS = 100;

/** What a program in TypeScript prints, run by a Node of its own. */
export const node = (file: string, ...args: string[]): string =>
  execFileSync(process.execPath, ['--import', 'tsx', file, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });

/** A run, and what its process took from its start to its end. */
export interface Triggered {
  /** What `--json` prints, as far as a bench goes by it. */
  readonly report: {
    readonly merged: number;
    readonly kms_calls: number;
    readonly read_back: { readonly checked: number };
  } & Readonly<Record<'started_at' | 'staging_at' | 'staged_at' | 'verified_at' | 'merged_at', string>>;
  readonly seconds: number;
  readonly cpu: number;
  readonly maxRssKb: number;
}

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const FIGURES = new URL('figures.js', import.meta.url).href;

/** A run as `npm run trigger` starts it, on the sandbox that serves the folder. */
export function trigger(state: string, engine: EngineName): Triggered {
  const flags = ['--single-threaded-gc', '--import', FIGURES, path('../../bin/reseal.js')];
  const options = ['--state', state, '--engine', engine, '--json'];
  const { status, output } = spawnSync(process.execPath, [...flags, 'trigger', ...options], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
  });
  if (status !== 0) throw new Error(`the run ended with ${status}`);
  return { report: JSON.parse(output[1] ?? ''), ...JSON.parse(output[3] ?? '') };
}

/** Seconds of CPU that a process has taken so far. */
export function processCpu(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

/** The most memory that it had. */
export function processPeakMb(pid: number): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}
