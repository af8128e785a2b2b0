import type { BigQuery, Job } from '@google-cloud/bigquery';
import type { Deployment } from '../contract/deployment.ts';
import { ResealError } from '../contract/errors.ts';
import { MAX_ATTEMPTS } from '../contract/ids.ts';
import { isTakenOver, unlessAborted, within } from '../google/bounds.ts';
import { bigQueryFailure, googleFailure } from '../google/failures.ts';
import { ANSWER_MS, jobStuck, STOP_MS, unanswered, waitLimits } from '../google/wait-limits.ts';

/**
 * Jobs of BigQuery whose ids derive from the run's: load jobs and the query job that seals. What such a job has done,
 * a later process finds by its id, so no step of a run is done twice.
 */

/** How long a last request to BigQuery may take once a run has been interrupted. */
const LAST_MS = 1_500;
/** A cancelled job ends in a moment, or comes through: it is waited for so long. */
const CANCEL_MS = 30_000;

/** A step of a run, and the ids that its jobs have, attempt by attempt from 1. */
export interface JobStep {
  readonly name: string;
  readonly idOf: (attempt: number) => string;
}

/** One attempt at a step. */
export interface JobAttempt {
  readonly id: string;
  /** From 1. */
  readonly attempt: number;
  /** Whether an earlier process has finished it. */
  readonly done: boolean;
}

/** What BigQuery ended a job with. */
export class JobFailed extends Error {}

/** @throws Error for a client that does not answer. */
const answered = <T>(asking: Promise<T>): Promise<T> => within(ANSWER_MS, asking, unanswered);

/** The client looks at the job every half second for as long as somebody listens. */
export const jobDone = (job: Job): Promise<void> =>
  new Promise((resolve, reject) => {
    job.on('complete', () => resolve());
    job.on('error', reject);
  });

/**
 * Waits for a job that ends well. Cancels it when the signal is given or when it does not end in time, which BigQuery
 * may answer with "too late".
 *
 * @throws JobFailed with BigQuery's own error as its cause, ResealError `job-stuck`, the signal's reason
 */
export async function awaitJob(
  job: Job,
  deployment: Deployment,
  step: string,
  signal: AbortSignal,
  jobMs: number,
): Promise<void> {
  const stuck = jobStuck(deployment, step, job.id ?? '', jobMs);
  try {
    await unlessAborted(
      within(jobMs, jobDone(job), () => stuck),
      signal,
    );
  } catch (error) {
    if (error === stuck) return giveUp(job, stuck);
    if (!signal.aborted) return checkEnd(job, error);
    job.removeAllListeners('complete');
    if (!isTakenOver(signal)) await within(LAST_MS, job.cancel(), () => new Error('late')).catch(() => {});
    throw signal.reason;
  }
}

/**
 * How a job ended whose end could not be waited for. Only what BigQuery says of the job itself is its failure: a look
 * that failed says nothing, and the job may yet come through.
 */
async function checkEnd(job: Job, cause: unknown): Promise<void> {
  const [{ status }] = await answered(job.getMetadata());
  if (status?.state !== 'DONE') throw cause;
  if (status.errorResult !== undefined) throw new JobFailed('the job failed', { cause });
}

/** Cancels a job that does not end. One that comes through all the same is taken by who resumes the run. */
export async function giveUp(job: Job, stuck: Error): Promise<never> {
  job.removeAllListeners('complete');
  await within(STOP_MS, job.cancel(), () => stuck).catch(() => {});
  throw stuck;
}

/** Whether BigQuery knows a job. */
async function isThere(job: Job, signal: AbortSignal): Promise<boolean> {
  try {
    await unlessAborted(answered(job.getMetadata()), signal);
    return true;
  } catch (error) {
    if (googleFailure(error).status === 'NOT_FOUND') return false;
    throw error;
  }
}

/** Which attempts count. */
export interface Choice {
  /** None that an earlier process has begun. */
  readonly anew?: boolean | undefined;
  /** None before this one. */
  readonly from?: number | undefined;
  /** None of these. */
  readonly spent?: readonly string[] | undefined;
  /** Called with the one to go on with before it is waited for. */
  readonly begin?: ((attempt: string) => Promise<void>) | undefined;
}

/**
 * The attempt of a step to go on with: the one that an earlier process finished, else the first that nobody has begun.
 * One that is at work is waited for.
 */
export async function nextAttempt(
  client: BigQuery,
  deployment: Deployment,
  { name, idOf }: JobStep,
  { anew = false, from = 1, spent = [], begin }: Choice,
  signal: AbortSignal,
  { jobMs } = waitLimits(deployment),
): Promise<JobAttempt> {
  const { location } = deployment;
  try {
    for (let attempt = from; attempt <= MAX_ATTEMPTS; attempt++) {
      const id = idOf(attempt);
      if (spent.includes(id)) continue;
      const job = client.job(id, { location });
      const there = await isThere(job, signal);
      const { state, errorResult } = job.metadata?.status ?? {};
      if (state === 'DONE' && (anew || errorResult !== undefined)) continue;
      await begin?.(id);
      if (!there) return { id, attempt, done: false };
      const done = await awaitJob(job, deployment, name, signal, jobMs).then(
        () => true,
        (error: unknown) => {
          if (error instanceof JobFailed) return false;
          throw error;
        },
      );
      if (done && !anew) return { id, attempt, done };
    }
    throw new ResealError(
      'bigquery',
      `BigQuery, step ${name}: ${MAX_ATTEMPTS} jobs of this step failed, or were for nothing`,
      { hint: 'no further one is made: mend what they failed of, abandon this run and start a new one' },
    );
  } catch (error) {
    throw signal.aborted ? error : bigQueryFailure(name, error);
  }
}

/** Cancels a step's jobs that are still at work, waits for their end and returns their ids. */
export async function cancelJobs(
  client: BigQuery,
  { location }: Deployment,
  { name, idOf }: JobStep,
  signal: AbortSignal,
): Promise<string[]> {
  const ended: string[] = [];
  try {
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const id = idOf(attempt);
      const job = client.job(id, { location });
      if (!(await isThere(job, signal))) break;
      if (job.metadata?.status?.state === 'DONE') continue;
      await unlessAborted(answered(job.cancel()), signal);
      const late = () => new Error(`job ${id} does not end`);
      await unlessAborted(
        within(
          CANCEL_MS,
          jobDone(job).catch(() => {}),
          late,
        ),
        signal,
      );
      ended.push(id);
    }
    return ended;
  } catch (error) {
    throw signal.aborted ? error : bigQueryFailure(name, error);
  }
}
