import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { BigQuery, Job } from '@google-cloud/bigquery';
import type { Deployment } from '../../deployment.ts';
import { type ApiFailure, bigQueryFailure } from '../../failures.ts';
import { jobId } from '../../ids.ts';

const MAX_ATTEMPTS = 20;

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
    if ((error as ApiFailure).code === 404) return 'none';
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

/**
 * Loads newline-delimited JSON into the staging table in one load job, which BigQuery takes whole or not at
 * all. The job's id derives from the run's: a load that an earlier try finished is not repeated, and the
 * answer is false.
 * https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#JobConfigurationLoad
 */
export async function loadOnce(
  client: BigQuery,
  deployment: Deployment,
  runId: string,
  lines: () => AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const id = jobId(runId, 'load', attempt);
      const found = await earlier(client, id, deployment.location);
      if (found === 'loaded') return false;
      if (found === 'failed') continue;
      await load(client, deployment, id, Readable.from(lines()), signal);
      return true;
    }
    throw new Error(`${MAX_ATTEMPTS} load jobs of this run failed`);
  } catch (error) {
    if (signal.aborted) throw error;
    throw bigQueryFailure('load', error);
  }
}

async function load(
  client: BigQuery,
  d: Deployment,
  id: string,
  lines: Readable,
  signal: AbortSignal,
): Promise<void> {
  const target = client.dataset(d.dataset).table(d.tables.staging);
  const upload = target.createWriteStream({
    jobId: id,
    location: d.location,
    sourceFormat: 'NEWLINE_DELIMITED_JSON',
    createDisposition: 'CREATE_NEVER',
    writeDisposition: 'WRITE_APPEND',
  } as Parameters<typeof target.createWriteStream>[0]);
  const loaded = new Promise<void>((resolve, reject) => {
    upload.on('complete', () => resolve());
    upload.on('error', reject);
  });
  // Whichever fails first is the cause; the other must not be left unhandled.
  await Promise.all([pipeline(lines, upload, { signal }), loaded]);
}
