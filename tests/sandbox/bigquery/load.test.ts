import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Harness, harness, LOCATION } from '../../support/harness.ts';

let h: Harness;
const folder = mkdtempSync(join(tmpdir(), 'reseal-load-'));
beforeAll(async () => {
  h = await harness();
  await h.storage.createBucket('bucket-of-loads');
});
afterAll(async () => {
  await h.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() =>
  h.sql(`CREATE OR REPLACE TABLE poc.t (id INT64 NOT NULL, v STRING, b BYTES, ts TIMESTAMP, f FLOAT64, t BOOL);
    INSERT INTO poc.t (id, v) VALUES (0, 'before')`),
);

const file = (name: string, content: string | Buffer): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};
const NDJSON = { sourceFormat: 'NEWLINE_DELIMITED_JSON' };
const load = async (path: string, metadata: object) => {
  const [job] = await h.bigquery.dataset('poc').table('t').load(path, metadata);
  return job.statistics?.load;
};
const rows = () => h.sql('SELECT id, v, b, UNIX_MILLIS(ts), f, t FROM poc.t WHERE id != 0 ORDER BY id');

const LINES = [
  { id: '9007199254740993', v: 'é "quoted"\n', b: '/wA=', ts: '2024-01-01 00:00:00.5 UTC', f: 1.5, t: true },
  { id: 5, ts: 1.25 },
].map((line) => JSON.stringify(line));
const LOADED = [
  ['5', null, null, '1250', null, null],
  ['9007199254740993', 'é "quoted"\n', '/wA=', '1704067200500', '1.5', 'true'],
];

describe('newline-delimited JSON', () => {
  test('values of every type, ids beyond 2^53 included', async () => {
    const numeric = LINES.map((line) => line.replace('"9007199254740993"', '9007199254740993'));
    expect(await load(file('a.ndjson', numeric.join('\n')), NDJSON)).toMatchObject({
      outputRows: '2',
      badRecords: '0',
    });
    expect(await rows()).toEqual(LOADED);
  });

  test('compressed, or replacing what is there', async () => {
    await load(file('a.ndjson.gz', gzipSync(LINES.join('\n'))), {
      ...NDJSON,
      writeDisposition: 'WRITE_TRUNCATE',
    });
    expect(await h.sql('SELECT COUNT(*) FROM poc.t')).toEqual([['2']]);
  });

  test.each([
    ['a row that is no JSON', [LINES[0], 'nonsense', LINES[1]], 'the row is not a JSON object. Line: 2.'],
    [
      'a value of another type',
      [LINES[0], '{"id": "canary"}'],
      'Could not convert value to INTEGER. Field: id; Line: 2.',
    ],
    [
      'base64 that is none',
      ['{"id": 1, "b": "***"}'],
      'Could not convert value to BYTES. Field: b; Line: 1.',
    ],
    ['a REQUIRED field missing', [LINES[0], '{"v": "x"}'], 'Missing required field: id. Line: 2.'],
    ['a field that the table has not', ['{"id": 1, "other": 2}'], 'No such field: other. Line: 1.'],
  ])('%s: an error with the line, and nothing loaded', async (_what, lines, message) => {
    const error = await load(file('bad.ndjson', lines.join('\n')), NDJSON).catch(
      (caught: Error) => caught.message,
    );
    expect(error).toBe(
      `Error while reading data, error message: ${
        message.startsWith('the row') ? `JSON parsing error: ${message}` : message
      }`,
    );
    expect(error).not.toContain('canary');
    expect(await rows()).toEqual([]);
  });

  test('unknown fields may be ignored', async () => {
    await load(file('more.ndjson', '{"id": 1, "other": 2}'), { ...NDJSON, ignoreUnknownValues: true });
    expect(await rows()).toHaveLength(1);
  });
});

test('CSV: a header to skip, columns by place, quoted cells, empty cells', async () => {
  const schema = ['v', 'id', 'ts'].map((name) => ({
    name,
    type: { v: 'STRING', id: 'INTEGER', ts: 'TIMESTAMP' }[name],
    // As the table has it: a load job relaxes no column unasked.
    mode: name === 'id' ? 'REQUIRED' : 'NULLABLE',
  }));
  const content = 'v,id,ts\n"a, ""b""",7,2024-01-01T00:00:00Z\n,8,\n';
  await load(file('a.csv', content), { sourceFormat: 'CSV', skipLeadingRows: 1, schema: { fields: schema } });
  expect(await h.sql('SELECT id, v, ts IS NULL FROM poc.t WHERE id != 0 ORDER BY id')).toEqual([
    ['7', 'a, "b"', 'false'],
    ['8', '', 'true'],
  ]);
  const bad = load(file('b.csv', 'v,id,ts\na,1,\nb,x,\n'), {
    sourceFormat: 'CSV',
    skipLeadingRows: 1,
    schema: { fields: schema },
  });
  await expect(bad).rejects.toThrow('Field: id; Line: 3.');
});

test('a damaged Parquet file is a bad file, not a failure of the sandbox', async () => {
  const duckdb = await (await DuckDBInstance.create(':memory:')).connect();
  const path = join(folder, 'whole.parquet');
  await duckdb.run(
    `COPY (SELECT i AS id, 'x' || i AS v FROM range(5) AS t(i)) TO '${path}' (FORMAT parquet)`,
  );
  duckdb.closeSync();
  const whole = readFileSync(path);
  const messages: string[] = [];
  for (let at = 0; at < whole.length; at += 7) {
    const damaged = Buffer.from(whole);
    damaged.writeUInt8(damaged.readUInt8(at) ^ 0x10, at);
    const message = await load(file('damaged.parquet', damaged), { sourceFormat: 'PARQUET' }).then(
      () => '',
      (error: Error) => error.message,
    );
    messages.push(message);
  }
  expect(messages.filter((message) => message.includes('The sandbox failed'))).toEqual([]);
  expect(
    messages.filter((message) => message.includes('the Parquet file is damaged')).length,
  ).toBeGreaterThan(0);
});

test('Parquet, and objects of Cloud Storage by a wildcard', async () => {
  const duckdb = await (await DuckDBInstance.create(':memory:')).connect();
  const path = join(folder, 'a.parquet');
  await duckdb.run(
    `COPY (SELECT 9007199254740993 AS id, 'x' AS v, 'ab'::BLOB AS b) TO '${path}' (FORMAT parquet)`,
  );
  duckdb.closeSync();
  expect(await load(path, { sourceFormat: 'PARQUET' })).toMatchObject({ outputRows: '1' });
  expect((await rows())[0]?.slice(0, 3)).toEqual(['9007199254740993', 'x', 'YWI=']);
  const bucket = h.storage.bucket('bucket-of-loads');
  await bucket.upload(file('1.ndjson', '{"id": 1}'), { destination: 'in/1.ndjson', resumable: false });
  await bucket.upload(file('2.ndjson', '{"id": 2}\n{"id": 3}'), {
    destination: 'in/2.ndjson',
    resumable: false,
  });
  const { body } = await h.rest('POST', '/bigquery/v2/projects/p/jobs', {
    configuration: {
      load: {
        ...NDJSON,
        sourceUris: ['gs://bucket-of-loads/in/*.ndjson'],
        destinationTable: { datasetId: 'poc', tableId: 't' },
      },
    },
  });
  const { body: done } = await h.rest(
    'GET',
    `/bigquery/v2/projects/p/queries/${body.jobReference.jobId}?location=${LOCATION}`,
  );
  expect(done.jobComplete).toBe(true);
  const { body: job } = await h.rest(
    'GET',
    `/bigquery/v2/projects/p/jobs/${body.jobReference.jobId}?location=${LOCATION}`,
  );
  expect(job.statistics.load).toMatchObject({ inputFiles: '2', outputRows: '3' });
});

test('dispositions: an own schema makes the table; WRITE_EMPTY and CREATE_NEVER refuse', async () => {
  const made = h.bigquery.dataset('poc').table('made');
  await made.load(file('m.ndjson', '{"x": 1}'), {
    ...NDJSON,
    schema: { fields: [{ name: 'x', type: 'INT64' }] },
  });
  expect(await h.sql('SELECT x FROM poc.made')).toEqual([['1']]);
  await expect(
    load(file('m.ndjson', '{"id": 1}'), { ...NDJSON, writeDisposition: 'WRITE_EMPTY' }),
  ).rejects.toThrow('Already Exists');
  const none = h.bigquery.dataset('poc').table('none');
  await expect(
    none.load(file('m.ndjson', '{}'), { ...NDJSON, createDisposition: 'CREATE_NEVER' }),
  ).rejects.toThrow('Not found: Table');
  await expect(load(file('m.ndjson', '{}'), { ...NDJSON, maxBadRecords: 5 })).rejects.toThrow(
    'no maxBadRecords',
  );
});

test('a resumable upload in two pieces', async () => {
  const path = `${h.origin}/upload/bigquery/v2/projects/p/jobs?uploadType=resumable`;
  const load = { ...NDJSON, destinationTable: { datasetId: 'poc', tableId: 't' } };
  const opened = await fetch(path, {
    method: 'POST',
    headers: { authorization: `Bearer ${h.token}` },
    body: JSON.stringify({ configuration: { load } }),
  });
  const session = opened.headers.get('location') ?? '';
  const content = `${LINES.join('\n')}\n`;
  const put = (from: number, to: number, last: boolean) =>
    fetch(session, {
      method: 'PUT',
      body: Buffer.from(content).subarray(from, to),
      headers: { 'content-range': `bytes ${from}-${to - 1}/${last ? to : '*'}` },
      redirect: 'manual',
    });
  const first = await put(0, 40, false);
  expect([first.status, first.headers.get('range')]).toEqual([308, 'bytes=0-39']);
  const second = await put(40, Buffer.byteLength(content), true);
  expect(await second.json()).toMatchObject({
    status: { state: 'DONE' },
    statistics: { load: { outputRows: '2' } },
  });
  expect(await rows()).toEqual(LOADED);
});

test.each([
  ['a query', '/bigquery/v2/projects/p/queries', {}],
  ['an upload', '/upload/bigquery/v2/projects/p/jobs?uploadType=multipart', {}],
  ['another content type', '/bigquery/v2/projects/p/queries', { 'content-type': 'application/a/b' }],
])('%s whose headers are not true of it is a bad request', async (_what, path, more) => {
  const answer = await fetch(`${h.origin}${path}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${h.token}`,
      'content-type': 'multipart/related; boundary=b',
      'content-encoding': 'gzip',
      ...more,
    },
    body: '{}',
  });
  expect(answer.status).toBe(400);
  expect(await answer.json()).toMatchObject({ error: { code: 400, status: 'INVALID_ARGUMENT' } });
});
