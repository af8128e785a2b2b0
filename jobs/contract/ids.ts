import { createHash, randomBytes } from 'node:crypto';
import type { Deployment } from './deployment.ts';
import { ResealError } from './errors.ts';

/**
 * Every id of a run derives from the run's own, so that repeating a step meets what the first try left instead of
 * doing it twice. The functions take texts: the job passes values, the workflow the marks of its variables.
 */

/**
 * What stands between a run's id and the number of a wave or an attempt. No run id has it, so what belongs to one run
 * never bears a name that another run could have.
 */
export const SEPARATOR = '--';

/**
 * What a run id looks like, which has no `SEPARATOR` in it. A UUID fits, which an execution of the workflow has, and
 * with a wave and an attempt behind it the 63 characters that the id of a batch may have.
 * https://cloud.google.com/dataproc-serverless/docs/reference/rest/v1/projects.locations.batches/create
 */
export const RUN_ID = {
  first: '[a-z0-9]',
  others: '[a-z0-9-]',
  least: 4,
  most: 36,
  words: '4 to 36 lower-case letters, digits and dashes, no two dashes in a row',
} as const;

const PATTERN = new RegExp(`^${RUN_ID.first}${RUN_ID.others}{${RUN_ID.least - 1},${RUN_ID.most - 1}}$`);

/** How many batches, or load jobs, of one wave may fail before the run is given up. */
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
 * The id as given, of a run that there may be already: one that an older version began may have the separator in it.
 *
 * @example
 * checkRunId('pr-123'); // 'pr-123'
 *
 * @throws ResealError `run-id`
 */
export function checkRunId(id: string): string {
  if (PATTERN.test(id)) return id;
  throw noRunId(id);
}

/**
 * The id as given, for a new run.
 *
 * @example
 * checkNewRunId('pr-123'); // 'pr-123'
 *
 * @throws ResealError `run-id`
 */
export function checkNewRunId(id: string): string {
  if (PATTERN.test(id) && !id.includes(SEPARATOR)) return id;
  throw noRunId(id);
}

const noRunId = (id: string): ResealError =>
  new ResealError('run-id', `"${id}" is not a run id`, {
    hint: `use ${RUN_ID.words}; \`npm run reseal -- history\` lists the runs`,
  });

/**
 * What the ids of a wave's batches and load jobs are made of: the run's own id for the first wave, which most runs
 * have alone. `wave` counts from 0, what people read from 1.
 *
 * @example
 * waveId('pr-123', 0); // 'pr-123'
 * waveId('pr-123', 1); // 'pr-123--w2'
 */
export const waveId = (runId: string, wave: number): string =>
  wave === 0 ? runId : laterWaveId(runId, wave + 1);

/**
 * The same for any wave but the first, by its number from 2.
 *
 * @example
 * laterWaveId('pr-123', 2); // 'pr-123--w2'
 */
export const laterWaveId = (runId: string, number: number | string): string =>
  `${runId}${SEPARATOR}w${number}`;

/**
 * Batch ids match [a-z0-9-]{4,63}; a second batch of a wave needs an id of its own. A repeated request makes no second
 * one: the id is there already. Another stack of the project may have a run of the same id: `stackArguments` tells
 * whose a batch is.
 *
 * @example
 * batchId('pr-123', 1); // 'reseal-pr-123'
 * batchId('pr-123--w2', 2); // 'reseal-pr-123--w2--2'
 */
export const batchId = (wave: string, attempt: number | string): string =>
  attempt === 1 ? `reseal-${wave}` : `reseal-${wave}${SEPARATOR}${attempt}`;

/** Where a run's rows wait for the merge, which no two ledgers have in common. */
export type StagingTable = Pick<Deployment, 'dataset' | 'tables'>;

/**
 * BigQuery job ids take letters, digits, dashes and underscores, up to 1,024 of them. They begin with what tells the
 * staging table from that of another stack in the project, which may have a run of the same id.
 *
 * @example
 * loadJobId(deployment, 'pr-123', 1); // 'reseal_b41a7c_pr_123_load_1'
 */
export const loadJobId = (d: StagingTable, wave: string, attempt: number): string =>
  jobId(d, wave, 'load', attempt);

/**
 * The query job that seals a wave's values inside BigQuery, and the load job that brings it the data keys.
 *
 * @example
 * sealJobId(deployment, 'pr-123', 1); // 'reseal_b41a7c_pr_123_seal_1'
 * keysJobId(deployment, 'pr-123', 1); // 'reseal_b41a7c_pr_123_keys_1'
 */
export const sealJobId = (d: StagingTable, wave: string, attempt: number): string =>
  jobId(d, wave, 'seal', attempt);
export const keysJobId = (d: StagingTable, wave: string, attempt: number): string =>
  jobId(d, wave, 'keys', attempt);

/**
 * What the load jobs of an attempt are made of that is a job itself: they bring the values that a sealing job leaves.
 *
 * @example
 * leftOf(sealJobId(deployment, 'pr-123', 1)); // 'reseal_b41a7c_pr_123_seal_1--left'
 */
export const leftOf = (attempt: string): string => `${attempt}${SEPARATOR}left`;

const jobId = (d: StagingTable, wave: string, step: string, attempt: number): string =>
  `reseal_${tagOf(d)}_${wave.replaceAll('-', '_')}_${step}_${attempt}`;

/** Of one length, so that no part of an id can be taken for another; a project has a handful of staging tables. */
const tagOf = ({ dataset, tables }: StagingTable): string =>
  createHash('sha256').update(`${dataset}.${tables.staging}`).digest('hex').slice(0, 6);
