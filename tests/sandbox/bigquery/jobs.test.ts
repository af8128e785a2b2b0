import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Harness, harness, LOCATION, PROJECT } from '../../support/harness.ts';

let h: Harness;
beforeAll(async () => {
  h = await harness();
  await h.sql(
    'CREATE TABLE poc.numbers AS SELECT i AS id, CONCAT("value ", CAST(i AS STRING)) AS v FROM UNNEST(GENERATE_ARRAY(1, 120000)) AS i',
  );
});
afterAll(() => h.close());

const owner = () => ({ authorization: `Bearer ${h.token}` });
const JOBS = '/bigquery/v2/projects/p/jobs';
const insert = (jobId: string, query: string) =>
  h.rest('POST', JOBS, {
    jobReference: { jobId, location: LOCATION },
    configuration: { query: { query, useLegacySql: false }, labels: { step: 'test' } },
  });

describe('paging', () => {
  test('the real client reads 120,000 rows in their order, page by page', async () => {
    const [job] = await h.bigquery.createQueryJob('SELECT id, v FROM poc.numbers ORDER BY id DESC');
    let next: object | null = { maxResults: 25_000, autoPaginate: false };
    const seen: number[] = [];
    let pages = 0;
    while (next !== null) {
      const answer: [unknown[], object | null, unknown] = (await job.getQueryResults(next)) as never;
      for (const row of answer[0] as { id: number }[]) seen.push(row.id);
      next = answer[1] ?? null;
      pages++;
    }
    expect(pages).toBe(5);
    expect(seen).toHaveLength(120_000);
    expect(seen.every((id, index) => id === 120_000 - index)).toBe(true);
  });

  test('a page is never larger than 10 MB, whatever was asked for', async () => {
    const { body } = await insert('wide', 'SELECT REPEAT("x", 10000) AS w FROM poc.numbers WHERE id <= 3000');
    const { body: page } = await h.rest(
      'GET',
      `/bigquery/v2/projects/p/queries/${body.jobReference.jobId}?location=${LOCATION}&maxResults=3000`,
    );
    expect(page.rows.length).toBeLessThan(1001);
    expect(page.totalRows).toBe('3000');
    expect(page.pageToken).toBeDefined();
  });

  test('what counts for a page is bytes, not characters', async () => {
    const { body } = await insert(
      'wider',
      'SELECT REPEAT("ø", 10000) AS w FROM poc.numbers WHERE id <= 3000',
    );
    const { body: page } = await h.rest(
      'GET',
      `/bigquery/v2/projects/p/queries/${body.jobReference.jobId}?location=${LOCATION}&maxResults=3000`,
    );
    expect(Buffer.byteLength(JSON.stringify(page.rows))).toBeLessThanOrEqual(10_000_000);
    expect(page.pageToken).toBeDefined();
  });

  test('tabledata.list reads a table, some of its columns, from a row on', async () => {
    const path = '/bigquery/v2/projects/p/datasets/poc/tables/numbers/data?maxResults=2';
    const { body } = await h.rest('GET', `${path}&selectedFields=v&startIndex=5`);
    expect(body.rows).toHaveLength(2);
    expect(body.rows[0].f).toHaveLength(1);
    expect(body.totalRows).toBe('120000');
    const { body: second } = await h.rest('GET', `${path}&pageToken=${body.pageToken}`);
    expect(second.rows).toHaveLength(2);
    expect((await h.rest('GET', `${path}&pageToken=!!`)).status).toBe(400);
  });
});

/** A job that was inserted runs on after the answer. */
const ended = (id: string) => h.rest('GET', `/bigquery/v2/projects/p/queries/${id}?location=${LOCATION}`);

describe('job ids', () => {
  test('one that exists is refused with 409 duplicate, and the job of that id is there', async () => {
    const query = 'INSERT INTO poc.once VALUES (1)';
    await h.sql('CREATE TABLE poc.once (id INT64)');
    expect((await insert('run_1_merge_1', query)).status).toBe(200);
    const { status, body } = await insert('run_1_merge_1', query);
    expect(status).toBe(409);
    expect(body.error.errors[0].reason).toBe('duplicate');
    await ended('run_1_merge_1');
    expect(await h.sql('SELECT COUNT(*) FROM poc.once')).toEqual([['1']]);
    const { body: job } = await h.rest('GET', `${JOBS}/run_1_merge_1?location=${LOCATION}`);
    expect(job.status).toEqual({ state: 'DONE' });
    expect(job.statistics.query.dmlStats).toEqual({
      insertedRowCount: '1',
      updatedRowCount: '0',
      deletedRowCount: '0',
    });
    expect(job.configuration.labels).toEqual({ step: 'test' });
  });

  test('of jobs that changed something are remembered over a restart, without their text', async () => {
    await insert('remembered', 'UPDATE poc.once SET id = 2 WHERE id = 1; SELECT @@row_count AS n');
    await insert('only_read', 'SELECT 1');
    await ended('remembered');
    await h.restart();
    expect((await insert('remembered', 'SELECT 1')).status).toBe(409);
    const { body } = await h.rest('GET', `/bigquery/v2/projects/p/queries/remembered?location=${LOCATION}`);
    expect(body.rows).toEqual([{ f: [{ v: '1' }] }]);
    const { body: job } = await h.rest('GET', `${JOBS}/remembered?location=${LOCATION}`);
    expect(JSON.stringify(job)).not.toContain('UPDATE poc.once');
    expect((await insert('only_read', 'SELECT 1')).status).toBe(200);
  });

  test('the same requestId is the same query', async () => {
    const body = { query: 'INSERT INTO poc.once VALUES (7)', useLegacySql: false, requestId: 'r-1' };
    await h.rest('POST', '/bigquery/v2/projects/p/queries', body);
    await h.rest('POST', '/bigquery/v2/projects/p/queries', body);
    expect(await h.sql('SELECT COUNT(*) FROM poc.once WHERE id = 7')).toEqual([['1']]);
  });
});

describe('states', () => {
  test('a failed job is DONE with an errorResult', async () => {
    const { status, body } = await insert('fails', 'SELECT nope');
    expect(status).toBe(200);
    const { body: job } = await h.rest('GET', `${JOBS}/fails?location=${LOCATION}`);
    const proto = { reason: 'invalidQuery', location: 'query', message: 'Unrecognized name: nope' };
    expect(job.status).toEqual({ state: 'DONE', errorResult: proto, errors: [proto] });
    expect(body.jobReference.jobId).toBe('fails');
    const results = await h.rest('GET', `/bigquery/v2/projects/p/queries/fails?location=${LOCATION}`);
    expect(results.status).toBe(400);
    expect(results.body.error.errors[0].reason).toBe('invalidQuery');
  });

  const LONG = `DECLARE i INT64 DEFAULT 0; WHILE i < 1000000 DO SET i = i + 1; END WHILE`;

  test('a long job is RUNNING, and jobComplete is false, until it is cancelled', async () => {
    const { body } = await insert('long', LONG);
    expect(body.status.state).toBe('RUNNING');
    const waiting = await h.rest(
      'GET',
      `/bigquery/v2/projects/p/queries/long?location=${LOCATION}&timeoutMs=1`,
    );
    expect(waiting.body.jobComplete).toBe(false);
    const listed = await h.rest('GET', `${JOBS}?stateFilter=running`);
    expect(
      listed.body.jobs.map((job: { jobReference: { jobId: string } }) => job.jobReference.jobId),
    ).toEqual(['long']);
    await h.rest('POST', `${JOBS}/long/cancel?location=${LOCATION}`, {});
    const done = await h.rest('GET', `/bigquery/v2/projects/p/queries/long?location=${LOCATION}`);
    expect(done.body.error.errors[0].reason).toBe('stopped');
  });

  test('a dry run changes nothing', async () => {
    const { body } = await h.rest('POST', JOBS, {
      configuration: {
        dryRun: true,
        query: { query: 'DELETE FROM poc.numbers WHERE TRUE', useLegacySql: false },
      },
    });
    expect(body.status.state).toBe('DONE');
    expect(await h.sql('SELECT COUNT(*) FROM poc.numbers')).toEqual([['120000']]);
  });
});

describe('the place of a job', () => {
  test('is said by whoever asks for it, where it is no multi-region', async () => {
    await insert('placed', 'SELECT 1 AS n');
    for (const place of ['', '?location=europe-west1', '?location=US'])
      for (const [method, path] of [
        ['GET', `${JOBS}/placed${place}`],
        ['GET', `/bigquery/v2/projects/p/queries/placed${place}`],
        ['POST', `${JOBS}/placed/cancel${place}`],
      ] as const) {
        const { status, body } = await h.rest(method, path);
        expect([status, body.error.errors[0].reason]).toEqual([404, 'notFound']);
        expect(body.error.message).toContain('Not found: Job ');
      }
    expect((await ended('placed')).body.rows).toEqual([{ f: [{ v: '1' }] }]);
    const configuration = { query: { query: 'SELECT 1', useLegacySql: false } };
    const jobReference = { jobId: 'in_europe', location: 'EU' };
    expect((await h.rest('POST', JOBS, { jobReference, configuration })).status).toBe(200);
    for (const place of ['', '?location=eu'])
      expect((await h.rest('GET', `${JOBS}/in_europe${place}`)).status).toBe(200);
  });

  test('is that of the datasets that it names', async () => {
    const message = `Not found: Dataset ${PROJECT}:poc was not found in location europe-west1`;
    const elsewhere = async (jobId: string, configuration: object) => {
      const jobReference = { jobId, location: 'europe-west1' };
      await h.rest('POST', JOBS, { jobReference, configuration });
      const { body } = await h.rest('GET', `${JOBS}/${jobId}?location=europe-west1`);
      return body.status.errorResult;
    };
    const query = (text: string) => ({ query: { query: text, useLegacySql: false } });
    const wrong = { reason: 'notFound', message };
    expect(await elsewhere('reads', query('SELECT COUNT(*) FROM poc.numbers'))).toMatchObject(wrong);
    expect(await elsewhere('makes', query('CREATE TABLE poc.far (n INT64)'))).toMatchObject(wrong);
    const load = {
      destinationTable: { projectId: PROJECT, datasetId: 'poc', tableId: 'numbers' },
      sourceUris: ['gs://none/x'],
      sourceFormat: 'NEWLINE_DELIMITED_JSON',
    };
    expect(await elsewhere('loads', { load })).toMatchObject(wrong);
    expect(await elsewhere('none', query('SELECT 1'))).toBeUndefined();
  });
});

describe('labels', () => {
  const many = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, at) => [`l${at}`, '']));
  test.each([
    [{ 'reseal-step': 'merge_1', größe: '', a: '0'.repeat(63) }, 200],
    [many(64), 200],
    [many(65), 400],
    [{ Upper: 'x' }, 400],
    [{ '1st': 'x' }, 400],
    [{ 'a b': 'x' }, 400],
    [{ ['k'.repeat(64)]: 'x' }, 400],
    [{ a: 'Value' }, 400],
    [{ a: 'v'.repeat(64) }, 400],
  ])('%#: %j', async (labels, expected) => {
    const configuration = { labels, query: { query: 'SELECT 1', useLegacySql: false } };
    const { status, body } = await h.rest('POST', JOBS, { configuration });
    expect(status).toBe(expected);
    if (expected === 400) expect(body.error.message).toMatch(/label/);
  });
});

test('a statement of more than a million characters is refused', async () => {
  expect(await h.failure(`SELECT 1 /* ${'x'.repeat(1024 * 1024)} */`)).toMatch(/^The query is too large/);
});

describe('what the sandbox has not', () => {
  test.each([
    [
      'GET',
      '/bigquery/v2/projects/p/nothing',
      404,
      'The sandbox has no route GET /bigquery/v2/projects/p/nothing.',
    ],
    [
      'PUT',
      '/bigquery/v2/projects/p/queries',
      501,
      'The sandbox has no PUT /bigquery/v2/projects/p/queries; there it has POST.',
    ],
    ['POST', '/v1/projects/p/locations/l/keyRings/r/cryptoKeys/k:frobnicate', 404, 'k:frobnicate'],
    ['GET', '/v1/projects/%zz', 400, ''],
  ])('%s %s', async (method, path, code, message) => {
    const { status, body } = await h.rest(method, path, method === 'GET' ? undefined : {});
    expect(status).toBe(code);
    expect(body.error.code).toBe(code);
    expect(body.error.message).toContain(message);
  });

  test.each([
    [{ copy: {} }, 501, 'jobs of kind query and load, not copy'],
    [{ query: { query: 'SELECT 1', useLegacySql: false, destinationTable: {} } }, 200, undefined],
  ])('a job %j', async (configuration, code, message) => {
    const { status, body } = await h.rest('POST', JOBS, { configuration });
    expect(status).toBe(code);
    if (message) expect(body.error.message).toContain(message);
    else expect(body.status.errorResult.message).toContain('no destinationTable');
  });

  test('a body that is no JSON, and a foreign Host', async () => {
    const bad = await fetch(`${h.origin}${JOBS}`, { method: 'POST', headers: owner(), body: '{' });
    expect(bad.status).toBe(400);
    const { request } = await import('node:http');
    const { port } = new URL(h.origin);
    const status = await new Promise((resolve, reject) => {
      const call = request({
        port,
        host: '127.0.0.1',
        path: '/sandbox/v1/health',
        headers: { host: 'evil.example' },
      });
      call.once('response', (response) => resolve(response.resume().statusCode));
      call.once('error', reject);
      call.end();
    });
    expect(status).toBe(403);
  });
});

test('a gzip body is read', async () => {
  const response = await fetch(`${h.origin}/bigquery/v2/projects/p/queries`, {
    method: 'POST',
    headers: { ...owner(), 'content-encoding': 'gzip', 'content-type': 'application/json' },
    body: gzipSync(JSON.stringify({ query: 'SELECT 5 AS n', useLegacySql: false })),
  });
  expect(await response.json()).toMatchObject({ rows: [{ f: [{ v: '5' }] }] });
});

describe('a dry run', () => {
  const bytes = async (query: string): Promise<number> => {
    const configuration = { dryRun: true, query: { query, useLegacySql: false } };
    const { status, body } = await h.rest('POST', JOBS, { configuration });
    if (status !== 200) throw new Error(body.error.message);
    expect(body.statistics.query.totalBytesProcessed).toBe(body.statistics.totalBytesProcessed);
    return Number(body.statistics.totalBytesProcessed);
  };
  beforeAll(async () => {
    await h.sql('CREATE TABLE poc.sized (id INT64, name STRING, raw BYTES, at TIMESTAMP, sure BOOL)');
    await h.sql("INSERT INTO poc.sized VALUES (1, 'ø', b'abc', CURRENT_TIMESTAMP(), TRUE)");
    await h.sql('INSERT INTO poc.sized VALUES (2, NULL, NULL, NULL, NULL)');
  });
  // https://cloud.google.com/bigquery/pricing#data: 8 for a number, 2 and the bytes for text, nothing for NULL.
  const ID = 16;
  const NAME = 4;
  const WHOLE = ID + NAME + 5 + 8 + 1;

  test('has the bytes of the columns that a query names, none for a count of rows', async () => {
    expect(await bytes('SELECT id FROM poc.sized')).toBe(ID);
    expect(await bytes("SELECT COUNT(*) FROM poc.sized AS s WHERE s.name = 'x'")).toBe(NAME);
    expect(await bytes('SELECT COUNT(*) FROM poc.sized')).toBe(0);
    expect(await bytes('SELECT * FROM poc.sized')).toBe(WHOLE);
    expect(await bytes('SELECT a.id FROM `p.poc.sized` AS a JOIN poc.sized AS b ON a.id = b.id')).toBe(
      2 * ID,
    );
  });

  test('adds the whole table where rows of it change, and changes none', async () => {
    expect(await bytes('UPDATE poc.sized SET name = NULL WHERE id = 1')).toBe(ID + NAME + WHOLE);
    expect(await bytes('DELETE FROM poc.sized WHERE id = 1')).toBe(ID + WHOLE);
    expect(await bytes('INSERT INTO poc.sized (id) SELECT id FROM poc.sized')).toBe(ID);
    const merge = 'MERGE poc.sized AS s USING (SELECT 1 AS n) AS o ON s.id = o.n';
    expect(await bytes(`${merge} WHEN MATCHED THEN DELETE`)).toBe(ID + WHOLE);
    expect(await bytes(`${merge} WHEN NOT MATCHED THEN INSERT (id) VALUES (o.n)`)).toBe(ID);
    expect(await h.sql('SELECT id, name FROM poc.sized ORDER BY id')).toHaveLength(2);
  });

  test('fails where the query would, and is no job afterwards', async () => {
    await expect(bytes('SELECT id FROM poc.nowhere')).rejects.toThrow('Not found');
    await expect(bytes('SELECT FROM WHERE (')).rejects.toThrow();
    const jobReference = { jobId: 'dry', location: LOCATION };
    const configuration = { dryRun: true, query: { query: 'SELECT 1', useLegacySql: false } };
    expect((await h.rest('POST', JOBS, { jobReference, configuration })).status).toBe(200);
    expect((await h.rest('GET', `${JOBS}/dry?location=${LOCATION}`)).status).toBe(404);
  });
});
