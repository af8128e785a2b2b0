import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { workflowSource } from '../../infra/workflow/source.ts';
import { runContext } from '../../jobs/cli/connect.ts';
import type { Deployment } from '../../jobs/contract/deployment.ts';
import { newRunId } from '../../jobs/contract/ids.ts';
import { doctor } from '../../jobs/doctor/examine.ts';
import type { RunContext, RunOptions, Watcher } from '../../jobs/run/context.ts';
import { newestChains } from '../../jobs/run/keyset.ts';
import { plan } from '../../jobs/run/plan.ts';
import { run } from '../../jobs/run/run.ts';
import { scanned } from '../../jobs/run/scanned.ts';
import { planSummary } from '../../jobs/run/summaries.ts';
import { checkShredding, shred } from '../../jobs/upkeep/shredding.ts';
import { importKek } from '../../sandbox/users/load.ts';
import { Application } from '../support/application.ts';
import { beforeStep, silent, type TestSandbox, testSandbox } from '../support/sandbox.ts';
import { patchSource } from '../support/source-table.ts';
import { emulator } from '../support/workflow/emulator.ts';

/** A source table of the application's own, which takes no query without a filter on its partition column. */
const COLUMNS = {
  day: { type: 'DATE', values: ["DATE '2026-01-01'", "DATE '2026-01-05'", "DATE '2026-03-01'"] },
  moment: {
    type: 'TIMESTAMP',
    values: [
      "TIMESTAMP '2026-01-01 10:00:00+00'",
      "TIMESTAMP '2026-01-05 00:00:00.123456+00'",
      "TIMESTAMP '2026-03-01 23:59:59.999999+00'",
    ],
  },
  local: {
    type: 'DATETIME',
    values: [
      "CAST('2026-01-01 10:00:00' AS DATETIME)",
      "CAST('2026-01-05 00:00:00.123456' AS DATETIME)",
      "CAST('2026-03-01 23:59:59' AS DATETIME)",
    ],
  },
  tenant: { type: 'INTEGER', values: ['-7', '0', '9007199254740993'] },
} as const;
type Column = keyof typeof COLUMNS;
const NAMES = Object.keys(COLUMNS) as Column[];

const application = new Application('gcm');
const key = application.newKey();
let box: TestSandbox;
let ids = 0;

beforeAll(async () => {
  const fields = JSON.stringify([{ name: 'email' }, { name: 'phone', dek: 'dek' }]);
  box = await testSandbox({ fields, storePlaintext: 'false', engines: '["direct","dataproc"]' }, 'direct');
  await importKek(box.sandbox.owner, box.deployment, application.writeKek(box.folder));
  await patch({ schema: { fields: NAMES.map((name) => ({ name, type: COLUMNS[name].type })) } });
}, 300_000);
afterAll(() => box.close());

const patch = (body: object): Promise<void> => patchSource(box, body);
const NONE = { requirePartitionFilter: false, timePartitioning: null, rangePartitioning: null };
const partitionedBy = (field: Column, requirePartitionFilter = true): Promise<void> =>
  patch({
    ...NONE,
    requirePartitionFilter,
    ...(field === 'tenant'
      ? { rangePartitioning: { field, range: { start: '0', end: '1000', interval: '10' } } }
      : { timePartitioning: { type: 'DAY', field } }),
  });

const deployed = (partitionColumn: string | null): Deployment => ({ ...box.deployment, partitionColumn });
const contextOf = (partitionColumn: string | null): Promise<RunContext> =>
  runContext(
    { deployment: deployed(partitionColumn), endpoints: box.sandbox.endpoints },
    new AbortController().signal,
  );
const direct = (): RunOptions => ({ runId: newRunId(), mode: 'pending', limit: null, engine: 'direct' });
const runBy = async (column: Column, watcher: Watcher = silent) =>
  run(await contextOf(column), direct(), watcher, { rejected: true });

/** A row in each partition and one without; the values of `id`, sealed or not, by it. */
async function rowsBy(column: Column): Promise<string[]> {
  await partitionedBy(column, false);
  await box.sql('DELETE FROM users WHERE TRUE');
  const made = [...COLUMNS[column].values, 'NULL'].map((value) => {
    ids += 1;
    return `(${ids}, '${key.encrypt(`${ids}@example.com`)}', '${key.dek}', ${value})`;
  });
  await box.sql(`INSERT INTO users (id, cipher_text, dek, ${column}) VALUES ${made.join(', ')}`);
  await partitionedBy(column);
  return made.map((_, at) => String(ids - made.length + 1 + at));
}
const where = (column: Column): string => `(${column} IS NULL OR ${column} IS NOT NULL)`;
const sealed = async (column: Column) =>
  (
    await box.sql(
      `SELECT id FROM users WHERE ${where(column)} AND bq_encrypted_email IS NOT NULL ORDER BY id`,
    )
  ).map(({ id }) => id);

describe.each(NAMES)('partitions by %s', (column) => {
  it('are merged, and the rows without one', async () => {
    const rows = await rowsBy(column);
    expect(await runBy(column)).toMatchObject({
      state: 'succeeded',
      selected: 4,
      merged: 4,
      changed_meanwhile: 0,
      read_back: { checked: 4, readable: 4 },
    });
    expect(await sealed(column)).toEqual(rows);
    expect(await runBy(column)).toMatchObject({ selected: 0, merged: 0 });
  });

  it('are found where their rows are when the merge begins', async () => {
    const [first, second, third, fourth] = await rowsBy(column);
    const values = COLUMNS[column].values;
    // What was in the partition in the middle goes to either end, to no partition, and from none to one.
    const moved = beforeStep('merge', async () => {
      await box.sql(`UPDATE users SET ${column} = ${values[2]} WHERE ${where(column)} AND id = ${first}`);
      await box.sql(`UPDATE users SET ${column} = NULL WHERE ${where(column)} AND id = ${second}`);
      await box.sql(`UPDATE users SET ${column} = ${values[0]} WHERE ${where(column)} AND id = ${fourth}`);
      await box.sql(
        `UPDATE users SET cipher_text = '${key.encrypt('changed@example.com')}' WHERE ${where(column)} AND id = ${third}`,
      );
    });
    expect(await runBy(column, moved)).toMatchObject({ selected: 4, merged: 3, changed_meanwhile: 1 });
    expect(await sealed(column)).toEqual([first, second, fourth]);
    expect(await runBy(column)).toMatchObject({ selected: 1, merged: 1 });
    expect(await sealed(column)).toEqual([first, second, third, fourth]);
  });
});

it('what is erased, rejected or in the clear is cleared wherever it stands', async () => {
  const [first, second, third, fourth] = await rowsBy('day');
  await runBy('day');
  const set = (assignment: string, id?: string) =>
    box.sql(`UPDATE users SET ${assignment} WHERE ${where('day')} AND id = ${id}`);
  await set('cipher_text = NULL', third);
  await set('cipher_text = NULL', fourth);
  await set("cipher_text = 'no base64'", first);
  await set("decrypted_email = 'left by an earlier setting'", second);
  expect(await runBy('day')).toMatchObject({ selected: 1, merged: 0, rejected: 1, erased: 2 });
  expect(await sealed('day')).toEqual([second]);
  expect(
    await box.sql(`SELECT COUNT(*) AS n FROM users WHERE ${where('day')} AND decrypted_email IS NOT NULL`),
  ).toEqual([{ n: '0' }]);
});

it('every other statement has the filter, too: shredding, the plan, the doctor, reads', async () => {
  const [first, , third] = await rowsBy('day');
  const context = await contextOf('day');
  const planned = await plan(context, direct());
  expect(planned).toMatchObject({ selected: 4, wholePartitions: null });
  const warnings: string[] = [];
  const warned = ({ name }: Error): unknown => warnings.push(name);
  process.on('warning', warned);
  expect((await scanned(context, planned, ['direct'])).direct.bytes).toBeGreaterThan(0);
  process.off('warning', warned);
  // All of a plan's dry runs wait for one signal, and Node takes more than ten that do for a leak.
  expect(warnings).toEqual([]);
  await runBy('day');
  const chains = await newestChains(context);
  if (chains === null) throw new Error('the run has made no keyset');
  const values = { ...chains, row_limit: 10 };
  expect(await context.bigquery.query(context.sql.readValues, values)).toHaveLength(4);
  for (const statement of [context.sql.sourceRows, context.sql.sealedByPrefix])
    expect(await context.bigquery.query(statement, {})).toHaveLength(1);
  expect(await context.bigquery.query(context.sql.rejectedNow, { reason: '' })).toEqual([]);
  const shredding = { ids: [String(first), String(third)], field: 'email', clearSource: true };
  await checkShredding(context, shredding);
  expect(await shred(context, shredding)).toMatchObject({ values: 2, readable: 0 });
  const findings = await doctor(context, box.sandbox.endpoints);
  expect(findings.filter(({ verdict }) => verdict === 'failed')).toEqual([]);
});

it('a run that meets a table which has come to want a filter says so, and goes on once the stack has the setting', async () => {
  await rowsBy('tenant');
  await partitionedBy('tenant', false);
  const options = direct();
  const required = beforeStep('merge', () => partitionedBy('tenant'));
  await expect(run(await contextOf(null), options, required)).rejects.toMatchObject({
    code: 'source-partition',
    hint: expect.stringContaining('set reseal:partitionColumn to tenant, `pulumi up`, then `--resume RUN`'),
  });
  expect(await run(await contextOf('tenant'), options, silent)).toMatchObject({ merged: 4 });
});

describe('the setting and the table', () => {
  const found = async (named: string | null) => {
    const context = await contextOf(named);
    const [planned, findings] = await Promise.all([
      plan(context, direct()).catch(
        (error: unknown) => error as { code: string; message: string; hint: string },
      ),
      doctor(context, box.sandbox.endpoints),
    ]);
    return { planned, finding: findings.find(({ check }) => check === 'table encryption_poc.users') };
  };

  it.each([
    [
      'a column without the setting',
      () => partitionedBy('day'),
      null,
      /takes no query without a filter/,
      /set reseal:partitionColumn to day, `pulumi up`/,
    ],
    [
      'another column than the setting',
      () => partitionedBy('tenant', false),
      'day',
      /by tenant, but reseal:partitionColumn is day/,
      /set reseal:partitionColumn to tenant/,
    ],
    [
      'ingestion time',
      () => patch({ ...NONE, requirePartitionFilter: true, timePartitioning: { type: 'DAY' } }),
      null,
      /by _PARTITIONTIME and takes no query/,
      /require_partition_filter = FALSE/,
    ],
    [
      'ingestion time and the setting',
      () => patch({ ...NONE, timePartitioning: { type: 'DAY' } }),
      'day',
      /by _PARTITIONTIME, but/,
      /remove reseal:partitionColumn/,
    ],
    [
      'nothing, and the setting',
      () => patch(NONE),
      'day',
      /is not partitioned/,
      /remove reseal:partitionColumn/,
    ],
  ])('%s', async (_title, act, named, message, hint) => {
    await act();
    const { planned, finding } = await found(named);
    expect(planned).toMatchObject({
      code: 'source-partition',
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
    });
    expect(finding).toMatchObject({
      verdict: 'failed',
      found: expect.stringMatching(message),
      remedy: expect.stringMatching(hint),
    });
  });

  it('say it where every partition is gone through, and which setting spares that', async () => {
    await partitionedBy('day', false);
    const words = 'users is partitioned by day, and the merge goes through every partition';
    const { planned, finding } = await found(null);
    expect(planSummary(planned as never)).toContain(`${words}; reseal:partitionColumn day limits it`);
    expect(finding).toMatchObject({ verdict: 'warning', found: words });
    expect((await found('day')).finding).toMatchObject({ verdict: 'ok' });
  });
});

describe('the workflow', () => {
  const executed = async (named: string | null, runId: string) => {
    const workflow = await emulator(box, workflowSource(deployed(named)));
    try {
      return await workflow.execute({ run_id: runId, accept_rejected: true });
    } finally {
      await workflow.close();
    }
  };

  it('merges such a table as the job does', async () => {
    const rows = await rowsBy('moment');
    const { error, result } = await executed('moment', 'by-moment');
    expect(error).toBeUndefined();
    expect(result).toMatchObject({ state: 'succeeded', merged: '4' });
    expect(await sealed('moment')).toEqual(rows);
  }, 120_000);

  it.each([
    [
      'without the setting',
      () => partitionedBy('tenant'),
      null,
      /users is partitioned by tenant and takes no query without a filter/,
    ],
    [
      'by another column',
      () => partitionedBy('day'),
      'tenant',
      /users is partitioned by day, but reseal:partitionColumn is tenant/,
    ],
    [
      'by ingestion time',
      () => patch({ ...NONE, requirePartitionFilter: true, timePartitioning: { type: 'DAY' } }),
      null,
      /partitioned by _PARTITIONTIME and takes no query/,
    ],
    ['not at all', () => patch(NONE), 'day', /users is not partitioned, but reseal:partitionColumn is day/],
  ])(
    'says what is wrong with a table that is partitioned %s',
    async (title, act, named, message) => {
      await act();
      const { error } = await executed(named, `wrong-${title.replaceAll(' ', '-')}`);
      expect(error).toMatchObject({
        error_code: 'source-partition',
        message: expect.stringMatching(message),
      });
    },
    120_000,
  );
});
