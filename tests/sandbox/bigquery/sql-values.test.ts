import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Harness, harness } from '../../support/harness.ts';

let h: Harness;
beforeAll(async () => {
  h = await harness();
});
afterAll(() => h.close());

/** The only cell of a query. */
const one = async (expression: string, params = {}) => (await h.sql(`SELECT ${expression}`, params))[0]?.[0];

describe('expressions mean what they mean in GoogleSQL', () => {
  test.each([
    // Literals
    [`'it''s'`, undefined],
    [`"double 'quoted'"`, "double 'quoted'"],
    [`'tab\\tnewline\\n\\u00e9'`, 'tab\tnewline\né'],
    [`r'raw\\n'`, 'raw\\n'],
    [`"""three "quotes" long"""`, 'three "quotes" long'],
    [`b'\\x00\\xffA'`, 'AP9B'],
    [`rb'\\x'`, Buffer.from('\\x').toString('base64')],
    ['1.5', '1.5'],
    ['0x1F', '31'],
    ['9223372036854775807', '9223372036854775807'],
    ['TRUE', 'true'],
    ['NULL', null],
    // NULL
    [`CONCAT('a', NULL)`, null],
    [`CONCAT('a', 'b', 'c')`, 'abc'],
    [`CONCAT(b'a', b'b')`, 'YWI='],
    ['GREATEST(1, NULL)', null],
    ['GREATEST(1, 3, 2)', '3'],
    ['LEAST(2, NULL)', null],
    [`IFNULL(NULL, 'x')`, 'x'],
    [`NULLIF('x', 'x')`, null],
    ['SAFE_DIVIDE(1, 0)', null],
    ['SAFE_DIVIDE(1, 4)', '0.25'],
    // Conversions
    ['CAST(-5 AS STRING)', '-5'],
    [`CAST('é' AS BYTES)`, Buffer.from('é').toString('base64')],
    [`CAST(b'\\xc3\\xa9' AS STRING)`, 'é'],
    ['CAST(CAST(7 AS STRING) AS BYTES)', 'Nw=='],
    [`SAFE_CAST('x' AS INT64)`, null],
    [`SAFE_CAST('12' AS INT64)`, '12'],
    ['CAST(1 AS BOOL)', 'true'],
    // Bytes and hashes
    [`TO_HEX(SHA256('abc'))`, 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
    [`TO_HEX(SHA256(b'abc'))`, 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
    [`TO_HEX(MD5('abc'))`, '900150983cd24fb0d6963f7d28e17f72'],
    [`LENGTH(SHA256('abc'))`, '32'],
    [`LENGTH('é')`, '1'],
    [`BYTE_LENGTH('é')`, '2'],
    [`TO_BASE64(b'abc')`, 'YWJj'],
    [`FROM_BASE64('YWJj')`, 'YWJj'],
    [`FROM_HEX('00ff')`, 'AP8='],
    [`SUBSTR('apple', 2, 3)`, 'ppl'],
    [`SUBSTR('apple', 0, 2)`, 'ap'],
    [`SUBSTR('apple', -2)`, 'le'],
    [`SUBSTR(b'apple', 2, 3)`, Buffer.from('ppl').toString('base64')],
    [`SUBSTR(b'apple', -2)`, Buffer.from('le').toString('base64')],
    // Conditions
    [`IF(1 < 2, 'y', 'n')`, 'y'],
    [`CASE WHEN 1 > 2 THEN 'a' ELSE 'b' END`, 'b'],
    ['1 IN UNNEST([1, 2])', 'true'],
    ['3 NOT IN UNNEST([1, 2])', 'true'],
    ['NULL IS DISTINCT FROM 1', 'true'],
    ['1 IS NOT DISTINCT FROM 1', 'true'],
    ['5 BETWEEN 1 AND 9', 'true'],
    // Time
    ['UNIX_MILLIS(TIMESTAMP_MILLIS(1234567))', '1234567'],
    ['UNIX_MILLIS(TIMESTAMP_MILLIS(-1))', '-1'],
    [`UNIX_SECONDS(TIMESTAMP '2024-01-01 00:00:00+00')`, '1704067200'],
    [`TIMESTAMP_TRUNC(TIMESTAMP '2024-01-01 10:20:30.123456+00', MILLISECOND)`, '1704104430123000'],
    [`TIMESTAMP_ADD(TIMESTAMP '2024-01-01 00:00:00+00', INTERVAL 1 DAY)`, '1704153600000000'],
    [`TIMESTAMP_SUB(TIMESTAMP_MILLIS(10), INTERVAL 3 MILLISECOND)`, '7000'],
    ['TIMESTAMP_DIFF(TIMESTAMP_MILLIS(3500), TIMESTAMP_MILLIS(1000), SECOND)', '2'],
    [`FORMAT_TIMESTAMP('%F %T', TIMESTAMP_MILLIS(0))`, '1970-01-01 00:00:00'],
    [`EXTRACT(YEAR FROM TIMESTAMP '2024-05-06 00:00:00+00')`, '2024'],
    [`CAST(TIMESTAMP_MILLIS(1) AS STRING)`, '1970-01-01 00:00:00.001+00'],
  ])('%s', async (expression, value) => {
    if (value === undefined) expect(await h.failure(`SELECT ${expression}`)).toContain('Syntax error');
    else expect(await one(expression)).toBe(value);
  });

  test('any text survives as a literal and as a parameter', async () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 40 }).filter((value) => !value.includes('\0'));
    await fc.assert(
      fc.asyncProperty(text, async (value) => {
        const escaped = value.replace(/[\\'\n\r]/g, (c) =>
          c === '\n' ? '\\n' : c === '\r' ? '\\r' : `\\${c}`,
        );
        expect(await one(`'${escaped}'`)).toBe(value);
        expect(await one('@v', { v: ['STRING', value] })).toBe(value);
      }),
      { numRuns: 60 },
    );
  });

  test('any bytes and any INT64 survive as a parameter', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 40 }),
        fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
        async (b, i) => {
          const base64 = Buffer.from(b).toString('base64');
          const params = { b: ['BYTES', base64], i: ['INT64', String(i)] } as const;
          expect(await h.sql('SELECT @b, @i', { b: [...params.b], i: [...params.i] })).toEqual([
            [base64, String(i)],
          ]);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('parameters', () => {
  test('of every type, and NULL of each', async () => {
    const params = {
      i: ['INT64', '9007199254740993'],
      s: ['STRING', 'é'],
      b: ['BYTES', '/w=='],
      t: ['BOOL', 'true'],
      f: ['FLOAT64', '0.1'],
      ts: ['TIMESTAMP', '2024-01-01 00:00:00+00'],
    } as const;
    const named = Object.fromEntries(
      Object.entries(params).map(([k, [t, v]]) => [k, [t, v] as [string, string]]),
    );
    expect(await h.sql('SELECT @i, @s, @b, @t, @f, @ts', named)).toEqual([
      ['9007199254740993', 'é', '/w==', 'true', '0.1', '1704067200000000'],
    ]);
    const nulls = Object.fromEntries(
      Object.entries(params).map(([k, [t]]) => [k, [t, null] as [string, null]]),
    );
    expect(await h.sql('SELECT @i, @s, @b, @t, @f, @ts', nulls)).toEqual([
      [null, null, null, null, null, null],
    ]);
  });

  test('names are case-insensitive; one that is not given is an error', async () => {
    expect(await one('@Run', { run: ['STRING', 'x'] })).toBe('x');
    expect(await h.failure('SELECT @nope')).toBe("Query parameter 'nope' not found");
  });

  test('by position, arrays, and LIMIT', async () => {
    const [rows] = await h.bigquery.query({
      query: 'SELECT ? + 1 AS n, ? AS s',
      params: ['41', 'x'],
      types: ['INT64', 'STRING'],
    });
    expect(rows).toEqual([{ n: 42, s: 'x' }]);
    const [found] = await h.bigquery.query({
      query: 'SELECT x FROM UNNEST(@ids) AS x ORDER BY x DESC LIMIT @n',
      params: { ids: ['3', '1', '2'], n: '2' },
      types: { ids: ['INT64'], n: 'INT64' },
    });
    expect(found).toEqual([{ x: 3 }, { x: 2 }]);
  });
});

describe('results', () => {
  test('columns without a name are f0_, f1_; none may be called the same', async () => {
    const [, , response] = await (
      await h.bigquery.createQueryJob('SELECT 1, 2 AS b, 3')
    )[0].getQueryResults();
    expect(response?.schema?.fields?.map(({ name }) => name)).toEqual(['f0_', 'b', 'f1_']);
    expect(await h.failure('SELECT 1 AS a, 2 AS A')).toContain('Duplicate column names');
  });

  test('NULLs come first when ascending, last when descending', async () => {
    const values = 'FROM UNNEST([2, NULL, 1]) AS x ORDER BY x';
    expect(await h.sql(`SELECT x ${values}`)).toEqual([[null], ['1'], ['2']]);
    expect(await h.sql(`SELECT x ${values} DESC`)).toEqual([['2'], ['1'], [null]]);
  });

  test('FLOAT64 and TIMESTAMP read as the real client reads them', async () => {
    const [rows] = await h.bigquery.query(
      `SELECT CAST('NaN' AS FLOAT64) AS nan, CAST('-inf' AS FLOAT64) AS low, TIMESTAMP '2024-01-01 00:00:00.5+00' AS t`,
    );
    expect(rows[0].nan).toBeNaN();
    expect(rows[0].low).toBe(Number.NEGATIVE_INFINITY);
    expect(rows[0].t.value).toBe('2024-01-01T00:00:00.500Z');
  });

  test('queries of some size: WITH, UNION ALL, QUALIFY, EXCEPT, EXISTS, comments', async () => {
    const rows = await h.sql(`
      -- a line, # and one /* not */ more
      WITH t AS (SELECT 1 AS id, 'a' AS v UNION ALL SELECT 1, 'b' UNION ALL SELECT 2, 'c')
      SELECT * EXCEPT (v), COUNT(*) OVER () AS n /* all of them */
      FROM t AS outer_t
      WHERE EXISTS (SELECT 1 FROM t WHERE t.id = outer_t.id AND t.v > 'a')
      QUALIFY ROW_NUMBER() OVER (PARTITION BY id ORDER BY v DESC) = 1
      ORDER BY id`);
    expect(rows).toEqual([
      ['1', '3'],
      ['2', '3'],
    ]);
    expect(
      await h.sql('SELECT COUNTIF(x > 1), COUNT(DISTINCT x), SUM(x) FROM UNNEST([1, 2, 2]) AS x'),
    ).toEqual([['2', '2', '5']]);
    expect(await h.sql('SELECT COUNTIF(x > 1), COUNT(*) FROM UNNEST([1]) AS x WHERE x > 1')).toEqual([
      ['0', '0'],
    ]);
  });
});

describe('what the sandbox has not is refused by its name', () => {
  test.each([
    [
      'SELECT FARM_FINGERPRINT("a")',
      'Function not found: FARM_FINGERPRINT (the sandbox has no such function)',
    ],
    ['SELECT read_csv("/etc/passwd")', 'Function not found: READ_CSV'],
    ['SELECT NET.HOST("a")', 'Function not found: NET.HOST'],
    ['EXPORT DATA OPTIONS() AS SELECT 1', 'The sandbox has no EXPORT statement'],
    ['PRAGMA version', 'Unexpected PRAGMA (the sandbox has no such statement)'],
    ['SELECT * FROM poc.INFORMATION_SCHEMA.TABLES', 'The sandbox has no INFORMATION_SCHEMA'],
    ['SELECT STRUCT(1)', 'The sandbox has no STRUCT'],
    ['SELECT * FROM poc.nope', 'Not found: Table example-project:poc.nope'],
    ['SELECT * FROM nope.t', 'Not found: Dataset example-project:nope'],
    ['SELECT * FROM t', 'Table "t" must be qualified with a dataset'],
    ['SELECT * FROM "/etc/passwd"', 'Syntax error'],
    ['SELECT nope FROM (SELECT 1 AS x)', 'Unrecognized name: nope'],
    ['SELECT CAST(1 AS GEOGRAPHY)', 'Type not found: GEOGRAPHY'],
    ['SELECT (1', 'Syntax error: Expected ")"'],
    ["SELECT 'a", 'Syntax error: Unclosed string literal at [1:8]'],
    ['', 'Syntax error: Unexpected end of statement'],
  ])('%s', async (query, message) => {
    expect(await h.failure(query)).toContain(message);
  });

  test('a failed conversion does not show the value', async () => {
    const message = await h.failure(`SELECT CAST('canary-value' AS INT64)`);
    expect(message).toContain('Bad value in a conversion to INT64');
    expect(message).not.toContain('canary');
    expect(await h.failure(`SELECT FROM_BASE64('canary value')`)).not.toContain('canary');
  });

  test('legacy SQL is refused', async () => {
    const { status, body } = await h.rest('POST', '/bigquery/v2/projects/p/queries', { query: 'SELECT 1' });
    expect(status).toBe(400);
    expect(body.error.message).toContain('useLegacySql');
  });
});
