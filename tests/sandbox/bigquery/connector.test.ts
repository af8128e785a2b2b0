import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Answer, type Harness, harness, LOCATION, PROJECT } from '../../support/harness.ts';

/** What Spark's BigQuery connector asks of REST around its reads and for its writes. */

let h: Harness;
const folder = mkdtempSync(join(tmpdir(), 'reseal-connector-'));
beforeAll(async () => {
  h = await harness();
  await h.storage.createBucket('temporary');
  await h.rest('POST', `/bigquery/v2/projects/${PROJECT}/datasets/poc/tables`, {
    tableReference: { projectId: PROJECT, datasetId: 'poc', tableId: 'staging' },
    // A number, as Pulumi's provider has it.
    timePartitioning: { type: 'DAY', expirationMs: 604_800_000 },
    schema: { fields: FIELDS },
  });
});
afterAll(async () => {
  await h.close();
  rmSync(folder, { recursive: true, force: true });
});

const FIELDS = [
  { name: 'id', type: 'INTEGER', mode: 'REQUIRED' },
  {
    name: 'email',
    type: 'STRING',
    mode: 'NULLABLE',
    policyTags: { names: ['projects/p/taxonomies/1/policyTags/2'] },
  },
  { name: 'sealed', type: 'BYTES', mode: 'NULLABLE' },
];

test('a table with its statistics: every int64 is text', async () => {
  await h.sql("INSERT INTO poc.staging VALUES (1, 'a', NULL)");
  const { body } = await h.rest(
    'GET',
    `/bigquery/v2/projects/${PROJECT}/datasets/poc/tables/staging?prettyPrint=false&view=STORAGE_STATS`,
  );
  expect(body).toMatchObject({
    type: 'TABLE',
    numRows: '1',
    numBytes: expect.stringMatching(/^\d+$/),
    creationTime: expect.stringMatching(/^\d+$/),
    timePartitioning: { type: 'DAY', expirationMs: '604800000' },
    tableReference: { projectId: PROJECT, datasetId: 'poc', tableId: 'staging' },
    schema: { fields: FIELDS },
  });
});

describe('a load job', () => {
  /** Parquet files under the connector's own kind of name; their URIs. */
  async function files(rows: string[]): Promise<string[]> {
    const duckdb = await (await DuckDBInstance.create(':memory:')).connect();
    const uris: string[] = [];
    for (const [at, row] of rows.entries()) {
      const path = join(folder, `part-0000${at}.parquet`);
      await duckdb.run(`COPY (${row}) TO '${path}' (FORMAT parquet)`);
      const name = `temp/.spark-bigquery-app-1/part-0000${at}.parquet`;
      await h.storage.bucket('temporary').upload(path, { destination: name, resumable: false });
      uris.push(`gs://temporary/${name}`);
    }
    duckdb.closeSync();
    return uris;
  }

  /** Posts it compressed, follows it to its end, and gives the job. */
  async function load(sourceUris: string[], fields: object[]): Promise<Answer> {
    const body = {
      jobReference: { projectId: PROJECT, location: LOCATION },
      configuration: {
        load: {
          sourceUris,
          sourceFormat: 'PARQUET',
          schema: { fields },
          createDisposition: 'CREATE_NEVER',
          writeDisposition: 'WRITE_APPEND',
          destinationTable: { projectId: PROJECT, datasetId: 'poc', tableId: 'staging' },
        },
      },
    };
    const posted = await fetch(`${h.origin}/bigquery/v2/projects/${PROJECT}/jobs?prettyPrint=false`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${h.token}`,
        'content-encoding': 'gzip',
        'content-type': 'application/json; charset=UTF-8',
      },
      body: new Uint8Array(gzipSync(JSON.stringify(body))),
    });
    const { jobReference } = (await posted.json()) as Answer;
    for (;;) {
      const path = `/bigquery/v2/projects/${PROJECT}/jobs/${jobReference.jobId}?location=${LOCATION}`;
      const { body: job } = await h.rest('GET', path);
      if (job.status.state === 'DONE') return job;
    }
  }

  const rows = () => h.sql('SELECT id, email, sealed FROM poc.staging WHERE id > 1 ORDER BY id');

  test('takes the files that it names, of the schema that the table has', async () => {
    const uris = await files([
      `SELECT 2::BIGINT AS id, 'b' AS email, '\\x01'::BLOB AS sealed`,
      `SELECT 3::BIGINT AS id, NULL::VARCHAR AS email, NULL::BLOB AS sealed`,
    ]);
    const job = await load(uris, FIELDS);
    expect(job.status.errorResult).toBeUndefined();
    expect(job.statistics.load).toMatchObject({ inputFiles: '2', outputRows: '2' });
    expect(await rows()).toEqual([
      ['2', 'b', 'AQ=='],
      ['3', null, null],
    ]);
  });

  test.each([
    ['id', { mode: 'NULLABLE' }, 'Field id has changed mode from REQUIRED to NULLABLE'],
    ['email', { mode: 'REQUIRED' }, 'Field email has changed mode from NULLABLE to REQUIRED'],
    ['sealed', { type: 'STRING' }, 'Field sealed has changed type from BYTES to STRING'],
    ['email', { name: 'nick' }, 'Cannot add fields (field: nick)'],
  ])('changes nothing where its schema has another %s: %j', async (name, change, message) => {
    const before = await rows();
    const [uri = ''] = await files([`SELECT 4::BIGINT AS id, 'd' AS email, '\\x01'::BLOB AS sealed`]);
    const job = await load(
      [uri],
      FIELDS.map((field) => (field.name === name ? { ...field, ...change } : field)),
    );
    expect(job.status.errorResult).toMatchObject({
      reason: 'invalid',
      message: expect.stringContaining(message),
    });
    expect(await rows()).toEqual(before);
  });

  test('loads no file where one of them is not there', async () => {
    const before = await rows();
    const [uri = ''] = await files([`SELECT 5::BIGINT AS id, 'e' AS email, '\\x01'::BLOB AS sealed`]);
    const job = await load([uri, 'gs://temporary/temp/none.parquet'], FIELDS);
    expect(job.status.errorResult).toMatchObject({ reason: 'notFound' });
    expect(await rows()).toEqual(before);
  });
});
