import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { newRunId } from '../../jobs/contract/ids.ts';
import { plan } from '../../jobs/run/plan.ts';
import { planSummary } from '../../jobs/run/summaries.ts';
import { Application, type UserRow } from '../support/application.ts';
import { type TestSandbox, testSandbox } from '../support/sandbox.ts';
import { altered } from '../support/workflow/altered.ts';
import { type Ended, emulator } from '../support/workflow/emulator.ts';

const application = new Application('gcm');
const key = application.newKey();
const user = (id: number): UserRow => ({
  id: String(id),
  cipher_text: key.encrypt(`user${id}@example.com`),
  dek: key.dek,
});

let box: TestSandbox;
beforeAll(async () => {
  box = await testSandbox({}, 'direct');
  await box.load(application, [user(1), user(2)]);
  await sleep(20);
});
afterAll(() => box.close());

/** As an application streams rows: https://cloud.google.com/bigquery/docs/reference/rest/v2/tabledata/insertAll */
async function insertAll(...rows: UserRow[]): Promise<void> {
  const { project, dataset, tables } = box.deployment;
  const path = `/bigquery/v2/projects/${project}/datasets/${dataset}/tables/${tables.source}/insertAll`;
  const answer = await fetch(`${box.sandbox.owner.bigquery}${path}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${box.sandbox.owner.accessToken}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({ rows: rows.map((json) => ({ insertId: json.id, json })) }),
  });
  expect(answer.status, await answer.text()).toBe(200);
}
const sealed = async () =>
  (await box.sql('SELECT id FROM users WHERE bq_encrypted_email IS NOT NULL ORDER BY id')).map(
    ({ id }) => id,
  );

it('rows in the streaming buffer are left for a later run, which takes them', async () => {
  await insertAll(user(3), user(4));
  const planned = await plan(box.context, {
    runId: newRunId(),
    mode: 'pending',
    limit: null,
    engine: 'direct',
  });
  expect(planned).toMatchObject({ selected: 2, streamedRows: 2 });
  expect(planSummary(planned)).toContain('some 2 rows in the streaming buffer are left for a later run');
  expect(await box.run()).toMatchObject({ selected: 2, merged: 2, state: 'succeeded' });
  expect(await sealed()).toEqual(['1', '2']);
  // What that run wrote came after the moment that the next one goes by, so it writes the same once more.
  expect(await box.run()).toMatchObject({ merged: 2 });

  await box.control('bigquery:flush', {});
  expect(await box.run()).toMatchObject({ selected: 2, merged: 2 });
  expect(await sealed()).toEqual(['1', '2', '3', '4']);
});

it('DML that meets them says what they are, and when they can be changed', async () => {
  await insertAll(user(5));
  await expect(box.sql("UPDATE users SET dek = '' WHERE id = 5")).rejects.toMatchObject({
    code: 'source-streaming',
    hint: expect.stringContaining('--resume'),
  });
  await box.sql('UPDATE users SET resealed_at = resealed_at WHERE id = 1');
  await box.control('bigquery:flush', {});
  await box.sql('UPDATE users SET decrypted_email = NULL WHERE id = 5');
});

/** An execution to which the resource of a table comes with other properties. */
async function execute(table: string, properties: object = {}): Promise<Ended> {
  const way = await altered(box.sandbox.endpoints.bigquery, (path, answer) =>
    path.includes(`/tables/${table}?`) ? { ...answer, ...properties } : answer,
  );
  const workflow = await emulator(box, undefined, way.origin);
  try {
    return await workflow.execute({});
  } finally {
    await workflow.close();
    await way.close();
  }
}

it('the workflow leaves them, too', async () => {
  await insertAll(user(6));
  expect(await execute('users')).toMatchObject({ result: { state: 'succeeded' } });
  expect(await sealed()).toEqual(['1', '2', '3', '4', '5']);
});

it('a table that is younger than what is streamed cannot be read as of before', async () => {
  const { tableResource } = box.context.bigquery;
  const bigquery = {
    ...box.context.bigquery,
    tableResource: async (name: Parameters<typeof tableResource>[0]) =>
      name === 'source'
        ? tableResource(name)
        : { ...(await tableResource(name)), creationTime: String(Date.now()) },
  };
  const options = { runId: newRunId(), mode: 'pending', limit: null, engine: 'direct' } as const;
  await expect(plan({ ...box.context, bigquery }, options)).rejects.toMatchObject({
    code: 'source-streaming',
  });
  expect(await execute('users_rejected', { creationTime: String(Date.now()) })).toMatchObject({
    error: {
      error_code: 'source-streaming',
      message: expect.stringMatching(
        /^some \d+ rows of users are in the streaming buffer of insertAll, .*half an hour/,
      ),
    },
  });
});

it('a buffer without rows, or without the moment of the oldest, is none by either driver', async () => {
  await box.control('bigquery:flush', {});
  const { tableResource } = box.context.bigquery;
  for (const streamingBuffer of [{ estimatedRows: '0', estimatedBytes: '0' }, { estimatedRows: '2' }]) {
    const bigquery = {
      ...box.context.bigquery,
      tableResource: async (name: Parameters<typeof tableResource>[0]) => ({
        ...(await tableResource(name)),
        ...(name === 'source' && { streamingBuffer }),
      }),
    };
    const options = { runId: newRunId(), mode: 'all', limit: 1, engine: 'direct' } as const;
    expect(await plan({ ...box.context, bigquery }, options)).toMatchObject({ streamedRows: 0 });
    expect(await execute('users', { streamingBuffer })).toMatchObject({ result: { state: 'succeeded' } });
  }
});
