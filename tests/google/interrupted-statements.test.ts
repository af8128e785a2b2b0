import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Statement } from '../../jobs/contract/sql/index.ts';
import { type BigQueryService, bigQueryService } from '../../jobs/google/bigquery.ts';
import { GoogleError } from '../../sandbox/errors/google-error.ts';
import { endpointsOf } from '../../sandbox/http/endpoints.ts';
import { type Listener, listen } from '../../sandbox/http/serve.ts';
import { EVERYBODY } from '../support/callers.ts';
import { aDeployment } from '../support/deployment.ts';

/** What becomes of a statement when the run is told to end, with a BigQuery that answers as the test says. */
const deployment = aDeployment();
const PROJECT = '/bigquery/v2/projects/{project}';
const select = { name: 'count', sql: 'SELECT 1 AS n', params: {} } as Statement<never>;
const never = () => sleep(600_000, undefined, { ref: false });
const rows = {
  jobComplete: true,
  schema: { fields: [{ name: 'n', type: 'STRING' }] },
  rows: [{ f: [{ v: '1' }] }],
  totalRows: '1',
};

let listener: Listener;
let answer: () => Promise<unknown>;
let cancelled: number;
let asked: number;
beforeAll(async () => {
  const jobReference = { projectId: deployment.project, jobId: 'a-job', location: deployment.location };
  const job = () => ({ jobReference, status: { state: 'RUNNING' } });
  listener = await listen(
    [
      { method: 'POST', path: `${PROJECT}/jobs`, handle: job },
      {
        method: 'POST',
        path: `${PROJECT}/jobs/{job}/cancel`,
        handle: () => {
          cancelled++;
          return { job: job() };
        },
      },
      {
        method: 'GET',
        path: `${PROJECT}/queries/{job}`,
        handle: async () => {
          asked++;
          return (await answer()) as typeof rows;
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
  [cancelled, asked] = [0, 0];
  end = new AbortController();
  bigquery = await bigQueryService(deployment, endpointsOf(listener.origin, 'any'), end.signal);
});

async function waitFor(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(10);
}

describe('a statement under way when the run is told to end', () => {
  it('is cancelled, and not waited for longer than a moment', async () => {
    answer = never;
    const failed = expect(bigquery.query(select, {})).rejects.toMatchObject({ code: 'bigquery-late' });
    await waitFor(() => asked > 0);
    const began = performance.now();
    end.abort();
    await failed;
    expect(performance.now() - began).toBeLessThan(2_500);
    expect(cancelled).toBe(1);
  });

  it('counts as done where it ends well before it is cancelled', async () => {
    answer = async () => {
      await waitFor(() => cancelled > 0);
      return rows;
    };
    const result = bigquery.query(select, {});
    await waitFor(() => asked > 0);
    end.abort();
    expect(await result).toEqual([{ n: '1' }]);
  });

  it('fails as BigQuery says where that stopped it', async () => {
    answer = async () => {
      await waitFor(() => cancelled > 0);
      throw new GoogleError('INVALID_ARGUMENT', 'Job execution was cancelled', { reason: 'stopped' });
    };
    const failed = expect(bigquery.query(select, {})).rejects.toMatchObject({ code: 'bigquery' });
    await waitFor(() => asked > 0);
    end.abort();
    await failed;
  });

  it('is cancelled by a signal of its own, too, and waited for as long as that takes', async () => {
    answer = async () => {
      await waitFor(() => cancelled > 0);
      throw new GoogleError('INVALID_ARGUMENT', 'Job execution was cancelled', { reason: 'stopped' });
    };
    const own = new AbortController();
    const failed = expect(bigquery.query(select, {}, 60_000, own.signal)).rejects.toThrow('cancelled');
    await waitFor(() => asked > 0);
    const began = performance.now();
    own.abort();
    await failed;
    expect(performance.now() - began).toBeLessThan(2_500);
    expect(cancelled).toBe(1);
  });

  it('leaves no reader of its pages waiting', async () => {
    answer = never;
    const reading = bigquery.pages(select, {}, end.signal).next();
    const failed = expect(reading).rejects.toBe('the end');
    await waitFor(() => asked > 0);
    end.abort('the end');
    await failed;
    await waitFor(() => cancelled === 1);
  });
});

describe('a statement issued afterwards, which records the end', () => {
  it('is carried out', async () => {
    answer = async () => rows;
    end.abort();
    expect(await bigquery.query(select, {})).toEqual([{ n: '1' }]);
  });

  it('has to come through in a moment', async () => {
    answer = never;
    end.abort();
    const began = performance.now();
    await expect(bigquery.query(select, {})).rejects.toMatchObject({ code: 'bigquery-late' });
    expect(performance.now() - began).toBeLessThan(2_500);
  });
});
