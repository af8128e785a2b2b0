import { randomBytes } from 'node:crypto';
import { ResealError } from './errors.ts';

/**
 * Every id of a run derives from the run's own, so that repeating a step meets what the first try left instead of
 * doing it twice. The functions take texts: the job passes values, the workflow the marks of its variables.
 */

/**
 * What a run id looks like. A UUID fits, and with a batch's attempt behind it the 40 characters that a Dataproc
 * request id may have.
 * https://cloud.google.com/dataproc-serverless/docs/reference/rest/v1/projects.locations.batches/create
 */
export const RUN_ID = {
  first: '[a-z0-9]',
  others: '[a-z0-9-]',
  least: 4,
  most: 36,
  words: '4 to 36 lower-case letters, digits and dashes',
} as const;

const PATTERN = new RegExp(`^${RUN_ID.first}${RUN_ID.others}{${RUN_ID.least - 1},${RUN_ID.most - 1}}$`);

/** How many batches, or load jobs, of one run may fail before it is given up. */
export const MAX_ATTEMPTS = 20;

/**
 * A new run's id: sortable by time, told apart at random.
 *
 * @example
 * newRunId(new Date('2026-01-02T03:04:05Z')); // '20260102-030405-9f3a1c'
 */
export function newRunId(now = new Date()): string {
  const time = now
    .toISOString()
    .replace(/[-:]|\..*$/g, '')
    .toLowerCase()
    .replace('t', '-');
  return `${time}-${randomBytes(3).toString('hex')}`;
}

/**
 * The id as given.
 *
 * @example
 * checkRunId('pr-123'); // 'pr-123'
 *
 * @throws ResealError `run-id`
 */
export function checkRunId(id: string): string {
  if (PATTERN.test(id)) return id;
  throw new ResealError('run-id', `"${id}" is not a run id`, {
    hint: `use ${RUN_ID.words}; \`npm run reseal -- history\` lists the runs`,
  });
}

/**
 * Batch ids match [a-z0-9-]{4,63}; a second batch of a resumed run needs an id of its own.
 *
 * @example
 * batchId('pr-123', 1); // 'reseal-pr-123'
 * batchId('pr-123', 2); // 'reseal-pr-123-2'
 */
export const batchId = (runId: string, attempt: number | string): string =>
  attempt === 1 ? `reseal-${runId}` : `reseal-${runId}-${attempt}`;

/**
 * The same for the same batch, so that a repeated request makes no second one.
 *
 * @example
 * requestId('pr-123', 2); // 'pr-123-2'
 */
export const requestId = (runId: string, attempt: number | string): string => `${runId}-${attempt}`;

/**
 * BigQuery job ids take letters, digits, dashes and underscores, up to 1,024 of them.
 *
 * @example
 * loadJobId('pr-123', 1); // 'reseal_pr_123_load_1'
 */
export const loadJobId = (runId: string, attempt: number): string =>
  `reseal_${runId.replaceAll('-', '_')}_load_${attempt}`;
