import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Harness, harness, LOCATION } from '../../support/harness.ts';

let h: Harness;
beforeAll(async () => {
  h = await harness();
});
afterAll(() => h.close());
beforeEach(() =>
  h.sql('CREATE OR REPLACE TABLE poc.t (id INT64, v STRING); INSERT INTO poc.t VALUES (1, "a"), (2, "b")'),
);

const rows = () => h.sql('SELECT id, v FROM poc.t ORDER BY id');
const UNCHANGED = [
  ['1', 'a'],
  ['2', 'b'],
];

describe('variables', () => {
  test.each([
    ['DECLARE x INT64 DEFAULT 40; SET x = x + 2; SELECT x', [['42']]],
    ['DECLARE x, y STRING; SELECT x, y', [[null, null]]],
    ['DECLARE x DEFAULT CONCAT("a", "b"); SELECT x', [['ab']]],
    ['DECLARE x BYTES DEFAULT b"\\xff"; SELECT x, LENGTH(x)', [['/w==', '1']]],
    ['DECLARE x TIMESTAMP DEFAULT TIMESTAMP_MILLIS(5); SELECT UNIX_MILLIS(x)', [['5']]],
    ['DECLARE x INT64; SET x = (SELECT MAX(id) FROM poc.t); SELECT x', [['2']]],
    ['DECLARE a, b INT64; SET (a, b) = (1, 2); SELECT a, b', [['1', '2']]],
    ['DECLARE n INT64 DEFAULT 1; SELECT id FROM poc.t WHERE id > n LIMIT n', [['2']]],
    // A column goes before a variable of its name; an alias of the outermost list does not hide one.
    ['DECLARE v STRING DEFAULT "variable"; SELECT v FROM poc.t WHERE id = 1', [['a']]],
    ['DECLARE w STRING DEFAULT "variable"; SELECT w AS w FROM poc.t WHERE id = 1', [['variable']]],
    ['DECLARE w INT64 DEFAULT 9; SELECT -id AS w FROM poc.t ORDER BY w', [['-2'], ['-1']]],
    ['DECLARE x INT64 DEFAULT 1; BEGIN DECLARE y INT64 DEFAULT 2; SET x = x + y; END; SELECT x', [['3']]],
  ])('%s', async (script, expected) => {
    expect(await h.sql(script)).toEqual(expected);
  });

  test('one that is not declared is an error', async () => {
    expect(await h.failure('SET nope = 1')).toBe('Undeclared variable: nope');
  });

  const LATE = /Variable declarations are allowed only at the start of a block or script at \[1:/;
  const AGAIN = /Variable 'x' redeclaration at \[1:/;
  test.each([
    ['SELECT 1; DECLARE x INT64', LATE],
    ['IF TRUE THEN DECLARE x INT64; END IF', LATE],
    ['DECLARE x INT64; DECLARE y, X STRING; SELECT 1', AGAIN],
    ['DECLARE x INT64; BEGIN DECLARE x STRING; END', AGAIN],
    [
      "DECLARE s STRING DEFAULT REPEAT('a', 1100000); SELECT LENGTH(s)",
      /The value of the variable s is larger/,
    ],
    ["DECLARE s BYTES; SET s = CAST(REPEAT('a', 1100000) AS BYTES)", /The value of the variable s is larger/],
  ])('%s is none', async (script, message) => {
    expect(await h.failure(script)).toMatch(message);
  });

  test('blocks beside each other declare the same, and a procedure does not see those around it', async () => {
    const script = `DECLARE y INT64; BEGIN DECLARE x INT64; END; BEGIN DECLARE x STRING; END;
      CREATE OR REPLACE PROCEDURE poc.own() BEGIN DECLARE y INT64 DEFAULT 7; SELECT y; END; CALL poc.own()`;
    expect(await h.sql(script)).toEqual([['7']]);
  });

  test('a parameter keeps its value beside them', async () => {
    const script = 'DECLARE x INT64 DEFAULT @p; SET x = x * 2; SELECT x, @p';
    expect(await h.sql(script, { p: ['INT64', '21'] })).toEqual([['42', '21']]);
  });
});

describe('control', () => {
  test.each([
    ['IF 1 > 2 THEN SELECT 1; ELSEIF 2 > 1 THEN SELECT 2; ELSE SELECT 3; END IF', [['2']]],
    ['IF FALSE THEN SELECT 1; ELSE SELECT CASE WHEN TRUE THEN 4 END; END IF', [['4']]],
    ['IF NULL THEN SELECT 1; ELSE SELECT 2; END IF', [['2']]],
    ['DECLARE i INT64 DEFAULT 0; WHILE i < 5 DO SET i = i + 1; END WHILE; SELECT i', [['5']]],
    [
      'DECLARE i INT64 DEFAULT 0; LOOP SET i = i + 1; IF i > 3 THEN BREAK; END IF; END LOOP; SELECT i',
      [['4']],
    ],
    ['SELECT 1; SELECT 2; RETURN; SELECT 3', [['2']]],
    ['UPDATE poc.t SET v = "x" WHERE id < 9; SELECT @@row_count', [['2']]],
    ['BEGIN SELECT ERROR("first"); EXCEPTION WHEN ERROR THEN SELECT @@error.message; END', [['first']]],
    ['CREATE TEMP TABLE s AS SELECT id FROM poc.t; SELECT COUNT(*) FROM s', [['2']]],
  ])('%s', async (script, expected) => {
    expect(await h.sql(script)).toEqual(expected);
  });

  test.each([
    ['RAISE USING MESSAGE = CONCAT("no ", "way")', 'no way'],
    ['ASSERT (SELECT COUNT(*) FROM poc.t) = 3 AS "three rows"', 'three rows'],
    ['BEGIN SELECT ERROR("inner"); EXCEPTION WHEN ERROR THEN RAISE; END', 'inner'],
    ['IF TRUE THEN SELECT 1', 'Syntax error: Expected keyword END'],
    ['CALL poc.nothing()', 'Not found: Routine example-project:poc.nothing'],
  ])('%s fails', async (script, message) => {
    expect(await h.failure(script)).toContain(message);
  });
});

describe('transactions', () => {
  const change =
    'BEGIN TRANSACTION; UPDATE poc.t SET v = "changed" WHERE id = 1; DELETE FROM poc.t WHERE id = 2;';

  test('are there after COMMIT', async () => {
    await h.sql(`${change} COMMIT TRANSACTION`);
    expect(await rows()).toEqual([['1', 'changed']]);
  });

  test('see their own changes, and nobody else does', async () => {
    const script = `${change} SELECT COUNT(*) FROM poc.t; ROLLBACK TRANSACTION`;
    expect(await h.sql(script)).toEqual([['1']]);
    expect(await rows()).toEqual(UNCHANGED);
  });

  test.each([
    ['an error', 'SELECT ERROR("boom");'],
    ['an unknown table', 'SELECT * FROM poc.nope;'],
    ['a value that does not fit', 'INSERT INTO poc.t (id) VALUES (CAST("x" AS INT64));'],
    ['a statement that is not known', 'FROBNICATE;'],
    ['the end of the script without a COMMIT', ''],
    ['DDL', 'CREATE TABLE poc.other (id INT64);'],
  ])('are undone by %s', async (_what, statement) => {
    await h
      .sql(`${change} ${statement} ${statement === '' ? '' : 'COMMIT TRANSACTION'}`)
      .catch(() => undefined);
    expect(await rows()).toEqual(UNCHANGED);
  });

  test('are undone by an error that a handler catches, which may say so', async () => {
    const script = `BEGIN ${change} SELECT ERROR("boom"); COMMIT TRANSACTION;
      EXCEPTION WHEN ERROR THEN ROLLBACK TRANSACTION; SELECT @@error.message; END`;
    expect(await h.sql(script)).toEqual([['boom']]);
    expect(await rows()).toEqual(UNCHANGED);
  });

  test('have one moment for all that asks for the time in them, that of their start', async () => {
    const script = `DECLARE n INT64 DEFAULT 0; DECLARE first, last TIMESTAMP;
      BEGIN TRANSACTION; SET first = CURRENT_TIMESTAMP();
      WHILE n < 100 DO SET n = n + 1; END WHILE;
      SET last = CURRENT_TIMESTAMP(); COMMIT TRANSACTION;
      SELECT first = last, CURRENT_TIMESTAMP() > last`;
    expect(await h.sql(script)).toEqual([['true', 'true']]);
  });

  test('do not nest, and do not end twice', async () => {
    expect(await h.failure('BEGIN TRANSACTION; BEGIN TRANSACTION')).toContain('nested');
    expect(await h.failure('COMMIT TRANSACTION')).toContain('No active transaction');
    expect(await h.failure('ROLLBACK TRANSACTION')).toContain('No active transaction');
  });
});

describe('procedures', () => {
  test('take arguments, have variables of their own, and may change tables', async () => {
    await h.sql(`CREATE OR REPLACE PROCEDURE poc.add(x INT64, t STRING)
      BEGIN DECLARE y INT64 DEFAULT x + 1; INSERT INTO poc.t VALUES (y, t); SELECT y; END`);
    expect(await h.sql('CALL `example-project.poc.add`(1 + 1, "c")')).toEqual([['3']]);
    expect(await rows()).toEqual([...UNCHANGED, ['3', 'c']]);
    expect(await h.failure('CALL poc.add(1)')).toContain('takes 2 arguments, 1 given');
  });

  test('come in over REST too, as the Pulumi provider makes them', async () => {
    const body = {
      routineReference: { routineId: 'over_rest' },
      routineType: 'PROCEDURE',
      language: 'SQL',
      definitionBody: 'BEGIN\nSELECT COUNT(*) AS n FROM poc.t;\nEND;',
      arguments: [],
    };
    const path = '/bigquery/v2/projects/p/datasets/poc/routines';
    expect((await h.rest('POST', path, body)).status).toBe(200);
    expect((await h.rest('POST', path, body)).status).toBe(409);
    expect(await h.sql('CALL poc.over_rest()')).toEqual([['2']]);
    const { body: shown } = await h.rest('GET', `${path}/over_rest`);
    expect(shown).toMatchObject({ routineType: 'PROCEDURE', definitionBody: body.definitionBody });
  });
});

test("a script's statements are its children, with their counts", async () => {
  const [job] = await h.bigquery.createQueryJob({
    query: 'UPDATE poc.t SET v = "x" WHERE TRUE; DELETE FROM poc.t WHERE id = 1; SELECT 1',
    location: LOCATION,
  });
  await job.getQueryResults();
  const [{ statistics }] = await job.getMetadata();
  expect(statistics.query.statementType).toBe('SCRIPT');
  expect(statistics.numChildJobs).toBe('3');
  const { body } = await h.rest('GET', `/bigquery/v2/projects/p/jobs?parentJobId=${job.id}`);
  const counts = body.jobs.map(
    (child: { statistics: { query: { numDmlAffectedRows?: string } } }) =>
      child.statistics.query.numDmlAffectedRows,
  );
  expect(counts).toEqual([undefined, '1', '2']);
});
