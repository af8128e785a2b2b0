import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { advanceOf, applicationLine } from '../../jobs/engines/dataproc/application-lines.ts';
import type { StageProgress } from '../../jobs/engines/engine.ts';
import { ensureVenv, sparkOf } from '../../jobs/spark/venv.ts';
import type { KeyCalls } from '../../sandbox/kms/traffic.ts';
import { type Harness, harness, KEY, SOURCE } from '../support/harness.ts';

/** The application on a local Spark, its KMS calls counted by the sandbox's Cloud KMS. */

const application = fileURLToPath(new URL('../../jobs/spark', import.meta.url));
const suites = fileURLToPath(new URL('application', import.meta.url));
const work = mkdtempSync(join(tmpdir(), 'reseal-kms-calls-'));
const keks = { [SOURCE]: randomBytes(32).toString('base64'), [KEY]: randomBytes(32).toString('base64') };
/** Rows of each run that official Tink is to open. */
const SAMPLE = 40;

let sandbox: Harness;
let spark: ChildProcess;
let lines: AsyncIterator<string>;
let complaints = '';
beforeAll(async () => {
  sandbox = await harness();
  for (const [name, materialBase64] of Object.entries(keks)) {
    await sandbox.rest('POST', '/sandbox/v1/kms:import', { name, materialBase64 });
  }
  const python = await ensureVenv();
  spark = spawn(python, ['-m', 'support.many_runs', work], {
    cwd: suites,
    env: {
      ...process.env,
      ...sparkOf(python).env,
      PYTHONPATH: application,
      CLOUDSDK_AUTH_ACCESS_TOKEN: sandbox.token,
    },
  });
  const input = spark.stdout as NonNullable<ChildProcess['stdout']>;
  lines = createInterface({ input })[Symbol.asyncIterator]();
  spark.stderr?.on('data', (data: Buffer) => {
    complaints = (complaints + data).slice(-3000);
  });
}, 600_000);
afterEach(async () => {
  await sandbox.rest('POST', '/sandbox/v1/kms:reset', {});
  await faults();
});

/** The rules at work: for the calls of the project's owner, as whom Spark works here. */
const faults = (...rules: object[]) =>
  sandbox.rest('POST', '/sandbox/v1/faults', {
    rules: rules.map((rule) => ({ service: 'kms', member: 'user:owner@sandbox.invalid', ...rule })),
  });
afterAll(async () => {
  const ended = new Promise((resolve) => spark.on('close', resolve));
  spark.stdin?.end();
  await ended;
  await sandbox.close();
  rmSync(work, { recursive: true, force: true });
});

interface Table {
  rows: number;
  deks: number;
  /** The first key has nine rows in ten. */
  hot?: boolean;
}

/** One run over a table of its own: what the application counted, and the calls for data keys that KMS saw. */
async function run(
  { rows, deks, hot = false }: Table,
  changes: Record<string, string> = {},
): Promise<{ counts: Record<string, unknown>; calls: KeyCalls; live: StageProgress[] }> {
  const names = { source_kek: SOURCE, bigquery_kek: KEY };
  const given = { kms_calls_per_second: '1000000', ...names, ...changes };
  const order = { rows, deks, hot, keks: Object.values(keks), endpoint: sandbox.origin, changes: given };
  spark.stdin?.write(`${JSON.stringify(order)}\n`);
  let counts: Record<string, unknown> = {};
  let opened: unknown;
  const live: StageProgress[] = [];
  while (opened === undefined) {
    const { value, done } = await lines.next();
    if (done) throw new Error(complaints);
    const said = JSON.parse(value) as Record<string, unknown>;
    if (said.reseal === 'counts') counts = said;
    opened = said.opened;
    const line = applicationLine(value);
    expect(line === null, value).toBe(opened !== undefined);
    if (line?.reseal === 'live') live.push(advanceOf(line));
  }
  expect(opened).toBe(SAMPLE);
  const { body } = await sandbox.rest('GET', '/sandbox/v1/kms:calls');
  return { counts, calls: body.keys[SOURCE], live };
}

/** Every row staged, and one answered call for each key. */
const whole = ({ rows, deks }: Table) => ({
  selected: rows,
  staged: rows,
  rejected: {},
  distinct_deks: deks,
});

test.each([
  ['300,000 rows under 1,000 keys', { rows: 300_000, deks: 1_000 }, { keying: 'shared' }],
  ['one key with nine rows in ten', { rows: 20_000, deks: 2_001, hot: true }, {}],
  ['the same, joined', { rows: 20_000, deks: 2_001, hot: true }, { broadcast_deks: '0' }],
  // More than a worker holds prepared (CAPACITY in prepared_keys.py).
  ['25,000 rows, each with its own key', { rows: 25_000, deks: 25_000 }, {}],
  ['20,000 rows, each with its own key, joined', { rows: 20_000, deks: 20_000 }, { broadcast_deks: '0' }],
])('one call a data key: %s', async (_name, table, changes) => {
  const { counts, calls } = await run(table, changes);
  expect(counts).toMatchObject({ ...whole(table), kms_calls: table.deks });
  expect(calls).toMatchObject({ decrypt: table.deks, failed: 0 });
});

test('no second sees more calls than the quota', async () => {
  await faults({ kind: 'rate', perSecond: 500 });
  const table = { rows: 2_700, deks: 2_700 };
  const { counts, calls, live } = await run(table, { kms_calls_per_second: '500' });
  expect(counts).toMatchObject(whole(table));
  expect(calls).toMatchObject({ decrypt: 2_700, failed: 0 });
  expect(Math.max(...Object.values(calls.decryptsBySecond))).toBeLessThanOrEqual(500);
  // The application says how far it is after five seconds; its calls take six.
  expect(live[0]).toMatchObject({ rows: 0 });
  expect(live[0]?.deks).toBeGreaterThan(0);
  expect(live[0]?.deksASecond).toBeLessThanOrEqual(500);
});

test('a quota below the rate, and a KMS that is away, are ridden out', async () => {
  await faults({ kind: 'rate', perSecond: 500 }, { kind: 'unavailable', from: 100, count: 100 });
  const table = { rows: 1_500, deks: 1_500 };
  const { counts, calls } = await run(table, { kms_calls_per_second: '2000' });
  expect(counts).toMatchObject({ ...whole(table), kms_calls: calls.decrypt });
  expect(calls.failed, '503 and 429 alike').toBeGreaterThan(100);
  expect(calls.decrypt - calls.failed, 'an answered call is not made again').toBe(1_500);
});
