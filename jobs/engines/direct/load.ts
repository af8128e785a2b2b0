import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { BigQuery, Job } from '@google-cloud/bigquery';
import type { Deployment } from '../../contract/deployment.ts';
import { loadJobId, MAX_ATTEMPTS } from '../../contract/ids.ts';
import { bigQueryFailure, googleFailure } from '../../google/failures.ts';
import type { StageInput } from '../engine.ts';

/** The state of an earlier load job of this run, if there was one. */
async function earlier(
  client: BigQuery,
  id: string,
  location: string,
): Promise<'none' | 'loaded' | 'failed'> {
  const job = client.job(id, { location });
  try {
    await job.getMetadata();
  } catch (error) {
    if (googleFailure(error).status === 'NOT_FOUND') return 'none';
    throw error;
  }
  try {
    await done(job);
    return 'loaded';
  } catch {
    return 'failed';
  }
}

const done = (job: Job): Promise<void> =>
  new Promise((resolve, reject) => {
    job.on('complete', () => resolve());
    job.on('error', reject);
  });

/** One attempt at loading a run's rows. */
export interface Load {
  /** The load job's id. */
  readonly id: string;
  /** What stands in the rows. */
  readonly attempt: string;
  /** Whether an earlier process has finished it. */
  readonly loaded: boolean;
}

/**
 * The run's attempt to go on with: the one that an earlier process finished, unless the rows are to be staged anew,
 * else the first that nobody has begun.
 */
export async function nextLoad(
  client: BigQuery,
  { location }: Deployment,
  { runId, anew, attempt: given }: Pick<StageInput, 'runId' | 'anew' | 'attempt'>,
): Promise<Load> {
  try {
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const id = loadJobId(given ?? runId, attempt);
      const found = await earlier(client, id, location);
      if (found === 'none') return { id, attempt: given ?? id, loaded: false };
      if (found === 'loaded' && !anew) return { id, attempt: given ?? id, loaded: true };
    }
    throw new Error(`${MAX_ATTEMPTS} load jobs of this run failed`);
  } catch (error) {
    throw bigQueryFailure('load', error);
  }
}

/**
 * Loads newline-delimited JSON in one job, which BigQuery takes whole or not at all.
 * https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#JobConfigurationLoad
 */
export async function load(
  client: BigQuery,
  deployment: Deployment,
  id: string,
  lines: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  const target = client.dataset(deployment.dataset).table(deployment.tables.staging);
  const upload = target.createWriteStream({
    jobId: id,
    location: deployment.location,
    sourceFormat: 'NEWLINE_DELIMITED_JSON',
    createDisposition: 'CREATE_NEVER',
    writeDisposition: 'WRITE_APPEND',
  } as Parameters<typeof target.createWriteStream>[0]);
  const loaded = new Promise<void>((resolve, reject) => {
    upload.on('complete', () => resolve());
    upload.on('error', reject);
  });
  try {
    // Whichever fails first is the cause; the other must not be left unhandled.
    await Promise.all([pipeline(Readable.from(lines), upload, { signal }), loaded]);
  } catch (error) {
    throw signal.aborted ? error : bigQueryFailure('load', error);
  }
}
