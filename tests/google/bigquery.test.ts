import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { type BigQueryService, bigQueryService } from '../../jobs/google/bigquery.ts';
import { endpointsOf } from '../../sandbox/http/endpoints.ts';
import { type Listener, listen } from '../../sandbox/http/serve.ts';
import { EVERYBODY } from '../support/callers.ts';
import { aDeployment } from '../support/deployment.ts';

/** A BigQuery whose jobs are still running the first times that they are asked for. */
let running = 0;
let listener: Listener;
let client: BigQueryService;

beforeAll(async () => {
  const jobReference = { projectId: 'a-project', jobId: 'a-job', location: 'us-central1' };
  const schema = { fields: [{ name: 'n', type: 'INTEGER' }] };
  listener = await listen(
    [
      {
        method: 'POST',
        path: '/bigquery/v2/projects/{project}/jobs',
        handle: () => ({ jobReference, status: { state: 'RUNNING' } }),
      },
      {
        method: 'GET',
        path: '/bigquery/v2/projects/{project}/queries/{job}',
        handle: () =>
          running-- > 0
            ? { jobReference, jobComplete: false }
            : { jobReference, jobComplete: true, schema, rows: [{ f: [{ v: '7' }] }] },
      },
    ],
    () => EVERYBODY,
  );
  client = await bigQueryService(aDeployment(), endpointsOf(listener.origin, 'any'));
});
beforeEach(() => {
  running = 3;
});
afterAll(() => listener.close());

const statement = { name: 'slow', sql: 'SELECT 7 AS n', params: {} };

it('a statement has run when it is over, however long it takes', async () => {
  expect(await client.query(statement, {})).toEqual([{ n: '7' }]);
});

it('pages begin when there are some', async () => {
  const pages = [];
  for await (const page of client.pages(statement, {})) pages.push(page.column('n'));
  expect(pages).toEqual([['7']]);
});
