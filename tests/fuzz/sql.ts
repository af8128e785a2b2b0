import { statements } from '../../jobs/contract/sql/index.ts';
import type { TestSandbox } from '../support/sandbox.ts';
import type { Finding } from './findings.ts';
import { mutatedText, Random } from './mutations.ts';

const PATIENCE_MS = 60_000;
const MORE = [
  "SELECT TO_BASE64(b'\\x00'), SAFE_CAST('1' AS INT64), IF(TRUE, 1, 2), CAST(NULL AS STRING)",
  'DECLARE x INT64 DEFAULT 1; BEGIN TRANSACTION; SET x = x + 1; COMMIT TRANSACTION; SELECT x',
  'CREATE OR REPLACE TABLE `fuzz` (id INT64 NOT NULL, v STRING, b BYTES) CLUSTER BY id',
  "INSERT INTO `fuzz` (id, v) VALUES (1, 'a'), (2, NULL); UPDATE `fuzz` SET v = 'b' WHERE id = 1; DELETE FROM `fuzz` WHERE TRUE",
  'SELECT * FROM `users` FOR SYSTEM_TIME AS OF CURRENT_TIMESTAMP() QUALIFY ROW_NUMBER() OVER (PARTITION BY id ORDER BY id) = 1',
  "SELECT SHA256(CONCAT('a', '\\n', IFNULL(NULL, ''))), UNIX_MILLIS(CURRENT_TIMESTAMP()), TIMESTAMP_MILLIS(1)",
  "IF EXISTS (SELECT 1 FROM `runs`) THEN SELECT 1; END IF; ASSERT 1 = 1 AS 'never'",
];

const WORDS = [
  'NULL',
  '(',
  ')',
  ',',
  ';',
  'SELECT',
  'FROM',
  'WHERE',
  '@run_id',
  '@nobody',
  '`',
  "'",
  '--',
  '/*',
  '*/',
  'BEGIN',
  'END',
  'COMMIT TRANSACTION',
  'ROLLBACK TRANSACTION',
  'CASE',
  '*',
  '.',
  '1',
  '-9223372036854775809',
  "b'\\xff'",
  'r"\\"',
  '"""',
  'OVER ()',
  'SAFE.',
  'CAST(',
  'AS',
  'GROUP BY ALL',
  'UNION ALL',
  'EXCEPT',
  '[',
  'STRUCT(',
  '😀',
  '\0',
  'IS',
  'NOT',
  'IN',
  'EXISTS',
];

/** Statements with changes: each is carried out or rejected as a query, and the sandbox itself never fails. */
export async function fuzzSql(box: TestSandbox, seed: number, count: number): Promise<Finding[]> {
  const random = new Random(seed, 'sql');
  const { endpoints, owner } = box.sandbox;
  const { project, dataset, location } = box.deployment;
  const issued = Object.values(statements(box.deployment));
  const texts = [...issued.map(({ sql }) => sql), ...MORE];
  const types = Object.assign({}, ...issued.map(({ params }) => params)) as Record<string, string>;
  const values: Record<string, string> = { INT64: '1', FLOAT64: '1', BYTES: 'QQ==', STRING: 'pending' };
  const queryParameters = Object.entries(types).map(([name, type]) => ({
    name,
    parameterType: { type },
    parameterValue: { value: values[type] },
  }));
  const findings: Finding[] = [];
  for (let made = 0; made < count; made++) {
    const text = random.pick(texts);
    const query = random.chance(0.6) ? otherWords(random, text) : mutatedText(random, text, texts);
    try {
      const answer = await fetch(`${endpoints.control}/bigquery/v2/projects/${project}/queries`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${owner.accessToken}` },
        body: JSON.stringify({
          query,
          useLegacySql: false,
          parameterMode: 'NAMED',
          location,
          queryParameters,
          defaultDataset: { projectId: project, datasetId: dataset },
        }),
        signal: AbortSignal.timeout(PATIENCE_MS),
      });
      const said = await answer.text();
      if (answer.status >= 500 && answer.status !== 501)
        findings.push({ what: `sql: ${answer.status} ${said.slice(0, 300)}`, input: query });
    } catch (error) {
      findings.push({ what: `sql: no answer: ${error}`, input: query });
    }
  }
  return findings;
}

/** Words left out, doubled, exchanged, or put in. */
function otherWords(random: Random, text: string): string {
  const words = text.split(/(\s+|[(),;.]|`[^`]*`)/).filter((word) => word !== '');
  for (let left = 1 + random.below(3); left > 0; left--) {
    const at = random.below(words.length);
    const how = random.below(4);
    if (how === 0) words.splice(at, 1);
    else if (how === 1) words.splice(at, 0, words[random.below(words.length)] as string);
    else if (how === 2) words[at] = random.pick(WORDS);
    else words.splice(at, 0, ` ${random.pick(WORDS)} `);
  }
  return words.join('');
}
