import { randomBytes } from 'node:crypto';
import { ResealError } from './errors.ts';

/**
 * Every id of a run derives from the run's own, so that repeating a step meets what the first try left
 * instead of doing it twice. A UUID fits, and with a batch's attempt behind it the 40 characters that a Dataproc
 * request id may have.
 * https://cloud.google.com/dataproc-serverless/docs/reference/rest/v1/projects.locations.batches/create
 */
const RUN_ID = /^[a-z0-9][a-z0-9-]{3,35}$/;

/** A new run's id: sortable by time, told apart at random. */
export function newRunId(now = new Date()): string {
  const time = now
    .toISOString()
    .replace(/[-:]|\..*$/g, '')
    .toLowerCase()
    .replace('t', '-');
  return `${time}-${randomBytes(3).toString('hex')}`;
}

/** The id as given, or ResealError `run-id`. */
export function checkRunId(id: string): string {
  if (RUN_ID.test(id)) return id;
  throw new ResealError('run-id', `"${id}" is not a run id`, {
    hint: 'use 4 to 36 lower-case letters, digits and dashes; `npm run reseal -- history` lists the runs',
  });
}

/** Batch ids match [a-z0-9-]{4,63}; a second batch of a resumed run needs an id of its own. */
export const batchId = (runId: string, attempt: number): string =>
  attempt === 1 ? `reseal-${runId}` : `reseal-${runId}-${attempt}`;

/** The same for the same batch, so that a repeated request makes no second one. */
export const requestId = (runId: string, attempt: number): string => `${runId}-${attempt}`;

/** BigQuery job ids take letters, digits, dashes and underscores, up to 1,024 of them. */
export const loadJobId = (runId: string, attempt: number): string =>
  `reseal_${runId.replaceAll('-', '_')}_load_${attempt}`;
