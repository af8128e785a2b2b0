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
  'a condition that is none': 'IF 1 THEN SELECT 1; END IF;',
  'a bad statement inside a script': 'BEGIN TRANSACTION; DELETE FROM `p.d.users` WHERE mail = 1; COMMIT;',
  'a column of a wrong type in a merge':
    'MERGE `p.d.users` AS u USING `p.d.staging` AS s ON u.id = s.id WHEN MATCHED THEN UPDATE SET email = s.id',
  'bad grammar': 'SELECT FROM WHERE',
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
});
