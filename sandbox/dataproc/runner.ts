import { appendFileSync, mkdirSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { currentVenv, type LocalSpark, sparkOf } from '../../jobs/spark/venv.ts';
import type { Backend } from '../bigquery/duckdb/backend.ts';
import type { StorageRead } from '../bigquery/storage-read/server.ts';
import { GoogleError } from '../errors/google-error.ts';
import { type Json, objectOr, text } from '../http/router.ts';
import type { Iam } from '../iam/iam.ts';
import type { DataprocWork } from '../state/dataproc-work.ts';
import type { Store } from '../storage/store.ts';
import { accountOf, admitAccount } from './account.ts';
import type { Batch, BatchRunner, DriverOutput } from './batches.ts';
import { runDriver } from './driver.ts';
import { runSpark } from './spark.ts';

export interface RunnerPlace {
  /** The sandbox's state folder, for files on the way. */
  readonly state: string;
  readonly work: DataprocWork;
  /** Known once the server listens. */
  readonly origin: () => string;
  /** Begins to listen when the first batch needs it. */
  readonly storageRead: () => Promise<StorageRead>;
  /** Batches act as their accounts. */
  readonly iam: Iam;
}

/** The local Spark. @throws GoogleError where there is none: nothing else does a batch's work unasked */
function localSpark(): LocalSpark {
  const python = currentVenv();
  if (python !== null) return sparkOf(python);
  throw new GoogleError(
    'FAILED_PRECONDITION',
    'The sandbox has no Spark to run a batch on: make it with `npm run venv`, or take `--engine direct`.',
  );
}

/** Fails a batch that nothing could run before it is made. @throws GoogleError */
export function checkBatch(work: DataprocWork, { pysparkBatch }: Json): void {
  if (work === 'spark' || pysparkBatch === undefined) localSpark();
}

/** Runs batches: the built-in application on a local Spark, a jar under its Java. */
export function batchRunner(backend: Backend, store: Store, place: RunnerPlace): BatchRunner {
  return async (batch, output, signal) => {
    const pyspark = objectOr(batch.pysparkBatch);
    const account = accountOf(batch);
    admitAccount(place.iam.caller(account), backend.catalog.project);
    const token = place.iam.token(account);
    if (batch.pysparkBatch === undefined) return runJar(batch, store, place, token, output, signal);
    // Imported with the first batch: the settings' schemas and the direct engine take long to load.
    const { batchArguments } = await import('./arguments.ts');
    const args = batchArguments(pyspark.args);
    if (place.work === 'direct') {
      const { admitConnector, runDirect } = await import('./direct.ts');
      output.write('The sandbox was asked to have the direct engine do the work of batches.\n');
      admitConnector(place.iam.caller(account), backend.catalog.project, args);
      return runDirect(backend, args, { origin: place.origin(), token }, output, signal);
    }
    const cloud = {
      origin: place.origin(),
      token,
      project: backend.catalog.project,
      storageRead: await place.storageRead(),
    };
    const folder = join(place.state, 'dataproc', `run-${batch.uuid}`);
    return runSpark(batch, args, localSpark(), cloud, folder, output, signal);
  };
}

/**
 * A jar of the user's own gets its arguments and nothing else. BIGQUERY_EMULATOR_HOST is the variable by which
 * Google's own client libraries find an emulator.
 */
async function runJar(
  batch: Batch,
  store: Store,
  place: RunnerPlace,
  token: string,
  output: DriverOutput,
  signal: AbortSignal,
): Promise<void> {
  const { env } = localSpark();
  const spark = objectOr(batch.sparkBatch);
  const uris = Array.isArray(spark.jarFileUris) ? spark.jarFileUris.map(String) : [];
  const jars = (await Promise.all(uris.map((uri) => store.resolve(uri)))).flat();
  const args = Array.isArray(spark.args) ? spark.args.map(String) : [];
  const classPath = ['-cp', jars.join(delimiter), text(spark.mainClass) ?? ''];
  await runDriver(
    join(env.JAVA_HOME ?? '', 'bin', 'java'),
    [...classPath, ...args],
    { ...env, BIGQUERY_EMULATOR_HOST: place.origin(), CLOUDSDK_AUTH_ACCESS_TOKEN: token },
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
