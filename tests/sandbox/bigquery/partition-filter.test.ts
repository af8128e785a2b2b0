import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Harness, harness, LOCATION, PROJECT } from '../../support/harness.ts';
import { type Reader, storageReader } from '../../support/storage-read.ts';

/** A table of require_partition_filter: https://cloud.google.com/bigquery/docs/querying-partitioned-tables */
const MESSAGE = `Cannot query over table '${PROJECT}.poc.days' without a filter over column(s) 'day' that can be used for partition elimination`;

let h: Harness;
let reader: Reader;
beforeAll(async () => {
  h = await harness();
  reader = await storageReader(h.origin, PROJECT, h.token);
  const days = `/bigquery/v2/projects/${PROJECT}/datasets/poc/tables`;
  const made = await h.rest('POST', days, {
    tableReference: { projectId: PROJECT, datasetId: 'poc', tableId: 'days' },
    schema: {
      fields: [
        { name: 'id', type: 'INTEGER' },
        { name: 'day', type: 'DATE' },
      ],
    },
    timePartitioning: { type: 'DAY', field: 'day' },
    requirePartitionFilter: true,
  });
  expect(made.status).toBe(200);
  await h.sql('CREATE TABLE poc.others (id INT64, day DATE)');
  await h.sql(`INSERT INTO poc.days (id, day) VALUES (1, DATE '2026-01-01'), (2, DATE '2026-01-02'), (3, NULL);
    INSERT INTO poc.others SELECT id, day FROM poc.days WHERE day IS NULL OR day IS NOT NULL`);
});
afterAll(async () => {
  await reader.close();
  await h.close();
});

const dryRun = async (query: string): Promise<void> => {
  await h.bigquery.createQueryJob({ query, location: LOCATION, dryRun: true });
};

const ANY = '(d.day IS NULL OR d.day IS NOT NULL)';

describe('is satisfied by a condition that compares the column with constants', () => {
  test.each([
    ["SELECT id FROM poc.days WHERE day = DATE '2026-01-01'", 1],
    [
      "SELECT id FROM poc.days AS d WHERE d.day BETWEEN DATE '2026-01-01' AND DATE '2026-01-02' AND d.id > 1",
      1,
    ],
    ["SELECT id FROM poc.days d WHERE id > 0 AND (d.`day` IN (DATE '2026-01-02') OR d.day IS NULL)", 2],
    [`SELECT id FROM poc.days AS d WHERE ${ANY} ORDER BY id`, 3],
    [`SELECT o.id FROM poc.others AS o JOIN poc.days AS d ON d.id = o.id AND ${ANY}`, 3],
    [
      `SELECT o.id FROM poc.others AS o LEFT JOIN (SELECT id FROM poc.days WHERE day IS NULL) AS d ON d.id = o.id`,
      3,
    ],
    [`SELECT 1 FROM poc.others UNION ALL SELECT id FROM poc.days WHERE day >= CURRENT_DATE()`, 3],
  ])('%s', async (query, rows) => {
    expect(await h.sql(query)).toHaveLength(rows);
    await dryRun(query);
  });

  test('in DML and in scripts, where a variable is a constant', async () => {
    await h.sql(`DECLARE first, last DEFAULT (SELECT MIN(day) FROM poc.days WHERE day IS NULL);
      SET (first, last) = (SELECT AS STRUCT MIN(day), MAX(day) FROM poc.days AS d WHERE ${ANY});
      ASSERT first = DATE '2026-01-01' AND last = DATE '2026-01-02';
      MERGE poc.days AS d USING poc.others AS o ON (d.day BETWEEN first AND last OR d.day IS NULL) AND d.id = o.id
      WHEN MATCHED THEN UPDATE SET id = o.id`);
    const merge = `MERGE poc.days AS d USING poc.others AS o ON ${ANY} AND d.id = o.id WHEN MATCHED THEN DELETE`;
    for (const query of [
      merge,
      'UPDATE poc.days SET id = 4 WHERE day IS NULL',
      'DELETE poc.days WHERE day IS NULL',
    ])
      await dryRun(query);
    await dryRun('INSERT INTO poc.days (id) VALUES (9)');
  });
});

describe('is missed', () => {
  const elsewhere = [
    'SELECT id FROM poc.days',
    'SELECT COUNT(*) FROM poc.days WHERE id = 1',
    "SELECT id FROM poc.days WHERE day = DATE '2026-01-01' OR id = 1",
    'SELECT id FROM poc.days WHERE CAST(day AS STRING) IS NULL',
    'SELECT id FROM poc.days WHERE day != CURRENT_DATE()',
    'SELECT id FROM poc.days WHERE day IN (SELECT day FROM poc.others)',
    'SELECT d.id FROM poc.days AS d JOIN poc.others AS o ON d.day = o.day',
    "SELECT o.id FROM poc.days AS d JOIN poc.others AS o ON d.id = o.id WHERE o.day = DATE '2026-01-01'",
    'SELECT id FROM poc.days WHERE day IS NULL UNION ALL SELECT id FROM poc.days',
    'SELECT 1 FROM poc.others WHERE EXISTS (SELECT 1 FROM poc.days)',
    'UPDATE poc.days SET id = 2 WHERE id = 1',
    'DELETE FROM poc.days WHERE TRUE',
    'MERGE poc.days AS d USING poc.others AS o ON d.id = o.id WHEN MATCHED THEN DELETE',
    'MERGE poc.others AS o USING poc.days AS d ON d.id = o.id WHEN MATCHED THEN DELETE',
  ];
  test.each(elsewhere)('%s', async (query) => {
    expect(await h.failure(query)).toBe(MESSAGE);
    await expect(dryRun(query)).rejects.toThrow(MESSAGE);
  });
});

test('a read session needs one as well', async () => {
  const open = (where?: string) =>
    reader.open({ table: 'poc.days', ...(where === undefined ? {} : { where }) });
  await expect(open()).rejects.toThrow(`request failed: ${MESSAGE}`);
  await expect(open('(`id` <= 2)')).rejects.toThrow(MESSAGE);
  const where = '((`day` IS NULL OR `day` IS NOT NULL)) AND (`id` <= 3)';
  expect(await reader.rows({ table: 'poc.days', where })).toHaveLength(3);
});
