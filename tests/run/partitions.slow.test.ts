import { afterAll, beforeAll, expect, it } from 'vitest';
import { runContext } from '../../jobs/cli/connect.ts';
import { newRunId } from '../../jobs/contract/ids.ts';
import { run } from '../../jobs/run/run.ts';
import { ensureVenv } from '../../jobs/spark/venv.ts';
import { Application } from '../support/application.ts';
import { silent, type TestSandbox, testSandbox } from '../support/sandbox.ts';
import { patchSource } from '../support/source-table.ts';

/** The application on Spark reads a table that wants a filter on its partition column, through the real connector. */
let box: TestSandbox;
beforeAll(async () => {
  await ensureVenv();
  box = await testSandbox();
  const application = new Application('gcm');
  const key = application.newKey();
  const users = [1, 2, 3].map((id) => ({
    id: String(id),
    cipher_text: key.encrypt(`${id}@example.com`),
    dek: key.dek,
  }));
  await box.load(application, users);
  await patchSource(box, { schema: { fields: [{ name: 'current', type: 'DATE' }] } });
  await box.sql("UPDATE users SET `current` = DATE '2026-01-01' WHERE id = 1");
  await box.sql("UPDATE users SET `current` = DATE '2026-02-01' WHERE id = 2");
}, 600_000);
afterAll(() => box?.close());

const runBy = async (partitionColumn: string | null) => {
  const deployment = { ...box.deployment, partitionColumn };
  const { endpoints } = box.sandbox;
  const context = await runContext({ deployment, endpoints }, new AbortController().signal);
  const options = { runId: newRunId(), mode: 'pending', limit: null, engine: 'dataproc' } as const;
  return run(context, options, {
    async step(name, work, summary) {
      const required = name === 'stage';
      if (required)
        await patchSource(box, {
          requirePartitionFilter: true,
          timePartitioning: { type: 'DAY', field: 'current' },
        });
      return silent.step(name, work, summary);
    },
  });
};

it('a batch whose arguments do not name the column says what the table wants', async () => {
  await expect(runBy(null)).rejects.toMatchObject({
    code: 'spark-failed',
    message: expect.stringContaining("without a filter over column(s) 'current'"),
  });
});

it('one whose arguments do takes every row, those without a partition as well', async () => {
  expect(await runBy('current')).toMatchObject({ engine: 'dataproc', selected: 3, merged: 3 });
});
