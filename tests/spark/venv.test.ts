import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, afterEach, expect, test, vi } from 'vitest';
import { currentVenv, ensureVenv, findPython, sparkOf } from '../../jobs/spark/venv.ts';

const work = mkdtempSync(join(tmpdir(), 'reseal-venv-'));
const directory = join(work, 'venv');
const requirements = join(work, 'requirements.txt');
afterAll(() => rmSync(work, { recursive: true, force: true }));
afterEach(() => vi.unstubAllEnvs());

const lock = (comment: string): void => writeFileSync(requirements, `# ${comment}\n`);

test('an environment is made once, and again when half-made or of another lock', async () => {
  lock('one');
  expect(currentVenv({ directory, requirements })).toBeNull();
  const both = await Promise.all([
    ensureVenv({ directory, requirements }),
    ensureVenv({ directory, requirements }),
  ]);
  const python = join(directory, 'bin', 'python');
  expect(both).toEqual([python, python]);
  execFileSync(python, ['-m', 'pip', '--version']);
  expect(existsSync(`${directory}.mutex`), "and nothing of it is in the sandbox's folder").toBe(true);

  const kept = join(directory, 'kept');
  writeFileSync(kept, '');
  await ensureVenv({ directory, requirements });
  expect(existsSync(kept), 'a whole environment is left alone').toBe(true);

  rmSync(join(directory, 'reseal-lock'));
  expect(currentVenv({ directory, requirements })).toBeNull();
  await ensureVenv({ directory, requirements });
  expect(existsSync(kept), 'a half-made one is made anew').toBe(false);

  writeFileSync(kept, '');
  lock('two');
  await ensureVenv({ directory, requirements });
  expect(existsSync(kept), 'and so is one of another lock').toBe(false);
}, 300_000);

test('a creation that was killed does not block the next', async () => {
  lock('three');
  const script = new URL('../../tools/python/make_venv.py', import.meta.url).pathname;
  const first = spawn('python3', [script, directory, requirements, 'three', `${directory}.mutex`]);
  await vi.waitUntil(() => existsSync(`${directory}.mutex`), { timeout: 30_000 });
  first.kill('SIGKILL');
  await ensureVenv({ directory, requirements });
  expect(currentVenv({ directory, requirements })).not.toBeNull();
}, 300_000);

test('what is missing is named with the line that installs it', async () => {
  lock('four');
  vi.stubEnv('RESEAL_PYTHON', join(work, 'no-python'));
  await expect(ensureVenv({ directory, requirements })).rejects.toMatchObject({
    code: 'python-missing',
    hint: expect.stringContaining('apt-get install python3'),
  });
});

test('another Python than the lock is for is named in the one line that turns it down', () => {
  const other = join(work, 'python3.13');
  writeFileSync(other, '#!/bin/sh\necho 3.13\n', { mode: 0o755 });
  vi.stubEnv('RESEAL_PYTHON', other);
  expect(findPython).toThrow(
    expect.objectContaining({
      code: 'python-missing',
      message: 'Python 3.11 (or 3.10, 3.12) is needed, and there is only 3.13',
    }),
  );
});

test('Spark runs on the Java of the environment, whatever the PATH and JAVA_HOME say', async () => {
  const { env, jars } = sparkOf(await ensureVenv());
  const java = join(String(env.JAVA_HOME), 'bin', 'java');
  // With `on` it would not start without the archive of its own classes.
  const settings = spawnSync(java, ['-Xshare:on', '-XshowSettings:properties', '-version'], {
    encoding: 'utf8',
    env: { PATH: '/nowhere' },
  });
  expect(settings.stderr).toContain('java.specification.version = 17');
  expect(jars.map((path) => basename(path)).sort()).toEqual([
    'gcs-connector-3.1.3-shaded.jar',
    'spark-3.5-bigquery-0.42.1.jar',
  ]);
}, 900_000);

test('a lock whose packages cannot be had says what pip said', async () => {
  writeFileSync(requirements, 'no-hash-here==1.0\n');
  await expect(ensureVenv({ directory, requirements })).rejects.toMatchObject({
    code: 'venv-failed',
    message: expect.stringContaining('hash'),
  });
}, 300_000);
