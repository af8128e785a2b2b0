import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it, vi } from 'vitest';
import { cli } from '../../support/cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'reseal-no-spark-'));
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

it('without Spark a run by Dataproc stops and says how to make it: nothing stands in unasked', async () => {
  vi.stubEnv('RESEAL_VENV', join(folder, 'no-venv'));
  const state = join(folder, 'state');
  const { code, stdout, stderr } = await cli('trigger', ['--state', state, '--engine', 'dataproc', '--json']);
  expect(code).toBe(1);
  expect(stderr).toContain('npm run venv');
  expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'batch' } });
  const batches = join(state, 'dataproc', 'batches.json');
  expect(existsSync(batches) ? JSON.parse(readFileSync(batches, 'utf8')) : [], 'no batch was made').toEqual(
    [],
  );
});
