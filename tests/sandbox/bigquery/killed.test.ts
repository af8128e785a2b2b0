import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBConnection } from '@duckdb/node-api';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { Jobs } from '../../../sandbox/bigquery/api/jobs.ts';
import { Catalog, tableSql } from '../../../sandbox/bigquery/duckdb/catalog.ts';
import { Engine, rows } from '../../../sandbox/bigquery/duckdb/engine.ts';
import { Keysets } from '../../../sandbox/bigquery/duckdb/keysets.ts';
import { Keys } from '../../../sandbox/kms/keys.ts';
import { Traffic } from '../../../sandbox/kms/traffic.ts';
import { type Harness, harness, LOCATION, PROJECT } from '../../support/harness.ts';

let h: Harness;
const copies = mkdtempSync(join(tmpdir(), 'reseal-killed-'));
beforeAll(async () => {
  h = await harness();
});
afterAll(async () => {
  await h.close();
  rmSync(copies, { recursive: true, force: true });
});

/**
 * The state folder as a process killed at that moment leaves it, before and after every statement that DuckDB
 * carries out while `work` is done: what a process has written outlives it, what it was about to write does not.
 */
async function killedDuring(work: () => Promise<unknown>): Promise<string[]> {
  const folders: string[] = [];
  const copy = (): void => {
    const folder = mkdtempSync(join(copies, 'killed-'));
    cpSync(h.state, folder, { recursive: true, filter: (path) => !path.includes('spill') });
    folders.push(folder);
  };
  const run = DuckDBConnection.prototype.run;
  const spy = vi.spyOn(DuckDBConnection.prototype, 'run').mockImplementation(async function (
    this: DuckDBConnection,
    ...args: Parameters<typeof run>
  ) {
    copy();
    const result = await run.apply(this, args);
    copy();
    return result;
  });
  try {
    await work();
  } finally {
    spy.mockRestore();
  }
  copy();
  return folders;
}

interface Found {
  /** Rows of poc.t now, and in each state of its past that the catalog has. */
  rows: string[];
  past: string[][];
  jobs: string[];
}

/** What the next process finds in a folder. */
async function reopened(folder: string): Promise<Found> {
  const keysets = new Keysets(new Keys(folder), new Traffic());
  const engine = await Engine.open(folder, keysets);
  try {
    const catalog = await Catalog.open(engine, PROJECT);
    const jobs = await Jobs.open(
      { engine, catalog, keysets },
      { resolve: async () => [] },
      () => 'us-central1',
    );
    const table = catalog.table('poc', 't');
    const ids = (from: string) =>
      engine.use(async (connection) =>
        (await rows(connection, `SELECT id || coalesce(v, '') FROM ${from} ORDER BY id`)).flat().map(String),
      );
    const past: string[][] = [];
    for (const { copy } of table.versions) if (copy !== null) past.push(await ids(copy));
    return { rows: await ids(tableSql(table)), past, jobs: jobs.list().map(({ id }) => id) };
  } finally {
    await engine.close();
  }
}

const distinct = (found: readonly string[][]): string[][] => [
  ...new Map(found.map((one) => [one.join(), one])).values(),
];

test('a process killed in a merge leaves a folder that starts again, merged whole or not at all', async () => {
  await h.sql('CREATE TABLE poc.t (id INT64 NOT NULL, v STRING)');
  await h.sql("INSERT INTO poc.t (id, v) VALUES (1, 'a'), (2, 'a')");
  const folders = await killedDuring(() =>
    h.sql(`BEGIN TRANSACTION;
      MERGE poc.t AS t USING (SELECT 1 AS id) AS s ON t.id = s.id WHEN MATCHED THEN UPDATE SET v = 'b';
      INSERT INTO poc.t (id, v) VALUES (3, 'b');
      COMMIT TRANSACTION;`),
  );
  expect(folders.length).toBeGreaterThan(10);
  const found = await Promise.all(folders.map(reopened));
  const [before, after] = [
    ['1a', '2a'],
    ['1b', '2a', '3b'],
  ];
  expect(distinct(found.map((one) => one.rows))).toEqual([before, after]);
  for (const { rows: now, past } of found)
    expect(past.at(-1)).toEqual(now.join() === after.join() ? before : []);
});

test('a load job is known if and only if its rows are there', async () => {
  const load = async () => {
    const boundary = 'part';
    const configuration = {
      load: {
        sourceFormat: 'NEWLINE_DELIMITED_JSON',
        destinationTable: { projectId: PROJECT, datasetId: 'poc', tableId: 't' },
      },
    };
    const response = await fetch(
      `${h.origin}/upload/bigquery/v2/projects/${PROJECT}/jobs?uploadType=multipart`,
      {
        method: 'POST',
        headers: {
          authorization: `Bearer ${h.token}`,
          'content-type': `multipart/related; boundary=${boundary}`,
        },
        body: [
          `--${boundary}\r\ncontent-type: application/json\r\n\r\n`,
          JSON.stringify({ jobReference: { jobId: 'a-load' }, configuration }),
          `\r\n--${boundary}\r\ncontent-type: */*\r\n\r\n{"id": "9", "v": "c"}\n\r\n--${boundary}--`,
        ].join(''),
      },
    );
    expect(await response.json()).toMatchObject({ status: { state: 'DONE' } });
  };
  const found = await Promise.all((await killedDuring(load)).map(reopened));
  for (const one of found) expect(one.jobs.includes('a-load'), one.rows.join()).toBe(one.rows.includes('9c'));
  expect(found[0]?.rows).not.toContain('9c');
  expect(found.at(-1)?.rows).toContain('9c');
});

test('what is undone is undone in memory, too: a table that a failing load was to make is not there', async () => {
  const loading = {
    jobReference: { jobId: 'a-failing-load' },
    configuration: {
      load: {
        sourceUris: ['gs://a-bucket/rows.ndjson'],
        sourceFormat: 'NEWLINE_DELIMITED_JSON',
        destinationTable: { projectId: PROJECT, datasetId: 'poc', tableId: 'made' },
        schema: { fields: [{ name: 'id', type: 'INT64', mode: 'REQUIRED' }] },
      },
    },
  };
  await h.storage.createBucket('a-bucket');
  await h.storage.bucket('a-bucket').file('rows.ndjson').save('{"id": "none"}\n', { resumable: false });
  const jobs = `/bigquery/v2/projects/${PROJECT}/jobs`;
  let { body } = await h.rest('POST', jobs, loading);
  while (body.status.state !== 'DONE')
    ({ body } = await h.rest('GET', `${jobs}/a-failing-load?location=${LOCATION}`));
  expect(body.status.errorResult.reason).toBe('invalid');
  expect(await h.failure('SELECT * FROM poc.made')).toContain('Not found: Table');
});
