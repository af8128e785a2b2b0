import { execFile } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, it } from 'vitest';

const NEEDED = ['bin', 'index.ts', 'infra', 'jobs', 'package.json', 'sandbox', 'tsconfig.json'];

let work: string;
/** A copy of the project, with a node_modules of its own around the packages that are there. */
let copy: string;
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'reseal-compiled-'));
  copy = join(work, 'copy');
  for (const name of NEEDED) cpSync(name, join(copy, name), { recursive: true });
  mkdirSync(join(copy, 'node_modules'));
  for (const name of ['@duckdb', '@google-cloud', 'commander', 'esbuild', 'zod'])
    symlinkSync(join(process.cwd(), 'node_modules', name), join(copy, 'node_modules', name));
});
afterEach(() => rmSync(work, { recursive: true, force: true }));

const cache = (): string => join(copy, 'node_modules', '.cache', 'reseal');

async function help(): Promise<string> {
  const temporary = join(work, 'tmp');
  mkdirSync(temporary, { recursive: true });
  const env = { ...process.env, TMPDIR: temporary };
  const { stdout } = await promisify(execFile)(process.execPath, ['bin/reseal.js', '--help'], {
    cwd: copy,
    env,
  });
  // What it wrote for itself alone is gone with it.
  expect(readdirSync(temporary)).toEqual([]);
  return stdout;
}

it('compiles once, and again for changed sources alone', async () => {
  expect(await help()).toContain('list the runs, newest first');
  const [first] = readdirSync(cache());
  await help();
  expect(readdirSync(cache())).toEqual([first]);

  const file = join(copy, 'jobs/cli/commands.ts');
  writeFileSync(
    file,
    readFileSync(file, 'utf8').replace('list the runs, newest first', 'tell what has been'),
  );
  expect(await help()).toContain('tell what has been');
  expect(readdirSync(cache())).toHaveLength(2);
});

it('several first starts at once end with one result', async () => {
  const texts = await Promise.all([help(), help(), help()]);
  expect(new Set(texts).size).toBe(1);
  expect(readdirSync(cache())).toHaveLength(1);
});

it('does without a folder that it may write to', async () => {
  mkdirSync(dirname(cache()));
  writeFileSync(cache(), 'not a folder');
  expect(await help()).toContain('list the runs, newest first');
});
