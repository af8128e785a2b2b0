import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { ensureVenv } from '../../jobs/spark/venv.ts';

/** The Spark application's benchmark, on tables of a few rows: what it prints, and that it leaves nothing. */

const root = fileURLToPath(new URL('../..', import.meta.url));
const sandbox = join(root, '.reseal');
const temporary = mkdtempSync(join(tmpdir(), 'reseal-bench-test-'));
beforeAll(() => ensureVenv(), 600_000);
afterAll(() => rmSync(temporary, { recursive: true, force: true }));

let printed = '';
function bench(...options: string[]): ChildProcess {
  printed = '';
  const child = spawn(process.execPath, ['--import', 'tsx', 'bench/spark/run.ts', ...options], {
    cwd: root,
    env: { ...process.env, TMPDIR: temporary },
    // A process group of its own, as a terminal gives to a command: ctrl-C is a signal to all of it.
    detached: true,
  });
  const keep = (chunk: Buffer): void => {
    printed += chunk.toString();
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  return child;
}

/** What stands in the temporary folder, but for the caches of tsx, and in the sandbox's. */
const folders = (): string[][] => [
  readdirSync(temporary).filter((name) => !name.startsWith('tsx-')),
  existsSync(sandbox) ? readdirSync(sandbox) : [],
];

const SMALL = ['--rows', '100', '200', '--rounds', '1', '--only', 'copy'];

test('the benchmark prints its table and removes its folder', async () => {
  const before = folders();
  const [code] = await once(bench(...SMALL), 'close');
  expect(code, printed).toBe(0);
  expect(printed).toMatch(/^copy: a plain copy with the staging schema +-?[0-9.]+ +-?[0-9.]+$/m);
  expect(folders()).toEqual(before);
}, 300_000);

test('ctrl-C ends the benchmark and removes its folder', async () => {
  const before = folders();
  const child = bench(...SMALL);
  // The folder of Spark's block manager shows that its JVM runs.
  await vi.waitUntil(
    () => readdirSync(temporary, { recursive: true }).some((name) => String(name).includes('blockmgr-')),
    { timeout: 120_000, interval: 20 },
  );
  const closed = once(child, 'close');
  process.kill(-(child.pid as number), 'SIGINT');
  const [code] = await closed;
  expect(code, printed).toBe(130);
  expect(folders()).toEqual(before);
}, 300_000);
