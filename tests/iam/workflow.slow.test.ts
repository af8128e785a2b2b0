import { afterAll, beforeAll, expect, it } from 'vitest';
import { newRunId } from '../../jobs/contract/ids.ts';
import { runByWorkflow } from '../../jobs/run/by-workflow.ts';
import { importKek } from '../../sandbox/users/load.ts';
import { Application } from '../support/application.ts';
import { silent, type TestSandbox, testSandbox } from '../support/sandbox.ts';
import { type Emulator, emulator } from '../support/workflow/emulator.ts';
import { executionsApi } from '../support/workflow/executions-api.ts';
import { accountOf, bindingsOf, judge, without } from './taken-away.ts';

/** The workflow's bindings, each taken away once; an execution of the emulator takes some seconds. */
const application = new Application('gcm');
const key = application.newKey();
let box: TestSandbox;
let workflow: Emulator;
let api: Awaited<ReturnType<typeof executionsApi>>;

beforeAll(async () => {
  const columnPolicyTag = 'projects/p/locations/us-central1/taxonomies/1/policyTags/2';
  box = await testSandbox({ columnPolicyTag, engines: '["direct","dataproc"]' }, 'direct');
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
/** A run over a row that waits for it, and one that is rejected. */
async function run() {
  rows += 1;
  const cipherText = key.encrypt(`${rows}@example.com`);
  await box.sql(
    `INSERT INTO users (id, cipher_text, dek) VALUES (${rows}, '${cipherText}', '${key.dek}'), (${-rows}, 'no base64', '${key.dek}')`,
  );
  const endpoints = { ...box.sandbox.endpoints, workflows: api.origin };
  const options = { runId: newRunId(), mode: 'pending', engine: 'auto', limit: null } as const;
  return runByWorkflow(box.context, options, { rejected: true }, silent, endpoints);
}

/** Granted all the same, for the reason given; without it a run goes through in the sandbox. */
const KEPT: Readonly<Record<string, string>> = {
  'roles/storage.objectViewer':
    'the run ends well without the counts that the batch printed, but the ledger has no KMS calls, and a batch that fails has no words of its own',
  'roles/logging.logWriter':
    'the sandbox has no Cloud Logging: the entry with which a run ends is written by Workflows itself',
};

it("a run without a role of the workflow's account", async () => {
  const account = accountOf(box, 'gcp:workflows/workflow:Workflow');
  const bindings = await bindingsOf(box, `serviceAccount:${account}`);
  expect(bindings.length).toBeGreaterThan(10);
  // Without a keyset the first one must make one.
  const first = ({ role }: { role: string }): number => (role.endsWith('EncrypterViaDelegation') ? 0 : 1);
  for (const binding of bindings.toSorted((a, b) => first(a) - first(b))) {
    const outcome = await without(box, binding, run);
    if (binding.role in KEPT) expect(outcome.error, KEPT[binding.role]).toBeUndefined();
    if (binding.role === 'roles/storage.objectViewer')
      expect(outcome.denied).toContainEqual(
        expect.objectContaining({ member: binding.member, resource: binding.resource }),
      );
    if (binding.role in KEPT) continue;
    judge(binding, outcome, /to the workflow's account, reseal-dev-workflow/);
  }
  expect(await run()).toMatchObject({ state: 'succeeded' });
}, 600_000);
