import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { BigQuery, Job } from '@google-cloud/bigquery';
import type { Deployment } from '../contract/deployment.ts';
import { leftOf, loadJobId, waveId } from '../contract/ids.ts';
import type { TableName } from '../contract/settings/table-settings.ts';
import { type Limit, limited, unlessAborted, within } from '../google/bounds.ts';
import { bigQueryFailure, googleFailure } from '../google/failures.ts';
import { jobStuck, waitLimits } from '../google/wait-limits.ts';
import type { StageInput } from './engine.ts';
import { awaitJob, type Choice, giveUp, type JobStep, jobDone, nextAttempt } from './job-attempts.ts';

/** The load jobs of a wave, or of an attempt that has a name of its own. */
export const loadStep = (deployment: Deployment, wave: string): JobStep => ({
  name: 'load',
  idOf: (attempt) => loadJobId(deployment, wave, attempt),
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
 * The wave's attempt to go on with: the one that an earlier process finished, unless it does not count,
 * else the first that nobody has begun.
 */
export async function nextLoad(
  client: BigQuery,
  deployment: Deployment,
  {
    runId,
    wave,
    attempt: given,
    anew,
    spent,
    begin,
  }: Pick<StageInput, 'runId' | 'wave' | 'attempt'> & Choice,
  signal: AbortSignal,
  limits = waitLimits(deployment),
): Promise<Load> {
  const step = loadStep(deployment, given === undefined ? waveId(runId, wave) : leftOf(given));
  const { id, done } = await nextAttempt(client, deployment, step, { anew, spent, begin }, signal, limits);
  return { id, attempt: given ?? id, loaded: done };
}

/**
 * The same lines. The limit runs while nobody takes the one at hand, and once there are no more. `failed` hears what the
 * lines themselves fail with.
 */
async function* timed(
  lines: AsyncIterable<Uint8Array>,
  limit: Limit,
  failed: (error: unknown) => void,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const some of lines) {
      limit.start();
      yield some;
      limit.stop();
    }
  } catch (error) {
    failed(error);
    throw error;
  }
  limit.start();
}

/**
 * Loads newline-delimited JSON in one job, which BigQuery takes whole or not at all. The job's limit does not count the
 * time that `lines` take: a billion values are sealed for longer than BigQuery lets a job run.
 * https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#JobConfigurationLoad
 *
 * @throws ResealError for what BigQuery answers, whatever `lines` throw, the signal's reason
 */
export async function load(
  client: BigQuery,
  deployment: Deployment,
  id: string,
  lines: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
  { jobMs } = waitLimits(deployment),
  into: TableName = 'staging',
): Promise<void> {
  const target = client.dataset(deployment.dataset).table(deployment.tables[into]);
  const upload = target.createWriteStream({
    jobId: id,
    location: deployment.location,
    sourceFormat: 'NEWLINE_DELIMITED_JSON',
    createDisposition: 'CREATE_NEVER',
    writeDisposition: 'WRITE_APPEND',
  } as Parameters<typeof target.createWriteStream>[0]);
  const job = client.job(id, { location: deployment.location });
  let uploaded: Job | null = null;
  upload.on('job', (made: Job) => {
    uploaded = made;
  });
  const loaded = new Promise<void>((resolve, reject) => {
    upload.on('complete', () => resolve());
    upload.on('error', reject);
  });
  const stuck = jobStuck(deployment, 'load', id, jobMs);
  const limit = limited(jobMs, () => stuck);
  const end = new AbortController();
  const ending = AbortSignal.any([signal, end.signal]);
  let ofLines: { readonly error: unknown } | null = null;
  const failed = (error: unknown): void => {
    ofLines = { error };
  };
  try {
    // Whichever fails first is the cause; the other must not be left unhandled.
    const taken = pipeline(Readable.from(timed(lines, limit, failed)), upload, { signal: ending });
    const both = Promise.all([taken, loaded]);
    await unlessAborted(Promise.race([both, limit.over]), signal);
  } catch (error) {
    if (signal.aborted) {
      if (uploaded !== null) await awaitJob(uploaded, deployment, 'load', signal, jobMs).catch(() => {});
      throw signal.reason;
    }
    if (error === stuck) {
      end.abort(stuck);
      // The upload looks at its own job until somebody says otherwise.
      (uploaded as Job | null)?.removeAllListeners('complete');
      return giveUp(job, stuck);
    }
    // Nothing that BigQuery has said: the rows could not be read, opened or sealed.
    if (ofLines !== null) throw (ofLines as { readonly error: unknown }).error;
    // Another process drives this run too, or this one's first answer was lost: the rows of one run are the same. Data keys
    // of another process are not, which the statement that works with them finds out.
    if (googleFailure(error).status === 'ALREADY_EXISTS') return existing(job, stuck, signal, jobMs);
    throw bigQueryFailure('load', error);
  } finally {
    limit.stop();
  }
}

/** Takes the job that has this run's id for its own. */
async function existing(job: Job, stuck: Error, signal: AbortSignal, jobMs: number): Promise<void> {
  const inTime = within(jobMs, jobDone(job), () => stuck);
  try {
    await unlessAborted(inTime, signal);
  } catch (error) {
    if (error === stuck) return giveUp(job, stuck);
    throw signal.aborted ? signal.reason : bigQueryFailure('load', error);
  }
}
