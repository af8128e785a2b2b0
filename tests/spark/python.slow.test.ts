import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from 'vitest';
import { ensureVenv } from '../../jobs/spark/venv.ts';

/** The checks of the PySpark application: when one fails, the end of its output is shown. */

const root = fileURLToPath(new URL('../..', import.meta.url));
const application = `${root}/jobs/spark`;
const suites = `${root}/tests/spark/application`;
/** Python beside the application: the tools and the oracles. */
const OTHERS = ['tests/support', 'tools/python', 'bench/spark'].map((folder) => `${root}/${folder}`);
const TAIL = 6000;

let python = '';
beforeAll(async () => {
  python = await ensureVenv();
}, 600_000);

/** Runs a module of the environment in the application's folder: its exit code and last lines. */
function check(module: string, ...args: string[]): Promise<{ code: number; said: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(python, ['-m', module, ...args], { cwd: application });
    let said = '';
    const keep = (chunk: Buffer): void => {
      said = (said + chunk.toString()).slice(-TAIL);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? 1, said }));
  });
}

async function passes(module: string, ...args: string[]): Promise<string> {
  const { code, said } = await check(module, ...args);
  expect(code, said).toBe(0);
  return said;
}

test('ruff finds nothing to mend', async () => {
  const options = ['--no-cache', '--config', 'pyproject.toml'];
  await passes('ruff', 'check', ...options, '.', suites);
  await passes('ruff', 'check', ...options, '--ignore', 'D', ...OTHERS);
  await passes('ruff', 'format', '--check', ...options, '.', suites, ...OTHERS);
});

test('mypy is satisfied, strictly', () => passes('mypy'), 300_000);

test('the vectors open as they should', async () => {
  const counts = { 'envelope.json': 149, 'values.json': 92 };
  for (const [name, count] of Object.entries(counts))
    expect(await passes('reseal.check_vector', `${root}/tests/fixtures/${name}`)).toContain(
      `${count} passed, 0 failed\n`,
    );
});

test('the suites of pytest pass', async () => {
  // All in one process, and so on one JVM.
  expect(await passes('pytest', '-c', 'pyproject.toml', suites)).toMatch(/^\d+ passed in /m);
}, 900_000);
