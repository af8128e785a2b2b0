import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { keptStates } from '../../../sandbox/bigquery/duckdb/history.ts';
import { type Harness, harness, LOCATION, type Params } from '../../support/harness.ts';

let h: Harness;
beforeAll(async () => {
  h = await harness();
});
afterAll(() => h.close());
beforeEach(() =>
  h.sql(`CREATE OR REPLACE TABLE poc.users (id INT64 NOT NULL, v STRING, n INT64) CLUSTER BY id;
    INSERT INTO \`example-project.poc.users\` (id, v) VALUES (1, 'a'), (2, 'b'), (3, NULL)`),
);

const users = () => h.sql('SELECT id, v FROM poc.users ORDER BY id');

/** A statement's job, with its statistics. */
async function statistics(query: string) {
  const [job] = await h.bigquery.createQueryJob({ query, location: LOCATION });
  await job.getQueryResults();
  const [{ statistics: found }] = await job.getMetadata();
  return found.query;
}

describe('statements that change rows', () => {
  test.each([
    [`INSERT poc.users (id, v) SELECT 4, 'd'`, 'INSERT', '1', ['1', '0', '0']],
    [`UPDATE poc.users u SET u.v = CONCAT(u.v, '!'), n = 1 WHERE u.id < 3`, 'UPDATE', '2', ['0', '2', '0']],
    [
      `UPDATE poc.users SET v = s.v FROM (SELECT 1 AS id, 'z' AS v) AS s WHERE users.id = s.id`,
      'UPDATE',
      '1',
      ['0', '1', '0'],
    ],
    ['DELETE poc.users WHERE v IS NULL', 'DELETE', '1', ['0', '0', '1']],
    [
      'DELETE FROM poc.users AS u WHERE u.id IN (SELECT id FROM poc.users WHERE id > 1)',
      'DELETE',
      '2',
      ['0', '0', '2'],
    ],
    ['TRUNCATE TABLE poc.users', 'TRUNCATE_TABLE', '3', ['0', '0', '3']],
    [
      `MERGE poc.users t USING (SELECT 1 AS id, 'x' AS v UNION ALL SELECT 9, 'y') s ON t.id = s.id
       WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT (id, v) VALUES (s.id, s.v)`,
      'MERGE',
      '2',
      ['1', '1', '0'],
    ],
    [
      `MERGE poc.users t USING (SELECT 1 AS id) s ON t.id = s.id
       WHEN MATCHED AND t.v = 'b' THEN UPDATE SET v = 'never'
       WHEN NOT MATCHED BY SOURCE AND t.v IS NULL THEN DELETE`,
      'MERGE',
      '1',
      ['0', '0', '1'],
    ],
  ])('%s', async (query, statementType, affected, [inserted, updated, deleted]) => {
    expect(await statistics(query)).toMatchObject({
      statementType,
      numDmlAffectedRows: affected,
      dmlStats: { insertedRowCount: inserted, updatedRowCount: updated, deletedRowCount: deleted },
    });
  });

  test.each([
    ['UPDATE poc.users SET v = NULL', 'UPDATE must have a WHERE clause'],
    ['DELETE FROM poc.users', 'DELETE must have a WHERE clause'],
    [`INSERT INTO poc.users (v) VALUES ('x')`, 'Required field id cannot be null'],
    [
      `MERGE poc.users t USING (SELECT 1 AS id, 'x' AS v UNION ALL SELECT 1, 'y') s ON t.id = s.id WHEN MATCHED THEN UPDATE SET v = s.v`,
      'UPDATE/MERGE must match at most one source row for each target row',
    ],
  ])('%s is refused and changes nothing', async (query, message) => {
    expect(await h.failure(query)).toContain(message);
    expect(await users()).toEqual([
      ['1', 'a'],
      ['2', 'b'],
      ['3', null],
    ]);
  });

  test('a MERGE with the old value in its condition loses no update', async () => {
    await h.sql(
      `CREATE OR REPLACE TABLE poc.staged AS SELECT id, SHA256(CONCAT(v, '\\n')) AS token, 'new' AS v FROM poc.users WHERE v IS NOT NULL`,
    );
    await h.sql(`UPDATE poc.users SET v = 'changed meanwhile' WHERE id = 1`);
    const merged = await statistics(`MERGE poc.users AS u USING poc.staged AS s
      ON u.id = s.id AND SHA256(CONCAT(u.v, '\\n')) = s.token
      WHEN MATCHED THEN UPDATE SET v = s.v`);
    expect(merged.dmlStats.updatedRowCount).toBe('1');
    expect(await users()).toEqual([
      ['1', 'changed meanwhile'],
      ['2', 'new'],
      ['3', null],
    ]);
  });

  test('scripts that change the same table wait for each other', async () => {
    await h.sql('UPDATE poc.users SET n = 0 WHERE TRUE');
    const add = `BEGIN TRANSACTION; UPDATE poc.users SET n = n + 1 WHERE id = 1; COMMIT TRANSACTION;`;
    await Promise.all(Array.from({ length: 12 }, () => h.sql(add)));
    expect(await h.sql('SELECT n FROM poc.users WHERE id = 1')).toEqual([['12']]);
  });
});

test('a MERGE of very many rows, twice in one transaction, is what a small one is', async () => {
  await h.sql(`CREATE OR REPLACE TABLE poc.many AS
    SELECT i AS id, 'old' AS v, CAST(NULL AS INT64) AS n FROM UNNEST(GENERATE_ARRAY(1, 300000)) AS i`);
  const merge = (set: string, extra = '') => `MERGE poc.many AS u
    USING (SELECT id, v FROM poc.many WHERE id != 7 ${extra}) AS s
    ON u.id = s.id AND u.v = s.v WHEN MATCHED AND u.id != 9 THEN UPDATE SET ${set};`;
  const script = `DECLARE rows_merged INT64 DEFAULT 0; DECLARE w STRING DEFAULT @w; BEGIN TRANSACTION;
    ${merge('v = CONCAT(s.v, w)')} SET rows_merged = @@row_count;
    ${merge('u.n = u.id')} SET rows_merged = rows_merged + @@row_count;
    COMMIT TRANSACTION; SELECT rows_merged`;
  expect(await h.sql(script, { w: ['STRING', '!'] })).toEqual([[String(2 * 299_998)]]);
  expect(
    await h.sql(
      'SELECT v, COUNT(*), COUNT(DISTINCT id), COUNTIF(n = id) FROM poc.many GROUP BY v ORDER BY v',
    ),
  ).toEqual([
    ['old', '2', '2', '0'],
    ['old!', '299998', '299998', '299998'],
  ]);
  expect(await h.failure(merge('v = "x"', 'UNION ALL SELECT 1, "old!"'))).toContain('at most one source row');
  expect(await h.sql('SELECT COUNT(*) FROM poc.many WHERE v = "x"')).toEqual([['0']]);
});

describe('FOR SYSTEM_TIME AS OF', () => {
  const given = (later = 0): Params => ({ at: ['INT64', String(Date.now() + later)] });
  const PAST = 'poc.users FOR SYSTEM_TIME AS OF TIMESTAMP_MILLIS(@at)';

  test('one statement reads a table as of one moment', async () => {
    const both = (one: string, other: string) =>
      `SELECT (SELECT COUNT(*) FROM ${one}), (SELECT COUNT(*) FROM ${other})`;
    expect(await h.failure(both(PAST, 'poc.users'), given())).toContain('more than one moment');
    expect(await h.failure(both('poc.users', PAST), given())).toContain('more than one moment');
    const earlier = PAST.replace('@at', '@at - 1');
    expect(await h.failure(both(PAST, earlier), given())).toContain('more than one moment');
    expect(await h.sql(both(PAST, PAST), given())).toHaveLength(1);
    // What DML changes is not what it reads.
    await h.sql(`INSERT INTO poc.users (id) SELECT id FROM ${PAST} WHERE FALSE`, given());
  });

  test('a transaction reads nothing that is later than its start', async () => {
    const script = `BEGIN TRANSACTION; SELECT COUNT(*) FROM ${PAST}; COMMIT TRANSACTION`;
    expect(await h.sql(script, given())).toEqual([['3']]);
    // A single statement is no such transaction.
    await h.sql(
      'INSERT INTO poc.users (id) SELECT id FROM poc.users FOR SYSTEM_TIME AS OF CURRENT_TIMESTAMP()',
    );
    expect(await h.failure(script, given(60_000))).toContain('after the start of the transaction');
  });

  const now = async () => (await h.sql('SELECT UNIX_MILLIS(CURRENT_TIMESTAMP())'))[0]?.[0] ?? '';
  const asOf = (millis: string) =>
    h.sql('SELECT v FROM poc.users FOR SYSTEM_TIME AS OF TIMESTAMP_MILLIS(@at) AS u WHERE u.id = 1', {
      at: ['INT64', millis],
    });
  /** Makes sure that the next change falls into a later millisecond. */
  const tick = () => sleep(3);

  test('reads the rows of that moment, through changes of every kind', async () => {
    const moments: [string, string | undefined][] = [];
    const note = async (value: string | undefined) => {
      await tick();
      moments.push([await now(), value]);
      await tick();
    };
    await note('a');
    await h.sql(`UPDATE poc.users SET v = 'b' WHERE id = 1`);
    await note('b');
    await h.sql('DELETE FROM poc.users WHERE TRUE');
    await note(undefined);
    for (const [millis, value] of moments) {
      expect(await asOf(millis)).toEqual(value === undefined ? [] : [[value]]);
    }
    await h.restart();
    for (const [millis, value] of moments) {
      expect(await asOf(millis)).toEqual(value === undefined ? [] : [[value]]);
    }
  });

  test('a transaction that is rolled back leaves no trace', async () => {
    await tick();
    const before = await now();
    await h.failure(
      `BEGIN TRANSACTION; UPDATE poc.users SET v = 'x' WHERE id = 1; SELECT ERROR('no'); COMMIT TRANSACTION`,
    );
    expect(await asOf(before)).toEqual([['a']]);
    expect(await asOf(await now())).toEqual([['a']]);
  });

  test('few states of a large or a wide table are kept, many of a small one', () => {
    expect([1, 1_500, 10_000, 100_000].map((rows) => keptStates(rows, 3))).toEqual([200, 200, 30, 3]);
    expect([3, 10, 50, 500].map((columns) => keptStates(1, columns))).toEqual([200, 60, 12, 3]);
  });

  test('too long ago, before the table, in the future, or NULL: an error', async () => {
    await tick();
    const first = await now();
    for (let change = 0; change <= keptStates(1, 3); change++) {
      await tick();
      await h.sql(`UPDATE poc.users SET n = ${change} WHERE id = 1`);
    }
    await expect(asOf(first)).rejects.toThrow('keeps no older states');
    await expect(asOf('0')).rejects.toThrow('was not found at snapshot time 0');
    await expect(asOf(String(Number(await now()) + 60_000))).rejects.toThrow('Cannot be in the future');
    expect(
      await h.failure('SELECT 1 FROM poc.users FOR SYSTEM_TIME AS OF @at', { at: ['TIMESTAMP', null] }),
    ).toContain('must not be NULL');
  });
});

test('tables keep their schema, clustering and modes; ALTER TABLE adds a column', async () => {
  await h.sql('ALTER TABLE poc.users ADD COLUMN IF NOT EXISTS extra BYTES, ADD COLUMN more FLOAT64');
  const [{ schema, clustering, numRows }] = await h.bigquery.dataset('poc').table('users').getMetadata();
  expect(clustering).toEqual({ fields: ['id'] });
  expect(numRows).toBe('3');
  expect(schema.fields).toEqual([
    { name: 'id', type: 'INTEGER', mode: 'REQUIRED' },
    { name: 'v', type: 'STRING', mode: 'NULLABLE' },
    { name: 'n', type: 'INTEGER', mode: 'NULLABLE' },
    { name: 'extra', type: 'BYTES', mode: 'NULLABLE' },
    { name: 'more', type: 'FLOAT', mode: 'NULLABLE' },
  ]);
});
