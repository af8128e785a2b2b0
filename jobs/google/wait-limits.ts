import type { Deployment } from '../contract/deployment.ts';
import { ResealError } from '../contract/errors.ts';
import { OVERTIME_MINUTES, PENDING_MINUTES } from '../contract/wait-terms.ts';
import { PATIENCE } from './kms.ts';

/** How long what Google works at is waited for. Whatever is later is cancelled, and the run breaks off. */
export interface WaitLimits {
  /** A job of BigQuery, the wait for its turn included; a load job from its last rows on. */
  readonly jobMs: number;
  /** A batch that has not started yet. */
  readonly pendingMs: number;
  /** A batch that has. */
  readonly runningMs: number;
  /** Cloud KMS while its quota is exhausted, and while it fails in another way that may pass. */
  readonly quotaMs: number;
  readonly faultMs: number;
  /** Dataproc and Workflows while they do not say how a batch or an execution stands, in a way that may pass. */
  readonly lookMs: number;
}

const MINUTE_MS = 60_000;

/**
 * BigQuery ends queries, scripts and load jobs after six hours by itself.
 * https://cloud.google.com/bigquery/quotas#query_jobs, https://cloud.google.com/bigquery/quotas#load_jobs
 */
const JOB_MINUTES = 6 * 60;

/**
 * A batch and an execution work on while nobody can look at them. Google's clients repeat calls for so long, but neither
 * GetBatch nor CreateBatch nor GetExecution is among those: `total_timeout_millis` and `non_idempotent` of
 * https://github.com/googleapis/google-cloud-node/blob/main/packages/google-cloud-dataproc/src/v1/batch_controller_client_config.json
 */
const LOOK_MINUTES = 10;

/** What holds unless a caller says otherwise. */
export const waitLimits = ({ batch }: Deployment): WaitLimits => ({
  jobMs: JOB_MINUTES * MINUTE_MS,
  pendingMs: PENDING_MINUTES * MINUTE_MS,
  runningMs: (batch.ttlMinutes + OVERTIME_MINUTES) * MINUTE_MS,
  ...PATIENCE,
  lookMs: LOOK_MINUTES * MINUTE_MS,
});

/** A cancelled job ends in a moment, or comes through all the same: it is waited for so long. */
export const STOP_MS = 30_000;
/** A single answer, once there is nothing more to wait for than the network. */
export const ANSWER_MS = 5 * MINUTE_MS;

/** That a call has not been answered in time. */
export const unanswered = (): Error => new Error(`no answer for ${inWords(ANSWER_MS)}`);

/** That a job of BigQuery did not end in time, how to look at it and how to go on. */
export function jobStuck(
  { project, location }: Deployment,
  step: string,
  id: string,
  ms: number,
): ResealError {
  const job = `${project}:${location}.${id}`;
  return new ResealError(
    'job-stuck',
    `BigQuery, step ${step}: job ${id} did not end within ${inWords(ms)} and was told to stop`,
    {
      hint: `\`bq show -j ${job}\` says what became of it, and \`bq cancel ${job}\` stops it if it still runs; then \`--resume RUN\``,
    },
  );
}

/** That a batch stayed in a state for too long. */
export function batchStuck({ location }: Deployment, name: string, state: string, ms: number): ResealError {
  const id = name.split('/').at(-1);
  const why =
    state === 'PENDING' ? "whether the subnetwork lets the batch's nodes reach each other and Google" : 'why';
  return new ResealError(
    'batch-stuck',
    `${name} was ${state.toLowerCase()} for ${inWords(ms)}, longer than any batch of this stack should be`,
    {
      hint: `\`gcloud dataproc batches describe ${id} --region=${location}\` and its output in Cloud Logging say ${why}; then \`--resume RUN\``,
    },
  );
}

function inWords(ms: number): string {
  if (ms >= 120 * MINUTE_MS) return `${Math.round(ms / (60 * MINUTE_MS))} hours`;
  return ms >= 2 * MINUTE_MS ? `${Math.round(ms / MINUTE_MS)} minutes` : `${ms / 1000} s`;
}
