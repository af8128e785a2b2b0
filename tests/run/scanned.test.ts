import { afterAll, beforeAll, expect, it } from 'vitest';
import { newRunId } from '../../jobs/contract/ids.ts';
import { LEAST_QUERY_BYTES, QUERY_USD_PER_TIB } from '../../jobs/contract/prices.ts';
import type { EngineName } from '../../jobs/contract/settings/choices.ts';
import { mergeScans } from '../../jobs/contract/sql/index.ts';
import { estimate } from '../../jobs/run/cost.ts';
import { plan } from '../../jobs/run/plan.ts';
import { scanned } from '../../jobs/run/scanned.ts';
import { Application } from '../support/application.ts';
import { type TestSandbox, testSandbox } from '../support/sandbox.ts';

const application = new Application('gcm');
const key = application.newKey();
let box: TestSandbox;
beforeAll(async () => {
  box = await testSandbox({}, 'direct');
  const ids = Array.from({ length: 50 }, (_, at) => String(at + 1));
  await box.load(
    application,
    ids.map((id) => ({ id, cipher_text: key.encrypt(`user${id}@example.com`), dek: key.dek })),
  );
});
afterAll(() => box.close());

const read = async (engine: 'direct' | 'dataproc') =>
  (await scanned(box.context, await planned(engine), [engine]))[engine];
const planned = (engine: 'direct' | 'dataproc') =>
  plan(box.context, { runId: newRunId(), mode: 'pending', limit: null, engine });
/** Logical bytes of the given expression over the source table. */
const sum = async (sql: string): Promise<number> => {
  const [row] = await box.sql(`SELECT ${sql} AS n FROM users`);
  return Number(row?.n);
};

it('counts what the plan, the read and each statement of the merge read', async () => {
  const source = await sum('SUM(BYTE_LENGTH(cipher_text) + 2 + BYTE_LENGTH(dek) + 2)');
  const ids = 8 * 50;
  const batch = await read('dataproc');
  expect(mergeScans(box.deployment)).toHaveLength(5);
  // The plan's count names id, cipher text and data key in two scans; so do two statements of the merge, and the
  // erasing one the cipher text. Each of the four that change it is billed for the whole table beside them, where
  // nothing is sealed yet; the fifth, which counts what changed meanwhile, reads the ids.
  const cipherTexts = await sum('SUM(BYTE_LENGTH(cipher_text) + 2)');
  expect(batch.bytes).toBe((2 + 2) * (ids + source) + cipherTexts + 4 * (ids + source) + ids);
  expect(batch.billed).toBe(6 * LEAST_QUERY_BYTES);
  const direct = await read('direct');
  expect(direct.bytes - batch.bytes).toBe(ids + source);

  await box.run();
  const table = await sum(
    'SUM(8 + BYTE_LENGTH(cipher_text) + 2 + BYTE_LENGTH(dek) + 2 + BYTE_LENGTH(bq_encryption_key) + 2 + BYTE_LENGTH(bq_encrypted_email) + 2 + IFNULL(BYTE_LENGTH(decrypted_email) + 2, 0) + 8 + BYTE_LENGTH(resealed_from) + 2)',
  );
  const after = await read('direct');
  expect(after.bytes).toBeGreaterThan(4 * table);
});

it('asks BigQuery once about a statement, for all engines together', async () => {
  const asked: string[] = [];
  const { bigquery } = box.context;
  const bytes: typeof bigquery.bytes = (statement, values) => {
    asked.push(statement.sql);
    return bigquery.bytes(statement, values);
  };
  await box.load(application, [{ id: '51', cipher_text: key.encrypt('user51@example.com'), dek: key.dek }]);
  const plan = await planned('dataproc');
  const both = await scanned({ ...box.context, bigquery: { ...bigquery, bytes } }, plan, [
    'direct',
    'dataproc',
  ]);
  expect(new Set(asked).size).toBe(asked.length);
  expect(both.direct).toEqual(await read('direct'));
  expect(both.dataproc).toEqual(await read('dataproc'));
  expect(both.direct.bytes).toBeGreaterThan(both.dataproc.bytes);
});

it('prices them: a table of a tebibyte costs what its four statements read', () => {
  const bytes = 4 * 2 ** 40;
  const nothing = {
    engine: 'direct',
    selected: 0,
    distinctDeks: 0,
    waves: 1,
    statementMillis: 0,
    kmsCallsPerSecond: 1,
    maxExecutors: 2,
  } as const;
  expect(estimate(nothing, { bytes, billed: bytes })).toMatchObject({
    bigQueryBytes: bytes,
    bigQueryUsd: 4 * QUERY_USD_PER_TIB,
    costUsd: 4 * QUERY_USD_PER_TIB,
    kmsCalls: 0,
  });
});

it('knows that this process opens no more keys for a higher rate, and that a batch does', () => {
  const keys = { selected: 1, distinctDeks: 1_000_000, waves: 1, statementMillis: 0, maxExecutors: 10 };
  const minutes = (engine: EngineName, kmsCallsPerSecond: number) =>
    estimate({ ...keys, engine, kmsCallsPerSecond }, { bytes: 0, billed: 0 }).minutes;
  for (const engine of ['direct', 'bigquery'] as const) {
    expect(minutes(engine, 1_000)).toBeGreaterThan(minutes(engine, 10_000));
    expect(minutes(engine, 100_000)).toBe(minutes(engine, 10_000));
    expect(minutes(engine, 10_000)).toBeGreaterThan(5);
  }
  expect(minutes('dataproc', 10_000)).toBeLessThan(5);
});
