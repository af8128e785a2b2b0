import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newRunId } from '../../jobs/contract/ids.ts';
import type { Statement } from '../../jobs/contract/sql/index.ts';
import { type BigQueryService, bigQueryService, type Row } from '../../jobs/google/bigquery.ts';
import { run } from '../../jobs/run/run.ts';
import { rotate } from '../../jobs/upkeep/keyset-rotation.ts';
import { shred } from '../../jobs/upkeep/shredding.ts';
import { bindingsOf } from '../iam/taken-away.ts';
import { Application, usersUnder } from '../support/application.ts';
import { silent, type TestSandbox, testSandbox } from '../support/sandbox.ts';

/** The view that analysts query, as a member of the readers' group sees it. */

const GROUP = 'analysts@example.com';
const application = new Application();
const key = application.newKey();
const users = usersUnder(key);

let box: TestSandbox;
let reader: BigQueryService;
let view: string;
beforeAll(async () => {
  box = await testSandbox({ readers: GROUP, storePlaintext: 'false' }, 'direct');
  const accessToken = await box.token('user:ada@example.com', [`group:${GROUP}`]);
  reader = await bigQueryService(box.deployment, { ...box.sandbox.endpoints, accessToken });
  const { project, readDataset, readView } = box.deployment;
  view = `\`${project}.${readDataset}.${readView}\``;
});
afterAll(() => box.close());
beforeEach(async () => {
  for (const table of ['users', 'users_rejected', 'runs', 'keysets'])
    await box.sql(`DELETE FROM ${table} WHERE TRUE`);
});

const query = (sql: string): Promise<Row[]> =>
  reader.query({ name: 'analyst', sql, params: {} } as Statement<never>, {});
const seen = async () =>
  Object.fromEntries((await query(`SELECT id, email FROM ${view}`)).map(({ id, email }) => [id, email]));
async function inSharedKeying(): Promise<void> {
  const context = await box.under({ keying: 'shared' });
  await run(context, { runId: newRunId(), mode: 'pending', limit: null, engine: 'direct' }, silent);
}

it('shows every keyset version and both keyings, shredded values and those that do not open as NULL', async () => {
  await box.load(application, users(1, 2));
  await inSharedKeying();
  await rotate(box.context);
  await box.load(application, users(3, 6));
  await box.run();
  expect(await seen()).toEqual(
    Object.fromEntries([1, 2, 3, 4, 5, 6].map((id) => [String(id), `user${id}@example.com`])),
  );
  await box.sql("UPDATE users SET bq_encrypted_email = b'nonsense' WHERE id = 3");
  await box.sql("UPDATE users SET bq_encryption_key = b'nonsense' WHERE id = 4");
  await shred(box.context, { ids: ['1', '5'], field: null, clearSource: false });
  expect(await seen()).toEqual({
    1: null,
    2: 'user2@example.com',
    3: null,
    4: null,
    5: null,
    6: 'user6@example.com',
  });
});

it('is new as soon as a version is, before anything is sealed with it', async () => {
  await box.load(application, users(1, 1));
  await box.run();
  expect(await rotate(box.context)).toBe(2);
  await box.load(application, users(2, 2));
  const watching = {
    step: async <T>(_name: string, work: (progress: () => void) => Promise<T>) => {
      const result = await work(() => {});
      const values = await seen();
      expect(Object.entries(values).filter(([id, email]) => email !== `user${id}@example.com`)).toEqual([]);
      return result;
    },
  };
  expect(await box.run({}, watching)).toMatchObject({ merged: 1, keyset_version: 2 });
  expect(Object.keys(await seen())).toEqual(['1', '2']);
});

describe('a reader', () => {
  it('queries, filters, joins and counts as on any table', async () => {
    await box.load(application, users(1, 4));
    await box.run();
    expect(await query(`SELECT email FROM ${view} WHERE id = 3`)).toEqual([{ email: 'user3@example.com' }]);
    expect(await query(`SELECT u.id FROM ${view} AS u WHERE u.email = 'user4@example.com'`)).toEqual([
      { id: '4' },
    ]);
    expect(
      await query(`WITH orders AS (SELECT 2 AS customer, 10 AS amount UNION ALL SELECT 2, 5)
        SELECT u.email, SUM(o.amount) AS total FROM ${view} AS u JOIN orders AS o ON o.customer = u.id GROUP BY u.email`),
    ).toEqual([{ email: 'user2@example.com', total: '15' }]);
  });

  it('needs each of its roles, and the view its own', async () => {
    await box.load(application, users(1, 1));
    await box.run();
    const { project, dataset, readDataset } = box.deployment;
    const views = `views:projects/${project}/datasets/${readDataset}`;
    const bindings = [...(await bindingsOf(box, `group:${GROUP}`)), ...(await bindingsOf(box, views))];
    expect(bindings.map(({ role }) => role.replace('roles/', '')).sort()).toEqual([
      'bigquery.dataViewer',
      'bigquery.dataViewer',
      'bigquery.jobUser',
      'cloudkms.cryptoKeyDecrypterViaDelegation',
    ]);
    for (const binding of bindings) {
      await box.control('iam:unbind', binding);
      await expect(seen(), binding.resource).rejects.toMatchObject({
        message: expect.stringMatching(/denied|does not have/i),
      });
      await box.control('iam:bind', binding);
    }
    expect(await seen()).toEqual({ 1: 'user1@example.com' });
    await expect(query(`SELECT * FROM \`${project}.${dataset}.users\``)).rejects.toMatchObject({
      code: 'bigquery-denied',
    });
    await expect(query(`CREATE OR REPLACE VIEW ${view} AS SELECT 1 AS id`)).rejects.toMatchObject({
      code: 'bigquery-denied',
    });
    await expect(query(`DELETE FROM ${view} WHERE TRUE`)).rejects.toThrow();
  });
});
