import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newRunId } from '../../jobs/contract/ids.ts';
import type { Statement } from '../../jobs/contract/sql/index.ts';
import { type BigQueryService, bigQueryService, type Row } from '../../jobs/google/bigquery.ts';
import { run } from '../../jobs/run/run.ts';
import { rotate } from '../../jobs/upkeep/keyset-rotation.ts';
import { bindingsOf } from '../iam/taken-away.ts';
import { Application } from '../support/application.ts';
import { sqlBlocks } from '../support/pages.ts';
import { silent, type TestSandbox, testSandbox } from '../support/sandbox.ts';

/** Every statement of the analysts' page does what the page says of it, for who has the roles that it names. */

const PAGE = 'docs/analysts.md';
const GROUP = 'analysts@example.com';
const ADA = 'user:ada@example.com';
const blocks = sqlBlocks(PAGE);

let box: TestSandbox;
let reader: BigQueryService;
beforeAll(async () => {
  box = await testSandbox({ readers: GROUP, storePlaintext: 'false' }, 'direct');
  const application = new Application();
  const key = application.newKey();
  await box.load(
    application,
    [40, 41, 42, 43].map((id) => ({
      id: String(id),
      cipher_text: key.encrypt(`user${id}@${id === 40 ? 'other.example' : 'example.com'}`),
      dek: key.dek,
    })),
  );
  await box.run();
  await box.sql('UPDATE users SET bq_encryption_key = NULL WHERE id = 43');
  await box.sql('CREATE SCHEMA analytics');
  await box.sql('CREATE TABLE analytics.permitted (id INT64, reader STRING)');
  await box.sql("INSERT INTO analytics.permitted VALUES (41, 'ada@example.com'), (42, 'bob@example.com')");
  reader = await as(ADA, [`group:${GROUP}`]);
});
afterAll(() => box.close());

async function as(member: string, groups: readonly string[] = []): Promise<BigQueryService> {
  const accessToken = await box.token(member, groups);
  return bigQueryService(box.deployment, { ...box.sandbox.endpoints, accessToken });
}

const carriedOut = new Set<string>();
/** The one block of the page that has all of these texts. */
function block(...marks: string[]): string {
  const found = blocks.filter((sql) => marks.every((mark) => sql.includes(mark)));
  expect(found).toHaveLength(1);
  const [sql = ''] = found;
  carriedOut.add(sql);
  return sql.replaceAll('my-project', box.deployment.project);
}
const query = (service: BigQueryService, sql: string): Promise<Row[]> =>
  service.query({ name: 'analyst', sql, params: {} } as Statement<never>, {});

it.each<[string, string[], object[]]>([
  ['reads one row', ['WHERE id = 42'], [{ id: '42', email: 'user42@example.com' }]],
  [
    'reads by a value',
    ['ENDS_WITH'],
    [
      { id: '41', email: 'user41@example.com' },
      { id: '42', email: 'user42@example.com' },
    ],
  ],
  [
    'joins',
    ['WITH orders'],
    [
      { id: '41', email: 'user41@example.com', total: '20' },
      { id: '42', email: 'user42@example.com', total: '12' },
    ],
  ],
  [
    'aggregates',
    ['GROUP BY domain'],
    [
      { domain: 'example.com', customers: '2' },
      { domain: 'other.example', customers: '1' },
    ],
  ],
  ['counts what is NULL', ['without_email'], [{ customers: '4', without_email: '1' }]],
])('%s', async (_what, marks, rows) => {
  expect(await query(reader, block(...marks))).toEqual(rows);
});

it('calls the procedure', async () => {
  expect(await query(reader, block('CALL'))).toHaveLength(4);
});

describe('in deterministic keying', () => {
  beforeAll(async () => {
    await box.sql(
      'INSERT INTO users (id, cipher_text, dek) SELECT 44, cipher_text, dek FROM users WHERE id = 42',
    );
    const options = { limit: null, engine: 'direct' } as const;
    const context = await box.under({ keying: 'deterministic' });
    for (const mode of ['pending', 'stale'] as const)
      await run(context, { ...options, runId: newRunId(), mode }, silent);
  });
  afterAll(async () => {
    await box.sql('DELETE FROM users WHERE id = 44');
    await box.run({ mode: 'stale' });
  });

  it('groups and joins by tokens', async () => {
    expect(await query(reader, block('GROUP BY email_token'))).toEqual([
      { customers: '1', addresses: '2' },
      { customers: '2', addresses: '1' },
    ]);
    expect(await query(reader, block('same_email_as'))).toEqual([{ id: '44', same_email_as: '42' }]);
  });

  it('finds a value by its token, with one role more', async () => {
    const sql = block('DETERMINISTIC_ENCRYPT');
    await expect(query(reader, sql)).rejects.toMatchObject({ code: 'bigquery-denied' });
    const { project, dataset } = box.deployment;
    const resource = `projects/${project}/datasets/${dataset}/tables/keysets`;
    await box.control('iam:bind', { member: ADA, role: 'roles/bigquery.dataViewer', resource });
    expect(await query(reader, sql)).toEqual([{ id: '42' }, { id: '44' }]);
  });

  it('parts equal values when the keyset is rotated, until mode stale has re-encrypted all', async () => {
    const context = await box.under({ keying: 'deterministic' });
    const pairs = () => query(reader, block('same_email_as'));
    await rotate(context);
    await box.sql('UPDATE users SET resealed_from = NULL WHERE id = 44');
    const options = { limit: null, engine: 'direct' } as const;
    await run(context, { ...options, runId: newRunId(), mode: 'pending' }, silent);
    expect(await pairs()).toEqual([]);
    await run(context, { ...options, runId: newRunId(), mode: 'stale' }, silent);
    expect(await pairs()).toEqual([{ id: '44', same_email_as: '42' }]);
  });
});

describe('a view of one’s own', () => {
  let other: BigQueryService;
  beforeAll(async () => {
    const { project, readDataset, bigqueryKek } = box.deployment;
    const resource = (dataset: string): string => `projects/${project}/datasets/${dataset}`;
    for (const [member, role, on] of [
      [ADA, 'bigquery.jobUser', `projects/${project}`],
      [ADA, 'bigquery.dataViewer', resource('analytics')],
      [ADA, 'cloudkms.cryptoKeyDecrypterViaDelegation', bigqueryKek],
      [`views:${resource('analytics')}`, 'bigquery.dataViewer', resource(readDataset)],
    ] as const)
      await box.control('iam:bind', { member, role: `roles/${role}`, resource: on });
    other = await as(ADA);
  });

  it('shows some columns, or some rows, to who may not read the rest', async () => {
    const owner = await bigQueryService(box.deployment, box.sandbox.owner);
    await query(owner, block('email_domains'));
    await query(owner, block('own_customers'));
    const { project, readDataset } = box.deployment;
    const all = (table: string) => query(other, `SELECT * FROM \`${project}.${table}\` ORDER BY id`);
    expect(await all('analytics.own_customers')).toEqual([{ id: '41', email: 'user41@example.com' }]);
    expect((await all('analytics.email_domains'))[0]).toEqual({ id: '40', domain: 'other.example' });
    await expect(all(`${readDataset}.users`)).rejects.toMatchObject({ code: 'bigquery-denied' });
  });
});

it('says what is seen without each role', async () => {
  const page = readFileSync(PAGE, 'utf8').replaceAll('my-project', box.deployment.project);
  const sql = block('WHERE id = 42');
  const { project, readDataset } = box.deployment;
  const needed = [
    ...(await bindingsOf(box, `group:${GROUP}`)),
    ...(await bindingsOf(box, `views:projects/${project}/datasets/${readDataset}`)),
  ];
  const grace = await as('user:grace@example.com', [`group:${GROUP}`]);
  expect(needed).toHaveLength(4);
  for (const binding of needed) {
    await box.control('iam:unbind', binding);
    const { message } = await query(grace, sql).then(
      () => ({ message: 'nothing was denied' }),
      (error: Error) => error,
    );
    await box.control('iam:bind', binding);
    const said = /(?:Permission|User does not have) .*?(?:denied on (?:table \S+|resource)|in project)/.exec(
      message,
    )?.[0];
    expect(said, message).toBeDefined();
    expect(page).toContain(said);
  }
});

it('leaves no statement of the page out', () => {
  expect(blocks.filter((sql) => !carriedOut.has(sql))).toEqual([]);
});
