import { afterAll, beforeAll, expect, it } from 'vitest';
import { emailOf } from '../../jobs/contract/account-grants.ts';
import { newRunId } from '../../jobs/contract/ids.ts';
import { runByWorkflow } from '../../jobs/run/by-workflow.ts';
import { importKek } from '../../sandbox/users/load.ts';
import { Application } from '../support/application.ts';
import { silent, type TestSandbox, testSandbox } from '../support/sandbox.ts';
import { type Emulator, emulator } from '../support/workflow/emulator.ts';
import { executionsApi } from '../support/workflow/executions-api.ts';
import { accountOf, bindingsOf, judge, without } from './taken-away.ts';

/**
 * Every binding of the job on Cloud Run is taken away once, and the workflow's on the job: the run fails, and the error
 * names the resource, a role to grant on it and the account to grant it to.
 */
const application = new Application('gcm');
const key = application.newKey();
const columnPolicyTag = 'projects/p/locations/us-central1/taxonomies/1/policyTags/2';
let box: TestSandbox;
let workflow: Emulator;
let api: Awaited<ReturnType<typeof executionsApi>>;
beforeAll(async () => {
  box = await testSandbox({ columnPolicyTag, engines: '["bigquery"]' });
  workflow = await emulator(box);
  api = await executionsApi(workflow, box);
  await importKek(box.sandbox.owner, box.deployment, application.writeKek(box.folder));
}, 600_000);
afterAll(async () => {
  await api?.close();
  await workflow?.close();
  await box?.close();
});

let rows = 0;
async function run() {
  rows += 1;
  const cipherText = key.encrypt(`${rows}@example.com`);
  await box.sql(`INSERT INTO users (id, cipher_text, dek) VALUES (${rows}, '${cipherText}', '${key.dek}')`);
  const endpoints = { ...box.sandbox.endpoints, workflows: api.origin };
  const options = { runId: newRunId(), mode: 'pending', engine: 'auto', limit: null } as const;
  return runByWorkflow(box.context, options, { rejected: true }, silent, endpoints);
}

/** Without these it cannot write the ledger, by which the workflow hears of it: its log alone has the reason. */
const UNSAID: readonly string[] = ['roles/bigquery.jobUser', 'runs'];

it('a run without a role of the account of the job', async () => {
  expect(await run()).toMatchObject({ state: 'succeeded', engine: 'bigquery' });
  const bindings = await bindingsOf(box, `serviceAccount:${emailOf(box.deployment, 'job')}`);
  expect(bindings.length).toBeGreaterThan(10);
  for (const binding of bindings) {
    const outcome = await without(box, binding, run);
    if (UNSAID.includes(binding.role) || UNSAID.includes(binding.resource.split('/').at(-1) ?? '')) {
      expect(outcome.error).toMatchObject({ code: 'job-failed' });
      expect(outcome.denied[0]).toMatchObject({ member: binding.member });
    } else judge(binding, outcome, /to the job's account, reseal-dev-job/);
  }
  expect(await run()).toMatchObject({ state: 'succeeded' });
}, 600_000);

it("a run without the workflow's role on the job", async () => {
  const account = accountOf(box, 'gcp:workflows/workflow:Workflow');
  const bindings = await bindingsOf(box, `serviceAccount:${account}`);
  const [binding] = bindings.filter(({ role }) => role === 'roles/run.developer');
  if (binding === undefined) throw new Error('the workflow may not start the job');
  judge(binding, await without(box, binding, run), /to the workflow's account, reseal-dev-workflow/);
}, 300_000);
