import { afterAll, beforeAll, expect, it } from 'vitest';
import { ensureVenv } from '../../jobs/spark/venv.ts';
import { Application } from '../support/application.ts';
import { type TestSandbox, testSandbox } from '../support/sandbox.ts';
import { bindingsOf, judge, without } from './taken-away.ts';

/** The application on Spark, through the real connector: what it makes of a missing permission. */
let box: TestSandbox;
beforeAll(async () => {
  await ensureVenv();
  // The batch reads no column with a policy tag, and its account has no role on one.
  const columnPolicyTag = 'projects/p/locations/us-central1/taxonomies/1/policyTags/2';
  box = await testSandbox({ columnPolicyTag });
  const application = new Application('gcm');
  const key = application.newKey();
  await box.load(application, [{ id: '1', cipher_text: key.encrypt('1@example.com'), dek: key.dek }]);
}, 600_000);
afterAll(() => box?.close());

it.each([
  ['roles/bigquery.dataViewer', 'rejected'],
  ['roles/bigquery.dataEditor', 'staging'],
  ['roles/bigquery.readSessionUser', 'project'],
] as const)('a batch without %s on the %s table, or project, says so', async (role, on) => {
  const { project, dataset, tables, batch } = box.deployment;
  const resource =
    on === 'project' ? `projects/${project}` : `projects/${project}/datasets/${dataset}/tables/${tables[on]}`;
  const bindings = await bindingsOf(box, `serviceAccount:${batch.serviceAccount}`);
  const binding = bindings.find((one) => one.role === role && one.resource === resource);
  if (binding === undefined) throw new Error(`the program does not grant ${role} on ${resource}`);
  const outcome = await without(box, binding, () => box.run({ engine: 'dataproc' }));
  judge(binding, outcome, new RegExp(`to the batch's account, ${batch.serviceAccount}`));
});

it('with all of them it goes through', async () => {
  expect(await box.run({ engine: 'dataproc' })).toMatchObject({ merged: 1 });
});
