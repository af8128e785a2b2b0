import type { Deployment } from './deployment.ts';
import { ResealError } from './errors.ts';
import type { Mode } from './sql/index.ts';

/**
 * The Dataproc batch, in the REST form that the workflow posts and the client library's IBatch shares.
 * https://cloud.google.com/dataproc-serverless/docs/reference/rest/v1/projects.locations.batches#Batch
 */
export interface BatchBody {
  readonly pysparkBatch?: {
    readonly mainPythonFileUri: string;
    readonly pythonFileUris: readonly string[];
    readonly archiveUris: readonly string[];
    readonly args: readonly string[];
  };
  readonly sparkBatch?: {
    readonly mainClass: string;
    readonly jarFileUris: readonly string[];
    readonly args: readonly string[];
  };
  readonly runtimeConfig: { readonly version: string; readonly properties: Readonly<Record<string, string>> };
  readonly environmentConfig: {
    readonly executionConfig: {
      readonly serviceAccount: string;
      readonly subnetworkUri: string;
      readonly stagingBucket: string;
      readonly ttl: string;
    };
  };
  readonly labels: Readonly<Record<string, string>>;
}

/** What differs from run to run. The job passes values, the workflow its expressions. */
export interface BatchRun {
  readonly runId: string;
  /** The batch's own id, which stands in every row that it stages. */
  readonly attempt: string;
  readonly mode: Mode | string;
  readonly snapshotMillis: string;
  readonly idFrom: string;
  readonly idCutoff: string;
  /** The wave of data keys, from 0, of how many. */
  readonly wave: string;
  readonly waves: string;
  readonly keysetVersion: string;
  /** The CryptoKey that wraps that version. */
  readonly kmsKey: string;
  /** The seed's row limit, 0 for none: a jar goes by it, the built-in application by the cut-off. */
  readonly limit: string;
}

/** Cores of the driver and of each executor. https://cloud.google.com/dataproc-serverless/docs/concepts/properties */
export const CORES = 4;
/** Executors that a batch begins with, before dynamic allocation; the same page. */
export const FIRST_EXECUTORS = 2;

/**
 * The vCPUs that a batch takes, at its start and at the most: Compute Engine's quota `CPUS` of the region has to have
 * the former free, or the batch fails. https://cloud.google.com/dataproc-serverless/quotas
 *
 * @example
 * batchVcpus(8); // { start: 12, most: 36 }
 */
export const batchVcpus = (maxExecutors: number): { start: number; most: number } => ({
  start: CORES * (1 + FIRST_EXECUTORS),
  most: CORES * (1 + maxExecutors),
});

/** Where the wheels are unpacked in an executor's working directory; the part after # of the archive's URI. */
const WHEELS = 'wheels';

/**
 * The arguments of a batch by which it is this stack's, and not that of another stack in the project that has a run of
 * the same id: no two stacks have a staging table in common.
 *
 * @example
 * stackArguments(deployment); // ['--dataset-id=encryption_poc', '--destination-table=users_temp']
 */
export const stackArguments = (d: Deployment): readonly [string, string] => [
  `--dataset-id=${d.dataset}`,
  `--destination-table=${d.tables.staging}`,
];

/**
 * The arguments that the daily batch always had, in its order.
 *
 * @example
 * seedArguments(deployment, '0')[0]; // '--project-id=my-project'
 */
export function seedArguments(d: Deployment, limit: string): string[] {
  const [dataset, destination] = stackArguments(d);
  return [
    `--project-id=${d.project}`,
    `--bigquery-location=${d.location}`,
    dataset,
    `--source-table=${d.tables.source}`,
    destination,
    `--google-cloud-bucket=gs://${d.bucket}/${d.tempFolder}`,
    `--read-limit-rows=${limit}`,
  ];
}

/**
 * The built-in application's own arguments; docs/spark.md describes each.
 *
 * @example
 * ownArguments(deployment, run)[0]; // '--run-id=pr-123'
 */
export const ownArguments = (d: Deployment, run: BatchRun): string[] => [
  `--run-id=${run.runId}`,
  `--attempt=${run.attempt}`,
  `--snapshot-millis=${run.snapshotMillis}`,
  `--mode=${run.mode}`,
  `--id-from=${run.idFrom}`,
  `--id-cutoff=${run.idCutoff}`,
  `--wave=${run.wave}`,
  `--waves=${run.waves}`,
  `--id-column=${d.idColumn}`,
  `--id-type=${d.idType}`,
  `--fields=${JSON.stringify(d.fields)}`,
  `--rejected-table=${d.tables.rejected}`,
  `--keysets-table=${d.tables.keysets}`,
  `--runs-table=${d.tables.runs}`,
  ...(d.partitionColumn === null ? [] : [`--partition-column=${d.partitionColumn}`]),
  `--keyset-version=${run.keysetVersion}`,
  `--source-format=${d.sourceFormat}`,
  `--unauthenticated=${d.unauthenticated}`,
  `--keying=${d.keying}`,
  `--store-plaintext=${d.storePlaintext}`,
  `--source-kek=${d.sourceKek}`,
  `--bigquery-kek=${run.kmsKey}`,
  `--kms-calls-per-second=${d.batch.kmsCallsPerSecond}`,
  '--storage=bigquery',
];

function work(d: Deployment, run: BatchRun): Pick<BatchBody, 'pysparkBatch' | 'sparkBatch'> {
  const { jarFile, mainClass, application } = d.batch;
  if (jarFile !== null && mainClass !== null)
    return { sparkBatch: { mainClass, jarFileUris: [jarFile], args: seedArguments(d, run.limit) } };
  if (application === null)
    throw new ResealError('bundle-missing', 'the stack holds no PySpark application to run', {
      hint: 'run `npm run bundle`, then `pulumi up`',
    });
  return {
    pysparkBatch: {
      mainPythonFileUri: application.main,
      pythonFileUris: [application.package],
      archiveUris: [`${application.wheels}#${WHEELS}`],
      args: [...seedArguments(d, run.limit), ...ownArguments(d, run)],
    },
  };
}

/** Who a batch runs as, and where. */
function place({ batch: { serviceAccount, subnetwork } }: Deployment) {
  if (serviceAccount !== null && subnetwork !== null) return { serviceAccount, subnetworkUri: subnetwork };
  throw new ResealError('engine-not-allowed', 'the stack has neither an account nor a network for batches', {
    hint: 'add dataproc to reseal:engines, then `pulumi up`',
  });
}

/**
 * The body of a batches.create. Throws ResealError `bundle-missing`, or `engine-not-allowed` where the stack has nothing
 * that batches need.
 *
 * @example
 * const body = batchBody(deployment, { runId: 'pr-123', attempt: 'reseal-pr-123', … });
 * body.runtimeConfig.version; // '2.3'
 */
export function batchBody(d: Deployment, run: BatchRun): BatchBody {
  return {
    ...work(d, run),
    runtimeConfig: {
      version: d.batch.runtimeVersion,
      properties: {
        // The runtime's own connector changes from release to release.
        'dataproc.sparkBqConnector.version': d.batch.bigqueryConnectorVersion,
        // Unbounded, dynamic allocation goes to 1,000 executors and KMS with it.
        'spark.dynamicAllocation.maxExecutors': String(d.batch.maxExecutors),
        // A progress bar would stand before the application's own lines in the driver's output.
        'spark.ui.showConsoleProgress': 'false',
      },
    },
    environmentConfig: {
      executionConfig: {
        ...place(d),
        stagingBucket: d.bucket,
        ttl: `${d.batch.ttlMinutes * 60}s`,
      },
    },
    labels: { ...d.batch.labels, 'reseal-run': run.runId },
  };
}
