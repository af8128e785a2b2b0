import { appendFileSync, mkdirSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { directEngine } from '../../jobs/engines/direct/index.ts';
import { bigQueryService } from '../../jobs/google/bigquery.ts';
import { currentVenv, hasJava17 } from '../../jobs/spark/venv.ts';
import type { Services } from '../bigquery/script/session.ts';
import { endpointsOf } from '../http/endpoints.ts';
import { objectOr, text } from '../http/router.ts';
import type { Iam } from '../iam/iam.ts';
import type { Store } from '../storage/store.ts';
import { accountOf, admitBatch } from './account.ts';
import { batchArguments, directWork } from './arguments.ts';
import type { Batch, BatchRunner, DriverOutput } from './batches.ts';
import { runDriver } from './process.ts';
import { exportTables, loadStaged, remove, wrappedKeyset } from './tables.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const application = join(root, 'jobs', 'spark', 'main.py');

export interface RunnerPlace {
  /** The sandbox's state folder, for files on the way. */
  readonly state: string;
  /** Known once the server listens. */
  readonly origin: () => string;
  /** Batches act as their accounts. */
  readonly iam: Iam;
}

/**
 * Runs batches: the built-in application on a local Spark where there is one, a jar under Java. With
 * RESEAL_SANDBOX_SPARK=off the direct engine does the application's work, in a second in place of half a minute.
 */
export function batchRunner(services: Services, store: Store, place: RunnerPlace): BatchRunner {
  return async (batch, output, signal) => {
    const pyspark = objectOr(batch.pysparkBatch);
    if (batch.pysparkBatch === undefined) return runJar(batch, store, place, output, signal);
    const args = batchArguments(pyspark.args);
    const member = accountOf(batch);
    admitBatch(place.iam.caller(member), services.catalog.project, args);
    const python = process.env.RESEAL_SANDBOX_SPARK === 'off' ? null : currentVenv();
    if (python !== null && hasJava17()) {
      output.write('The sandbox runs the application on a local Spark.\n');
      return runSpark(services, batch, args, python, place, output, signal);
    }
    output.write(
      'The sandbox has no local Spark (npm run venv makes one), or none is wanted: the direct engine works.\n',
    );
    return runDirect(services, args, place, place.iam.token(member), output, signal);
  };
}

/** Of the batch's properties those that a local Spark has a use for. */
function properties(batch: Batch): string {
  const given = objectOr(objectOr(batch.runtimeConfig).properties);
  const local = Object.entries(given).filter(([name]) => /^spark\.(sql|ui|python)\./.test(name));
  return [...local, ['spark.ui.enabled', 'false']]
    .map(([name, value]) => `--conf ${name}=${value}`)
    .join(' ');
}

async function runSpark(
  services: Services,
  batch: Batch,
  args: ReadonlyMap<string, string>,
  python: string,
  place: RunnerPlace,
  output: DriverOutput,
  signal: AbortSignal,
): Promise<void> {
  const folder = join(place.state, 'dataproc', `run-${args.get('run-id')}`);
  const [input, staged] = [join(folder, 'input'), join(folder, 'output')];
  try {
    await exportTables(services, args, input);
    const own = new Map([
      ...args,
      ['storage', 'parquet'],
      ['input', input],
      ['output', staged],
      ['kms-endpoint', place.origin()],
    ]);
    const argv = [...own].map(([name, value]) => `--${name}=${value}`);
    const env = {
      SPARK_LOCAL_IP: '127.0.0.1',
      SPARK_LOCAL_DIRS: join(folder, 'local'),
      PYSPARK_PYTHON: python,
      CLOUDSDK_AUTH_ACCESS_TOKEN: place.iam.token(accountOf(batch)),
      PYTHONPATH: dirname(application),
      PYSPARK_SUBMIT_ARGS: `--master local[2,4] --driver-memory 2g ${properties(batch)} pyspark-shell`,
    };
    await runDriver(python, [application, ...argv], env, output, signal);
    await loadStaged(services, args, staged);
  } finally {
    remove(folder);
  }
}

async function runDirect(
  services: Services,
  args: ReadonlyMap<string, string>,
  place: RunnerPlace,
  token: string,
  output: DriverOutput,
  signal: AbortSignal,
): Promise<void> {
  const { deployment, input } = directWork(args, await wrappedKeyset(services, args));
  const endpoints = endpointsOf(place.origin(), token);
  const engine = directEngine(deployment, await bigQueryService(deployment, endpoints), endpoints);
  const line = (members: object): void => output.write(`${JSON.stringify(members)}\n`);
  const { kmsCalls } = await engine.stage(
    input,
    (now) => line({ reseal: 'progress', phase: 'seal', ...now }),
    signal,
  );
  line({ reseal: 'counts', kms_calls: kmsCalls });
}

/**
 * A jar of the user's own gets its arguments and nothing else. BIGQUERY_EMULATOR_HOST is the variable by which
 * Google's own client libraries find an emulator.
 */
async function runJar(
  batch: Batch,
  store: Store,
  place: RunnerPlace,
  output: DriverOutput,
  signal: AbortSignal,
): Promise<void> {
  const spark = objectOr(batch.sparkBatch);
  const uris = Array.isArray(spark.jarFileUris) ? spark.jarFileUris.map(String) : [];
  const jars = (await Promise.all(uris.map((uri) => store.resolve(uri)))).flat();
  const args = Array.isArray(spark.args) ? spark.args.map(String) : [];
  const classPath = ['-cp', jars.join(delimiter), text(spark.mainClass) ?? ''];
  await runDriver(
    'java',
    [...classPath, ...args],
    {
      BIGQUERY_EMULATOR_HOST: place.origin(),
      CLOUDSDK_AUTH_ACCESS_TOKEN: place.iam.token(accountOf(batch)),
    },
    output,
    signal,
  );
}

/** The driver's output as Dataproc keeps it: an object in the staging bucket that grows. */
export function driverOutput(store: Store, batch: Batch): DriverOutput {
  const { executionConfig } = objectOr(batch.environmentConfig);
  const bucket = text(objectOr(executionConfig).stagingBucket) ?? Object.keys(store.buckets())[0] ?? '';
  const name = `google-cloud-dataproc-metainfo/${batch.uuid}/jobs/srvls-batch-${batch.uuid}/driveroutput`;
  const path = store.pathOf(bucket, `${name}.000000000`);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  appendFileSync(path, '', { mode: 0o600 });
  return {
    uri: `gs://${bucket}/${name}`,
    write: (line) => appendFileSync(path, line),
    close: async () => {},
  };
}
