import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from 'vitest';
import { ensureVenv } from '../../jobs/spark/venv.ts';

/** The PySpark application's own checks: a failing one fails here, with the end of what it printed. */

const root = fileURLToPath(new URL('../..', import.meta.url));
const application = `${root}/jobs/spark`;
/** Python beside the application: the tools and the oracles. */
const OTHERS = ['tests/googlesql', 'tests/oracles', 'tools/python', 'bench/spark'].map(
  (folder) => `${root}/${folder}`,
);
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
  await passes('ruff', 'check', '--no-cache', '.');
  await passes('ruff', 'check', '--no-cache', '--config', 'pyproject.toml', '--ignore', 'D', ...OTHERS);
  await passes('ruff', 'format', '--no-cache', '--check', '--config', 'pyproject.toml', '.', ...OTHERS);
});

test('mypy is satisfied, strictly', () => passes('mypy', '.'), 300_000);

test('the vectors open as they should', async () => {
  expect(await passes('reseal.vectors', `${root}/tests/fixtures/envelope.json`)).toMatch(
    /^149 passed, 0 failed$/m,
  );
});

for (const suite of readdirSync(`${application}/tests`).filter((name) => /^test_.*\.py$/.test(name))) {
  test(`pytest ${suite}`, () => passes('pytest', `tests/${suite}`), 900_000);
}
