import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ensureVenv } from '../../jobs/spark/venv.ts';
import { configOf, runProgram } from '../support/pulumi/program.ts';

const run = promisify(execFile);

/** Airflow brings a hundred and fifty packages: the first time they have to come. */
const INSTALL_MS = 900_000;

const home = mkdtempSync(join(tmpdir(), 'airflow-'));
afterAll(() => rmSync(home, { recursive: true }));

const env = {
  ...process.env,
  AIRFLOW_HOME: home,
  AIRFLOW__CORE__LOAD_EXAMPLES: 'False',
  AIRFLOW__CORE__UNIT_TEST_MODE: 'False',
  AIRFLOW__LOGGING__LOGGING_LEVEL: 'ERROR',
  // Composer has this connection; the clients behind it are replaced.
  AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT: 'google-cloud-platform://',
};

let python: string;
beforeAll(async () => {
  python = await ensureVenv({
    directory: resolve('.venv-airflow'),
    requirements: resolve('tools/python/airflow.txt'),
  });
  await run(python, ['-m', 'airflow', 'db', 'migrate'], { env, maxBuffer: 1 << 26 });
}, INSTALL_MS);

it('the DAG runs under a real Airflow', async () => {
  const args = ['-m', 'pytest', '-q', '-p', 'no:cacheprovider', 'tests/composer'];
  const { stdout } = await run(python, args, { env, maxBuffer: 1 << 26 }).catch((error) => {
    throw new Error(error.stdout);
  });
  expect(stdout).toMatch(/\d+ passed/);
}, 300_000);

it('the stack puts the DAG and its parameters into the environment', async () => {
  const config = configOf('dev', {
    'reseal:composerDagBucket': 'us-central1-composer-bucket',
    'reseal:composerServiceAccount': 'composer@example-data-dev.iam.gserviceaccount.com',
  });
  const { resources } = await runProgram('dev', config);
  const objects = resources.filter(({ inputs }) => inputs.bucket === 'us-central1-composer-bucket');
  expect(objects.map(({ inputs }) => inputs.name)).toEqual([
    'dags/trigger_serverless_batch_dataproc.py',
    'dags/trigger_serverless_batch_dataproc.json',
  ]);
  // The provider takes any object's content for a secret.
  expect(objects[1]?.inputs.content).toMatchObject({
    value: JSON.stringify({
      workflow: 'projects/example-data-dev/locations/us-central1/workflows/reseal-dev',
    }),
  });
  const granted = resources.filter(({ inputs }) => String(inputs.member).includes('composer@'));
  expect(granted.map(({ inputs }) => inputs.role)).toEqual(['roles/workflows.invoker']);
});
