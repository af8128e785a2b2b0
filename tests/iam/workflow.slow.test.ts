import { afterAll, beforeAll, expect, it } from 'vitest';
import { type ByWorkflow, byWorkflow } from './by-workflow.ts';
import { accountOf, bindingsOf, judge, without } from './taken-away.ts';

/** The workflow's bindings, each taken away once; an execution of the emulator takes some seconds. */
let there: ByWorkflow;
beforeAll(async () => {
  there = await byWorkflow(['direct', 'dataproc'], 'direct');
}, 600_000);
afterAll(() => there?.close());
const run = () => there.run();

/** Granted all the same, for the reason given; without it a run goes through in the sandbox. */
const KEPT: Readonly<Record<string, string>> = {
  'roles/storage.objectViewer':
    'the run ends well without the counts that the batch printed, but the ledger has no KMS calls, and a batch that fails has no words of its own',
  'roles/logging.logWriter':
    'the sandbox has no Cloud Logging: the entry with which a run ends is written by Workflows itself',
};

it("a run without a role of the workflow's account", async () => {
  const account = accountOf(there.box, 'gcp:workflows/workflow:Workflow');
  const bindings = await bindingsOf(there.box, `serviceAccount:${account}`);
  expect(bindings.length).toBeGreaterThan(10);
  // Without a keyset the first one must make one.
  const first = ({ role }: { role: string }): number => (role.endsWith('EncrypterViaDelegation') ? 0 : 1);
  for (const binding of bindings.toSorted((a, b) => first(a) - first(b))) {
    const outcome = await without(there.box, binding, run);
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
