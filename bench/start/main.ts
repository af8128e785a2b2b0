/**
 * `npm run bench:start`: what somebody at a terminal waits for, against its bounds. Each command runs five times; the
 * median counts, of wall seconds until the first words and until the end, and of the CPU seconds of all its processes.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const RUNS = 5;
const FIRST_WORDS_S = 0.5;

const folder = mkdtempSync(join(tmpdir(), 'reseal-start-'));
const state = ['--state', join(folder, 'sandbox')];
/** In an order in which each finds what it needs; seconds until the end that are the bound. */
const COMMANDS: [name: string, args: string[], bound: number][] = [
  ['reseal --help', ['--help'], 0.3],
  ['reseal trigger --fresh', ['trigger', '--fresh', ...state], 4],
  ['reseal history', ['history', ...state], 1.5],
  ['reseal read --limit 3', ['read', '--limit', '3', ...state], 1.5],
];

interface Times {
  readonly first: number;
  readonly wall: number;
  readonly cpu: number;
}

/** Bash says what a command and its children took; it is the one process that this needs. */
function timed(args: readonly string[]): Promise<Times> {
  const command = [process.execPath, '--single-threaded-gc', 'bin/reseal.js', ...args];
  const script = 'TIMEFORMAT="%U %S"; { time "$@" 2>&1; } 2>&3';
  const started = performance.now();
  const since = (): number => (performance.now() - started) / 1000;
  const child = spawn('bash', ['-c', script, 'bash', ...command], {
    stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
  });
  let first = Number.POSITIVE_INFINITY;
  let cpu = '';
  child.stdout?.on('data', () => {
    first = Math.min(first, since());
  });
  child.stdio[3]?.on('data', (part) => {
    cpu += part;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      const [user = 0, system = 0] = cpu.trim().split(' ').map(Number);
      if (code === 0) resolve({ first, wall: since(), cpu: user + system });
      else reject(new Error(`${args.join(' ')} ended with ${code}`));
    });
  });
}

const median = (all: readonly number[]): number =>
  [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)] as number;

try {
  process.stdout.write('command                  first words    end   bound    CPU\n');
  for (const [name, args, bound] of COMMANDS) {
    const all: Times[] = [];
    for (let run = 0; run < RUNS; run++) all.push(await timed(args));
    const figures = [
      median(all.map(({ first }) => first)),
      median(all.map(({ wall }) => wall)),
      bound,
      median(all.map(({ cpu }) => cpu)),
    ];
    const [first = 0, ...others] = figures.map((seconds) => `${seconds.toFixed(2)} s`.padStart(7));
    process.stdout.write(`${name.padEnd(27)}${first} ${others.join(' ')}\n`);
  }
  process.stdout.write(`first words: at most ${FIRST_WORDS_S} s\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
