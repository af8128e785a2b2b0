import type { EngineName } from './settings/choices.ts';

/**
 * The job as it is deployed: a Cloud Run job of one task that carries out a run inside BigQuery for the workflow, which
 * could not keep data keys to itself. The program makes it, the workflow starts it, jobs/cloud-run is what it runs.
 * https://cloud.google.com/run/docs/create-jobs
 */

/** Where the stack's bucket is mounted, read-only. https://cloud.google.com/run/docs/configuring/jobs/cloud-storage-volume-mounts */
export const MOUNT = '/mnt/reseal';

/** The file of the bundle that it runs. */
export const JOB_FILE = 'job.mjs';

/** The environment variable that has the stack's deployment, as JSON: no part of it is a secret. */
export const DEPLOYMENT_VARIABLE = 'RESEAL_DEPLOYMENT';

/** The one in which a sandbox says where its services are, as JSON; nobody sets it on Google Cloud. */
export const ENDPOINTS_VARIABLE = 'RESEAL_ENDPOINTS';

/** Cloud Run names the execution in it. https://cloud.google.com/run/docs/container-contract#jobs-env-vars */
export const EXECUTION_VARIABLE = 'CLOUD_RUN_EXECUTION';

/**
 * Runs the file in the bucket if it is still the one that was deployed: others than who deploys may write there. What has
 * been looked at is what is run, from memory, as all of a task's own files are.
 * https://cloud.google.com/run/docs/container-contract#filesystem
 */
const LOADER = `
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
const [node, mounted, digest, ...args] = process.argv;
const code = readFileSync(mounted);
if (createHash('sha256').update(code).digest('hex') !== digest) throw new Error(mounted + ' is not what was deployed');
const file = join(mkdtempSync(join(tmpdir(), 'reseal-')), '${JOB_FILE}');
writeFileSync(file, code);
process.argv = [node, file, ...args];
await import(pathToFileURL(file).href);
`;

/**
 * The command of the job's container; the arguments of an execution follow it.
 *
 * @param object the name of the file in the bucket
 * @param digest its SHA-256, in hex
 */
export const jobCommand = (object: string, digest: string): string[] => [
  'node',
  '--input-type=module',
  `--eval=${LOADER}`,
  '--',
  `${MOUNT}/${object}`,
  digest,
];

/** What Node runs on: Google's own image of the region. https://cloud.google.com/docs/buildpacks/base-images */
export const jobImage = (location: string): string =>
  `${location}-docker.pkg.dev/serverless-runtimes/google-22/runtimes/nodejs22`;

/** What one task has: unwrapping is its only work of any size, and the bundle's files count as memory. */
export const TASK = { cpu: '1', memory: '1Gi', timeoutSeconds: 24 * 3600 } as const;

/** The settings by which a stack has what carries runs out. */
export interface EngineSettings {
  readonly engines: readonly EngineName[];
  readonly jarFile?: string | null | undefined;
}

/** Whether a stack deploys the job: a jar of the user's own runs in batches alone. */
export const deploysJob = (settings: EngineSettings): boolean =>
  settings.engines.includes('bigquery') && (settings.jarFile ?? null) === null;

/**
 * The id of a stack's Cloud Run job within project and region.
 *
 * @example
 * cloudRunJobId('dev'); // 'reseal-dev'
 */
export const cloudRunJobId = (stack: string): string => `reseal-${stack}`;

/** A process of the job as the owner of a run. */
export interface JobOwner {
  /** The id of the execution that started it. */
  readonly execution: string;
  /** Tells it from another process of the same execution: hexadecimal digits. */
  readonly process: string;
  /** The owner that handed the run over, who may take it back. */
  readonly from: string;
}

/**
 * The owner that a process of the job is.
 *
 * @example
 * cloudRunOwner({ execution: 'reseal-dev-x7k2p', process: '9f3a1c', from: 'workflow:5f2c' });
 * // 'cloud-run:reseal-dev-x7k2p:9f3a1c:workflow:5f2c'
 */
export const cloudRunOwner = ({ execution, process, from }: JobOwner): string =>
  `cloud-run:${execution}:${process}:${from}`;

/**
 * What an owner says of itself; null for one that is no process of the job.
 *
 * @example
 * jobOwner('cloud-run:reseal-dev-x7k2p:9f3a1c:workflow:5f2c')?.execution; // 'reseal-dev-x7k2p'
 */
export function jobOwner(owner: string): JobOwner | null {
  const [, execution, process, from] = /^cloud-run:([^:]+):([^:]+):(.+)$/.exec(owner) ?? [];
  return execution === undefined || process === undefined || from === undefined
    ? null
    : { execution, process, from };
}

/** A regular expression, for RE2, of the owners that one has handed a run to. The workflow passes the mark of its variable. */
export const ownersFrom = (from: string): string => `^cloud-run:[^:]+:[^:]+:${from}$`;

/** The same of the owners that the processes of an execution are. */
export const ownersOf = (execution: string): string => `^cloud-run:${execution}:`;

/** What an execution is started with: the run, the owner that hands it over, and `yes` where it may merge whatever is rejected. */
export interface HandOver {
  readonly run: string;
  readonly from: string;
  readonly acceptRejected: string;
}

/** The arguments of an execution, after the file. The workflow passes marks of its variables. */
export const handOverArguments = ({ run, from, acceptRejected }: HandOver): string[] => [
  `--run=${run}`,
  `--from=${from}`,
  `--accept-rejected=${acceptRejected}`,
];
