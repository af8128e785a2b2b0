import { afterAll, beforeAll, expect, it } from 'vitest';
import { emailOf } from '../../jobs/contract/account-grants.ts';
import { type ByWorkflow, byWorkflow } from './by-workflow.ts';
import { accountOf, bindingsOf, judge, without } from './taken-away.ts';

/**
 * Every binding of the job on Cloud Run is taken away once, and the workflow's on the job: the run fails, and the error
 * names the resource, a role to grant on it and the account to grant it to.
 */
let there: ByWorkflow;
beforeAll(async () => {
  there = await byWorkflow(['bigquery']);
}, 600_000);
afterAll(() => there?.close());
const run = () => there.run();

/** Without these it cannot write the ledger, by which the workflow hears of it: its log alone has the reason. */
const UNSAID: readonly string[] = ['roles/bigquery.jobUser', 'runs'];

it('a run without a role of the account of the job', async () => {
  expect(await run()).toMatchObject({ state: 'succeeded', engine: 'bigquery' });
  const bindings = await bindingsOf(there.box, `serviceAccount:${emailOf(there.box.deployment, 'job')}`);
  expect(bindings.length).toBeGreaterThan(10);
  for (const binding of bindings) {
    const outcome = await without(there.box, binding, run);
    if (UNSAID.includes(binding.role) || UNSAID.includes(binding.resource.split('/').at(-1) ?? '')) {
      expect(outcome.error).toMatchObject({ code: 'job-failed' });
      expect(outcome.denied[0]).toMatchObject({ member: binding.member });
    } else judge(binding, outcome, /to the job's account, reseal-dev-job/);
  }
  expect(await run()).toMatchObject({ state: 'succeeded' });
}, 600_000);

it("a run without the workflow's role on the job", async () => {
  const account = accountOf(there.box, 'gcp:workflows/workflow:Workflow');
  const bindings = await bindingsOf(there.box, `serviceAccount:${account}`);
  const [binding] = bindings.filter(({ role }) => role === 'roles/run.developer');
  if (binding === undefined) throw new Error('the workflow may not start the job');
  judge(binding, await without(there.box, binding, run), /to the workflow's account, reseal-dev-workflow/);
}, 300_000);
