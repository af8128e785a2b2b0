import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { BigQuery, Job } from '@google-cloud/bigquery';
import type { Deployment } from '../../contract/deployment.ts';
import { loadJobId, MAX_ATTEMPTS } from '../../contract/ids.ts';
import { bigQueryFailure, googleFailure } from '../../google/failures.ts';

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

/** A load job of a run that is still to be done. */
export interface NewLoad {
  readonly client: BigQuery;
  readonly deployment: Deployment;
  readonly id: string;
}

/**
 * The run's load job into the staging table. Its id derives from the run's: a load that an earlier try finished
 * is not repeated, and the answer is null.
 */
export async function newLoad(
  client: BigQuery,
  deployment: Deployment,
  runId: string,
): Promise<NewLoad | null> {
  try {
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const id = loadJobId(runId, attempt);
      const found = await earlier(client, id, deployment.location);
      if (found === 'loaded') return null;
      if (found === 'none') return { client, deployment, id };
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
  { client, deployment, id }: NewLoad,
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
