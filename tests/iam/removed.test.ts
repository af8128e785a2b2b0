import { afterAll, beforeAll, expect, it } from 'vitest';
import { writeSample } from '../../jobs/cli/sample.ts';
import { enginesOf, JOB_USER_GRANTS } from '../../jobs/contract/job-user.ts';
import type { EngineName } from '../../jobs/contract/settings/choices.ts';
import type { Statement } from '../../jobs/contract/sql/index.ts';
import { bigQueryService } from '../../jobs/google/bigquery.ts';
import { executionsClient } from '../../jobs/google/clients.ts';
import { JOB_USER, jobUserBindings } from '../../sandbox/iam/job-user.ts';
import type { Binding } from '../../sandbox/iam/policy.ts';
import { importKek } from '../../sandbox/users/load.ts';
import { Application } from '../support/application.ts';
import { type TestSandbox, testSandbox } from '../support/sandbox.ts';
import { executionsApi } from '../support/workflow/executions-api.ts';
import { accountOf, bindingsOf, judge, without } from './taken-away.ts';

/**
 * Every binding is taken away once: what needs it then fails with 403, and the error names the resource, a role to
 * grant on it and the account to grant it to. The workflow's own are in workflow.slow.test.ts.
 */
const READERS = 'readers@example.com';
const TAG = 'projects/p/locations/us-central1/taxonomies/1/policyTags/2';
const application = new Application('gcm');
const key = application.newKey();
let box: TestSandbox;
let rows = 0;

/** A row for a run to work on. */
async function pending(): Promise<void> {
  rows += 1;
  const cipherText = key.encrypt(`${rows}@example.com`);
  await box.sql(`INSERT INTO users (id, cipher_text, dek) VALUES (${rows}, '${cipherText}', '${key.dek}')`);
}

beforeAll(async () => {
  box = await testSandbox({ readers: READERS, columnPolicyTag: TAG }, 'direct');
  await importKek(box.sandbox.owner, box.deployment, application.writeKek(box.folder));
}, 300_000);
afterAll(async () => {
  await box?.close();
});

/** A run of the job's, over a row that waits for it. */
const run = (engine: EngineName) => async (): Promise<unknown> => {
  await pending();
  return box.run({ engine });
};

it('a run without a role of whoever starts it', async () => {
  const firstRun = async (): Promise<unknown> => {
    await box.sql('DELETE FROM keysets WHERE TRUE');
    return run('direct')();
  };
  const bindings = await bindingsOf(box, JOB_USER);
  expect(bindings).toHaveLength(JOB_USER_GRANTS.length);
  for (const [at, binding] of bindings.entries()) {
    const grant = JOB_USER_GRANTS[at];
    if (grant?.when === 'reseal sample') {
      const target = { deployment: box.deployment, endpoints: box.sandbox.endpoints };
      const act = () => writeSample(target, { rows: 1, append: true });
      judge(binding, await without(box, binding, act), /the account that runs/);
      continue;
    }
    // Starting the workflow has a test of its own below; what no run needs, in those of its command.
    if (grant === undefined || /^(--via|reseal)/.test(grant.when)) continue;
    const engine = grant.when === '--engine dataproc' ? 'dataproc' : 'direct';
    if (grant.role === 'roles/storage.objectViewer') {
      // Granted all the same: such a run ends well, but nobody knows what the batch printed.
      const { error, denied } = await without(box, binding, run(engine));
      expect(error).toBeUndefined();
      expect(denied).toContainEqual(
        expect.objectContaining({ member: JOB_USER, resource: binding.resource }),
      );
      continue;
    }
    const act = grant.role.endsWith('EncrypterViaDelegation') ? firstRun : run(engine);
    judge(binding, await without(box, binding, act), /the account that runs/);
  }
  expect(await run('direct')()).toMatchObject({ state: 'succeeded' });
});

it('a run inside BigQuery without a role of whoever starts it', async () => {
  // In the order of the grants, which that of the bindings is no more once one was taken away and given back.
  const bindings = jobUserBindings(box.deployment, TAG);
  for (const [at, binding] of bindings.entries()) {
    const grant = JOB_USER_GRANTS[at];
    if (grant?.on !== 'data keys table' && !enginesOf(grant?.when ?? 'every run')?.includes('bigquery'))
      continue;
    judge(binding, await without(box, binding, run('bigquery')), /the account that runs/);
  }
  expect(await run('bigquery')()).toMatchObject({ state: 'succeeded' });
});

it("a batch without a role of its account's", async () => {
  const account = box.deployment.batch.serviceAccount;
  const bindings = await bindingsOf(box, `serviceAccount:${account}`);
  expect(bindings.length).toBeGreaterThan(8);
  /** Granted all the same, for the reason given; such a run goes through. */
  const kept: Readonly<Record<string, string>> = {
    'roles/storage.objectAdmin':
      'dataproc.worker holds storage.objects.* on the project, but an account with a narrower role needs this',
  };
  for (const binding of bindings) {
    const outcome = await without(box, binding, run('dataproc'));
    if (binding.role in kept) expect(outcome.error, kept[binding.role]).toBeUndefined();
    else judge(binding, outcome, new RegExp(`to the (batch's account, ${account}|account that runs)`));
  }
});

it("a reader without a role of the readers', or a procedure that nothing lets in", async () => {
  const { project, readDataset, readProcedure } = box.deployment;
  const accessToken = await box.token('user:reader@example.com', [`group:${READERS}`]);
  const reader = await bigQueryService(box.deployment, { ...box.sandbox.endpoints, accessToken });
  const sql = `CALL \`${project}.${readDataset}.${readProcedure}\`()`;
  const read = () => reader.query({ name: 'read', sql, params: {} } as Statement<never>, {});
  await run('direct')();
  expect((await read()).length).toBeGreaterThan(0);
  const routine = `routine:projects/${project}/datasets/${readDataset}/routines/${readProcedure}`;
  const own = await bindingsOf(box, `group:${READERS}`);
  const authorised = await bindingsOf(box, routine);
  expect([own.length, authorised.map(({ role }) => role)]).toEqual([3, ['roles/bigquery.routineDataViewer']]);
  for (const binding of own) judge(binding, await without(box, binding, read), /the account that runs/);
  for (const binding of authorised) {
    const { error, denied } = await without(box, binding, read);
    expect(error).toMatchObject({ code: 'bigquery-denied' });
    expect(denied).toEqual([
      {
        member: 'user:reader@example.com',
        permission: 'bigquery.tables.getData',
        resource: expect.stringMatching(`^${binding.resource}/tables/`),
      },
    ]);
  }
});

it('the procedure reads and cannot write, and is let in no longer once it has changed', async () => {
  const { project, dataset, readDataset, readProcedure, tables } = box.deployment;
  const { owner } = box.sandbox;
  const accessToken = await box.token('user:reader@example.com', [`group:${READERS}`]);
  const reader = await bigQueryService(box.deployment, { ...box.sandbox.endpoints, accessToken });
  const sql = `CALL \`${project}.${readDataset}.${readProcedure}\`()`;
  const read = () => reader.query({ name: 'read', sql, params: {} } as Statement<never>, {});
  const url = `${owner.bigquery}/bigquery/v2/projects/${project}/datasets/${readDataset}/routines/${readProcedure}`;
  const headers = { authorization: `Bearer ${owner.accessToken}` };
  const before = await (await fetch(url, { headers })).json();
  const change = async (definitionBody: string): Promise<Binding[]> => {
    const body = JSON.stringify({ ...(before as object), definitionBody });
    expect((await fetch(url, { method: 'PUT', headers, body })).status).toBe(200);
    const routine = `routine:projects/${project}/datasets/${readDataset}/routines/${readProcedure}`;
    return bindingsOf(box, routine);
  };
  const [binding] = await bindingsOf(
    box,
    `routine:projects/${project}/datasets/${readDataset}/routines/${readProcedure}`,
  );
  expect(
    await change(`BEGIN DELETE FROM \`${project}.${dataset}.${tables.source}\` WHERE TRUE; END`),
  ).toEqual([]);
  await expect(read()).rejects.toMatchObject({ code: 'bigquery-denied' });
  await box.control('iam:bind', binding);
  await expect(read()).rejects.toMatchObject({
    code: 'bigquery-denied',
    message: expect.stringContaining('bigquery.tables.updateData'),
  });
  await change((before as { definitionBody: string }).definitionBody);
  await box.control('iam:bind', binding);
  expect((await read()).length).toBeGreaterThan(0);
});

it('a start of the workflow, by the schedule or by hand, without the role to start it', async () => {
  const workflow = { source: '', execute: async () => ({ result: {}, entries: [] }), close: async () => {} };
  const api = await executionsApi(workflow, box);
  try {
    const schedule = `serviceAccount:${accountOf(box, 'gcp:cloudscheduler/job:Job')}`;
    const bindings = [...(await bindingsOf(box, schedule)), ...(await bindingsOf(box, JOB_USER))].filter(
      ({ role }) => role === 'roles/workflows.invoker',
    );
    expect(bindings.map(({ member }) => member)).toEqual([schedule, JOB_USER]);
    expect(await bindingsOf(box, schedule)).toHaveLength(1);
    for (const binding of bindings) {
      const accessToken = await box.token(binding.member);
      const client = await executionsClient({ ...box.sandbox.endpoints, workflows: api.origin, accessToken });
      const start = () =>
        client.createExecution({ parent: box.deployment.workflow ?? '', execution: { argument: '{}' } });
      await start();
      const { error } = await without(box, binding, start);
      expect(String((error as Error).message)).toContain(
        `Permission 'workflows.executions.create' denied on '${box.deployment.workflow}'`,
      );
    }
  } finally {
    await api.close();
  }
});
