import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { Statement } from '../../jobs/contract/sql/index.ts';
import { type BigQueryService, bigQueryService } from '../../jobs/google/bigquery.ts';
import { waitLimits } from '../../jobs/google/wait-limits.ts';
import { GoogleError } from '../../sandbox/errors/google-error.ts';
import { endpointsOf } from '../../sandbox/http/endpoints.ts';
import { type Listener, listen } from '../../sandbox/http/serve.ts';
import { EVERYBODY } from '../support/callers.ts';
import { aDeployment } from '../support/deployment.ts';

/** A BigQuery whose jobs run until they are cancelled, if they end at all. */
const deployment = aDeployment();
const PROJECT = '/bigquery/v2/projects/{project}';
const select = { name: 'count', sql: 'SELECT 1 AS n', params: {} } as Statement<never>;
const rows = {
  jobComplete: true,
  schema: { fields: [{ name: 'n', type: 'STRING' }] },
  rows: [{ f: [{ v: '1' }] }],
  totalRows: '1',
};
const LIMITS = { ...waitLimits(deployment), jobMs: 300 };

let listener: Listener;
let inserting: () => Promise<void>;
let afterCancel: () => unknown;
let cancelled: string[];
let inserted: number;
beforeAll(async () => {
  const job = (jobId: string) => ({
    jobReference: { projectId: deployment.project, jobId, location: deployment.location },
    status: { state: 'RUNNING' },
  });
  listener = await listen(
    [
      {
        method: 'POST',
        path: `${PROJECT}/jobs`,
        handle: async () => {
          inserted++;
          await inserting();
          return job('a-job');
        },
      },
      {
        method: 'POST',
        path: `${PROJECT}/jobs/{job}/cancel`,
        handle: ({ params }) => {
          cancelled.push(params.job ?? '');
          return { job: job(params.job ?? '') };
        },
      },
      {
        method: 'GET',
        path: `${PROJECT}/queries/{job}`,
        handle: async () => {
          while (cancelled.length === 0) await sleep(10);
          return (await afterCancel()) as typeof rows;
        },
      },
    ],
    () => EVERYBODY,
  );
});
afterAll(() => listener.close());

let end: AbortController;
let bigquery: BigQueryService;
beforeEach(async () => {
  [cancelled, inserted] = [[], 0];
  inserting = async () => {};
  afterCancel = () => {
    throw new GoogleError('INVALID_ARGUMENT', 'Job execution was cancelled', { reason: 'stopped' });
  };
  end = new AbortController();
  bigquery = await bigQueryService(deployment, endpointsOf(listener.origin, 'any'), end.signal, LIMITS);
});

it('cancels a job that does not end, and says how to look at it', async () => {
  const error = await bigquery.query(select, {}).catch((failure: unknown) => failure);
  const [id] = cancelled;
  expect(error).toMatchObject({
    code: 'job-stuck',
    message: `BigQuery, step count: job ${id} did not end within 0.3 s and was told to stop`,
    hint: expect.stringMatching(`^\`bq show -j a-project:us-central1\\.${id}\` .*--resume`),
  });
  expect(inserted).toBe(1);
});

it('takes the rows of a job that ends well before it is cancelled', async () => {
  afterCancel = () => rows;
  expect(await bigquery.query(select, {})).toEqual([{ n: '1' }]);
});

it('cancels by its name a job of which it has not heard', async () => {
  inserting = () => sleep(60_000, undefined, { ref: false });
  const asked = bigquery.query(select, {}, 100);
  const failed = expect(asked).rejects.toMatchObject({ code: 'job-stuck' });
  while (cancelled.length === 0) await sleep(10);
  expect(cancelled[0]).toMatch(/^reseal_count_/);
  end.abort();
  await failed;
});

it('leaves no reader of pages waiting', async () => {
  const reading = bigquery.pages(select, {}, end.signal).next();
  await expect(reading).rejects.toMatchObject({ code: 'job-stuck' });
});

it('takes the job that the first of two requests made', async () => {
  inserting = async () => {
    throw new GoogleError('ALREADY_EXISTS', 'Already Exists: Job a-project:us-central1.a-job');
  };
  afterCancel = () => rows;
  cancelled.push('nothing: the answer comes at once');
  expect(await bigquery.query(select, {})).toEqual([{ n: '1' }]);
});
