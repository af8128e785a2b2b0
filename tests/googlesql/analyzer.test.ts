import { beforeAll, expect, test } from 'vitest';
import { ensureVenv } from '../../jobs/spark/venv.ts';
import { analyze } from '../support/oracles/analyzer.ts';

const tables = [
  {
    name: 'p.d.users',
    columns: [
      { name: 'id', type: 'INT64' },
      { name: 'email', type: 'STRING' },
      { name: 'sealed', type: 'BYTES' },
      { name: 'seen_at', type: 'TIMESTAMP' },
    ],
  },
  { name: 'p.d.staging', columns: [{ name: 'id', type: 'INT64' }] },
];
const KEY = "'gcp-kms://projects/p/locations/us/keyRings/r/cryptoKeys/k'";

const good = {
  query: 'SELECT id, UPPER(email) AS email FROM `p.d.users` WHERE id <= @cutoff',
  snapshot: 'SELECT id FROM `p.d.users` FOR SYSTEM_TIME AS OF TIMESTAMP_MILLIS(@cutoff)',
  qualify:
    'SELECT id FROM `p.d.users` WHERE TRUE QUALIFY ROW_NUMBER() OVER (PARTITION BY id ORDER BY seen_at) = 1',
  aead: `SELECT AEAD.DECRYPT_STRING(KEYS.KEYSET_CHAIN(${KEY}, @keyset), sealed, CAST(id AS STRING)) FROM \`p.d.users\``,
  merge:
    'MERGE `p.d.users` AS u USING (SELECT id FROM `p.d.staging`) AS s ON u.id = s.id WHEN MATCHED THEN UPDATE SET email = NULL',
  script: `DECLARE now TIMESTAMP DEFAULT CURRENT_TIMESTAMP();
DECLARE n INT64 DEFAULT 0;
BEGIN TRANSACTION;
IF EXISTS (SELECT 1 FROM \`p.d.users\` WHERE id = @cutoff) THEN
  UPDATE \`p.d.users\` SET seen_at = now WHERE id = @cutoff;
  SET n = n + @@row_count;
END IF;
COMMIT TRANSACTION;`,
  'variables of the types of a query': `DECLARE first, last DEFAULT (SELECT MIN(seen_at) FROM \`p.d.users\`);
SET (first, last) = (SELECT AS STRUCT MIN(seen_at), MAX(seen_at) FROM \`p.d.users\`);
SELECT id FROM \`p.d.users\` WHERE seen_at BETWEEN first AND last;`,
  'a temporary table': `CREATE TEMP TABLE seen AS SELECT id, seen_at AS moment FROM \`p.d.users\`;
INSERT INTO \`p.d.staging\` (id) SELECT id FROM seen WHERE moment IS NOT NULL;`,
  procedure: `CREATE OR REPLACE PROCEDURE \`p.d.read\`(IN least INT64) OPTIONS (strict_mode = TRUE)
BEGIN
  DECLARE secret BYTES DEFAULT (SELECT sealed FROM \`p.d.users\` LIMIT 1);
  SELECT AEAD.DECRYPT_STRING(KEYS.KEYSET_CHAIN(${KEY}, secret), sealed, 'a') FROM \`p.d.users\` WHERE id >= least;
END;`,
  joins: `SELECT u.id FROM \`p.d.users\` AS u
LEFT JOIN (SELECT id FROM \`p.d.staging\`) AS s ON CAST(u.id AS STRING) = CAST(s.id AS STRING) AND u.seen_at IS NOT NULL
WHERE NOT EXISTS (SELECT 1 FROM \`p.d.staging\` AS t WHERE t.id = u.id AND t.id > 3)`,
};
const bad = {
  'no such column': 'SELECT e_mail FROM `p.d.users`',
  'no such table': 'SELECT id FROM `p.d.clients`',
  'no such function': 'SELECT SHA3(email) FROM `p.d.users`',
  'an argument of a wrong type': 'SELECT SHA256(id) FROM `p.d.users`',
  'a parameter that is not given': 'SELECT id FROM `p.d.users` WHERE id = @nothing',
  'a parameter of a wrong type': 'SELECT id FROM `p.d.users` WHERE email = @cutoff',
  'an assignment of a wrong type': 'DECLARE n INT64 DEFAULT 0; SET n = CURRENT_TIMESTAMP();',
  'an undeclared variable': 'BEGIN TRANSACTION; SET n = 1; COMMIT TRANSACTION;',
  'a variable of the type of a query that is none': 'DECLARE n DEFAULT (SELECT e_mail FROM `p.d.users`);',
  'variables of other types than a query': 'DECLARE a, b INT64; SET (a, b) = (SELECT AS STRUCT 1, b"x");',
  'fewer variables than a query has columns': 'DECLARE a, b INT64; SET (a, b) = (SELECT AS STRUCT 1, 2, 3);',
  'a condition that is none': 'IF 1 THEN SELECT 1; END IF;',
  'a bad statement inside a script': 'BEGIN TRANSACTION; DELETE FROM `p.d.users` WHERE mail = 1; COMMIT;',
  'a column of a wrong type in a merge':
    'MERGE `p.d.users` AS u USING `p.d.staging` AS s ON u.id = s.id WHEN MATCHED THEN UPDATE SET email = s.id',
  'a column that a temporary table does not have':
    'CREATE TEMP TABLE seen AS SELECT id FROM `p.d.users`; SELECT seen_at FROM seen;',
  'bad grammar': 'SELECT FROM WHERE',
  'a procedure that names no such column':
    'CREATE PROCEDURE `p.d.read`() BEGIN SELECT e_mail FROM `p.d.users`; END',
  'a procedure that takes a variable of the script around it':
    'DECLARE n INT64; CREATE PROCEDURE `p.d.read`() BEGIN SELECT n; END',
  'a procedure with an argument of no such type':
    'CREATE PROCEDURE `p.d.read`(IN n INT65) BEGIN SELECT 1; END',
};

/** What the analyzer accepts, and BigQuery may reject when it runs. */
const U = '`p.d.users` AS u';
const S = '`p.d.staging` AS s';
const unequal = {
  'a MERGE by an inequality': `MERGE ${U} USING ${S} ON u.id < s.id WHEN MATCHED THEN UPDATE SET email = NULL`,
  'a MERGE by a constant': `MERGE ${U} USING ${S} ON FALSE WHEN NOT MATCHED THEN INSERT (id) VALUES (1)`,
  'a MERGE by one side': `MERGE ${U} USING ${S} ON u.id = 1 WHEN MATCHED THEN UPDATE SET email = NULL`,
  'a MERGE by an equality or another': `MERGE ${U} USING ${S} ON u.id = s.id OR u.id > 5 WHEN MATCHED THEN DELETE`,
  'a MERGE in a procedure': `CREATE PROCEDURE \`p.d.p\`() BEGIN MERGE ${U} USING ${S} ON u.id != s.id WHEN MATCHED THEN DELETE; END`,
  'a LEFT join by an inequality': `SELECT 1 FROM ${U} LEFT JOIN ${S} ON u.id <= s.id`,
  'a RIGHT join that mixes the sides': `SELECT 1 FROM ${U} RIGHT JOIN ${S} ON u.id + s.id = 3`,
  'a FULL join by a negated equality': `SELECT 1 FROM ${U} FULL JOIN ${S} ON NOT (u.id = s.id)`,
  'an anti join by an inequality': `SELECT 1 FROM ${U} WHERE NOT EXISTS (SELECT 1 FROM ${S} WHERE s.id > u.id)`,
  'an anti join in a DELETE': `DELETE ${U} WHERE NOT EXISTS (SELECT 1 FROM ${S} WHERE s.id BETWEEN u.id AND 9)`,
};
const params = { cutoff: 'INT64', keyset: 'BYTES' };
const statements = (from: Record<string, string>) =>
  Object.entries(from).map(([name, sql]) => ({ name, sql, params }));

beforeAll(async () => {
  await ensureVenv();
  // The first question compiles the analyzer.
  await analyze([], statements({ first: 'SELECT 1' }));
}, 600_000);

test('statements that BigQuery takes are accepted', async () => {
  const verdicts = await analyze(tables, statements(good));
  expect(verdicts).toEqual(Object.keys(good).map((name) => ({ name, error: null })));
});

test('what is wrong in a statement is found', async () => {
  const verdicts = await analyze(tables, statements(bad));
  expect(verdicts.filter((verdict) => verdict.error === null)).toEqual([]);
  expect(verdicts.find((verdict) => verdict.name === 'no such column')?.error).toContain('e_mail');
  expect(verdicts.find(({ name }) => name.endsWith('no such column'))?.error).toContain('e_mail');
});

test('a join without an equality of both sides is found, however the analyzer likes it', async () => {
  const verdicts = await analyze(tables, statements(unequal));
  expect(
    verdicts.map(({ name, error }) => [name, error?.match(/ has no equality of both sides$/)?.[0]]),
  ).toEqual(Object.keys(unequal).map((name) => [name, ' has no equality of both sides']));
});
