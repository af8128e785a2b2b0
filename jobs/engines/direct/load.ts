import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { BigQuery, Job } from '@google-cloud/bigquery';
import type { Deployment } from '../../contract/deployment.ts';
import type { ResealError } from '../../contract/errors.ts';
import { loadJobId, MAX_ATTEMPTS, waveId } from '../../contract/ids.ts';
import type { TableName } from '../../contract/settings/table-settings.ts';
import { isTakenOver, unlessAborted, within } from '../../google/bounds.ts';
import { bigQueryFailure, googleFailure } from '../../google/failures.ts';
import { ANSWER_MS, jobStuck, STOP_MS, unanswered, waitLimits } from '../../google/wait-limits.ts';
import type { StageInput } from '../engine.ts';

/** How long a last request to BigQuery may take once a run has been interrupted. */
const LAST_MS = 1_500;

const answered = <T>(asking: Promise<T>): Promise<T> => within(ANSWER_MS, asking, unanswered);

type State = 'none' | 'loaded' | 'failed';

/** The state of an earlier load job of this run, if there was one. */
async function earlier(job: Job, deployment: Deployment, signal: AbortSignal, jobMs: number): Promise<State> {
  try {
    await unlessAborted(answered(job.getMetadata()), signal);
  } catch (error) {
    if (googleFailure(error).status === 'NOT_FOUND') return 'none';
    throw error;
  }
  return outcome(job, deployment, signal, jobMs);
}

/**
 * Waits for the job's end. Cancels it when the signal is given or when it does not end in time, which BigQuery may
 * answer with "too late".
 */
async function outcome(
  job: Job,
  deployment: Deployment,
  signal: AbortSignal,
  jobMs: number,
): Promise<'loaded' | 'failed'> {
  const stuck = stuckLoad(deployment, job.id ?? '', jobMs);
  const inTime = within(jobMs, done(job), () => stuck);
  try {
    await unlessAborted(inTime, signal);
    return 'loaded';
  } catch (error) {
    if (error === stuck) return givenUp(job, stuck);
    if (!signal.aborted) return ended(job, error);
    job.removeAllListeners('complete');
    if (!isTakenOver(signal)) await cancelled(job);
    throw signal.reason;
  }
}

/**
 * How a job ended whose end could not be waited for. Only what BigQuery says of the job itself is its failure: a look
 * that failed says nothing, and the job may yet come through.
 */
async function ended(job: Job, cause: unknown): Promise<'loaded' | 'failed'> {
  const [{ status }] = await answered(job.getMetadata());
  if (status?.state !== 'DONE') throw cause;
  return status.errorResult === undefined ? 'loaded' : 'failed';
}

const stuckLoad = (deployment: Deployment, id: string, jobMs: number): ResealError =>
  jobStuck(deployment, 'load', id, jobMs);

/** Cancels a job that does not end. One that comes through all the same is taken by who resumes the run. */
async function givenUp(job: Job, stuck: ResealError): Promise<never> {
  job.removeAllListeners('complete');
  await within(STOP_MS, job.cancel(), () => stuck).catch(() => {});
  throw stuck;
}

/** The client looks at the job every half second for as long as somebody listens. */
const done = (job: Job): Promise<void> =>
  new Promise((resolve, reject) => {
    job.on('complete', () => resolve());
    job.on('error', reject);
  });

const cancelled = (job: Job): Promise<unknown> =>
  within(LAST_MS, job.cancel(), () => new Error('late')).catch(() => {});

/** A cancelled load ends in a moment, or comes through: it is waited for so long. */
const CANCEL_MS = 30_000;

/** Cancels a wave's load jobs that are still at work, waits for their end and returns their ids. */
export async function cancelLoads(
  client: BigQuery,
  { location }: Deployment,
  wave: string,
  signal: AbortSignal,
): Promise<string[]> {
  const ended: string[] = [];
  try {
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const id = loadJobId(wave, attempt);
      const job = client.job(id, { location });
      const metadata = await unlessAborted(answered(job.getMetadata()), signal).catch((error: unknown) => {
        if (googleFailure(error).status === 'NOT_FOUND') return null;
        throw error;
      });
      if (metadata === null) break;
      if (metadata[0].status?.state === 'DONE') continue;
      await unlessAborted(answered(job.cancel()), signal);
      const late = () => new Error(`load job ${id} does not end`);
      await unlessAborted(
        within(
          CANCEL_MS,
          done(job).catch(() => {}),
          late,
        ),
        signal,
      );
      ended.push(id);
    }
    return ended;
  } catch (error) {
    throw signal.aborted ? error : bigQueryFailure('load', error);
  }
}

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
 * The wave's attempt to go on with: the one that an earlier process finished, unless the rows are to be staged anew,
 * else the first that nobody has begun.
 */
export async function nextLoad(
  client: BigQuery,
  deployment: Deployment,
  { runId, wave, anew, attempt: given }: Pick<StageInput, 'runId' | 'wave' | 'anew' | 'attempt'>,
  signal: AbortSignal,
  { jobMs } = waitLimits(deployment),
): Promise<Load> {
  const { location } = deployment;
  try {
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const id = loadJobId(given ?? waveId(runId, wave), attempt);
      const found = await earlier(client.job(id, { location }), deployment, signal, jobMs);
      if (found === 'none') return { id, attempt: given ?? id, loaded: false };
      if (found === 'loaded' && !anew) return { id, attempt: given ?? id, loaded: true };
    }
    throw new Error(`${MAX_ATTEMPTS} load jobs of this run failed`);
  } catch (error) {
    throw signal.aborted ? error : bigQueryFailure('load', error);
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
  const stuck = stuckLoad(deployment, id, jobMs);
  const end = new AbortController();
  const ending = AbortSignal.any([signal, end.signal]);
  try {
    // Whichever fails first is the cause; the other must not be left unhandled.
    const both = Promise.all([pipeline(Readable.from(lines), upload, { signal: ending }), loaded]);
    const inTime = within(jobMs, both, () => stuck);
    await unlessAborted(inTime, signal);
  } catch (error) {
    if (signal.aborted) {
      if (uploaded !== null) await outcome(uploaded, deployment, signal, jobMs).catch(() => {});
      throw signal.reason;
    }
    if (error === stuck) {
      end.abort(stuck);
      // The upload looks at its own job until somebody says otherwise.
      (uploaded as Job | null)?.removeAllListeners('complete');
      return givenUp(job, stuck);
    }
    // Another process drives this run too, or this one's first answer was lost: the rows of one run are the same.
    if (googleFailure(error).status === 'ALREADY_EXISTS') return existing(job, stuck, signal, jobMs);
    throw bigQueryFailure('load', error);
  }
}

/** Takes the job that has this run's id for its own. */
async function existing(job: Job, stuck: ResealError, signal: AbortSignal, jobMs: number): Promise<void> {
  const inTime = within(jobMs, done(job), () => stuck);
  try {
    await unlessAborted(inTime, signal);
  } catch (error) {
    if (error === stuck) return givenUp(job, stuck);
    throw signal.aborted ? signal.reason : bigQueryFailure('load', error);
  }
}
