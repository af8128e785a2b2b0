import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type TestSandbox, testSandbox } from '../../support/sandbox.ts';
import { type Reader, storageReader } from '../../support/storage-read.ts';

const ROWS = 1_000_000;
/** What the rows take in Arrow, at the least. */
const BYTES = ROWS * 250;
/** What the sandbox may need on top while it hands them out: a few messages of some 4 MB each, and much garbage. */
const MOST_BYTES = 0.64 * BYTES;

let box: TestSandbox;
let reader: Reader;
beforeAll(async () => {
  box = await testSandbox();
  const { project, dataset } = box.deployment;
  const text = "CONCAT(TO_HEX(SHA256(CAST(x AS STRING))), REPEAT('x', 61))";
  await box.sql(
    `CREATE TABLE \`${project}.${dataset}.large\` AS SELECT x AS id, ${text} AS a, ${text} AS b FROM UNNEST(GENERATE_ARRAY(1, ${ROWS})) AS x`,
  );
  reader = await storageReader(box.sandbox.owner.bigquery, project, box.sandbox.owner.accessToken);
});
afterAll(async () => {
  await reader?.close();
  await box?.close();
});

const resident = async (): Promise<number> => Number((await box.control('health')).residentBytes);

/** Reads everything; rows, bytes, and the most memory that the sandbox had meanwhile. */
async function drain(pauseMs: number) {
  const session = await reader.open({ table: `${box.deployment.dataset}.large` });
  let [rows, bytes, most] = [0, 0, 0];
  for await (const message of reader.messages(session.streams[0].name)) {
    if (rows === 0) await sleep(pauseMs);
    rows += Number(message.rowCount);
    bytes += message.arrowRecordBatch.serializedRecordBatch.length;
    most = Math.max(most, await resident());
  }
  return { rows, bytes, most };
}

test('a million rows pass through the sandbox, even for a client that keeps it waiting', async () => {
  // The first time DuckDB fills its own cache, whose size is bounded.
  await drain(0);
  const before = await resident();
  const { rows, bytes, most } = await drain(1500);
  expect(rows).toBe(ROWS);
  expect(bytes).toBeGreaterThan(BYTES);
  expect(most - before).toBeLessThan(MOST_BYTES);
});
