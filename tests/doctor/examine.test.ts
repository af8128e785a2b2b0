import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findingLines } from '../../jobs/cli/doctor.ts';
import type { Deployment } from '../../jobs/contract/deployment.ts';
import { JOB_USER_GRANTS } from '../../jobs/contract/job-user.ts';
import { checkReady, doctor, mayStart } from '../../jobs/doctor/examine.ts';
import type { Finding, Verdict } from '../../jobs/doctor/finding.ts';
import { JOB_USER } from '../../sandbox/iam/job-user.ts';
import { holds } from '../../sandbox/iam/roles.ts';
import { Application } from '../support/application.ts';
import { type TestSandbox, testSandbox } from '../support/sandbox.ts';

let box: TestSandbox;
const application = new Application();
const key = application.newKey();
const users = Array.from({ length: 12 }, (_, at) => ({
  id: String(at + 1),
  cipher_text: key.encrypt(`doctor-canary-${at}@example.com`),
  dek: key.dek,
}));

beforeAll(async () => {
  box = await testSandbox();
  await box.load(application, users);
});
afterAll(() => box.close());

async function examined(given: Partial<Deployment> = {}): Promise<Finding[]> {
  return doctor(await box.under(given), box.sandbox.endpoints);
}

/** The findings of a verdict. */
const all = (findings: readonly Finding[], verdict: Verdict): Finding[] =>
  findings.filter((one) => one.verdict === verdict);

/** Does something to the sandbox, examines it and undoes it. */
async function while_<T>(act: () => Promise<unknown>, undo: () => Promise<unknown>, work: () => Promise<T>) {
  await act();
  try {
    return await work();
  } finally {
    await undo();
  }
}

/** Examines a sandbox in which the job's user lacks one role. */
function without(role: string, on: RegExp): Promise<Finding[]> {
  const binding = async () => {
    const { bindings } = (await box.control('iam:bindings')) as {
      bindings: { member: string; role: string; resource: string }[];
    };
    return bindings.find((one) => one.member === JOB_USER && one.role === role && on.test(one.resource));
  };
  let taken: object = {};
  return while_(
    async () => {
      taken = (await binding()) ?? {};
      await box.control('iam:unbind', taken);
    },
    () => box.control('iam:bind', taken),
    () => examined(),
  );
}

it('finds nothing to change where nothing is wrong', async () => {
  const findings = await examined();
  expect(findings.filter(({ verdict }) => verdict !== 'ok')).toEqual([]);
  expect(mayStart(findings)).toBe(true);
  expect(findings.map(({ check }) => check)).toContain('source format gcm');
  expect(findingLines(findings).at(-1)).toBe('a run may start');
});

it('asks for permissions that the roles of docs/iam.md hold', () => {
  for (const { role, permissions } of JOB_USER_GRANTS)
    for (const permission of permissions) expect(holds(role, permission), `${role} ${permission}`).toBe(true);
});

describe('a missing role', () => {
  it('that every run needs fails, with what to grant', async () => {
    const findings = await without('roles/bigquery.dataEditor', /users_rejected$/);
    expect(mayStart(findings)).toBe(false);
    expect(all(findings, 'failed')).toContainEqual(
      expect.objectContaining({
        check: 'roles/bigquery.dataEditor on rejected table',
        remedy: expect.stringMatching(/^grant roles\/bigquery.dataEditor on rejected table to the account/),
      }),
    );
  });

  it('of one engine is a warning: the stack allows another', async () => {
    const findings = await without('roles/dataproc.serverlessEditor', /./);
    expect(mayStart(findings)).toBe(true);
    expect(all(findings, 'warning').map(({ check }) => check)).toEqual([
      'roles/dataproc.serverlessEditor on project',
    ]);
  });

  it('of the doctor itself leaves the check open', async () => {
    const findings = await without('roles/cloudkms.viewer', /./);
    expect(mayStart(findings)).toBe(true);
    expect(all(findings, 'unknown')).toHaveLength(1);
  });
});

it('tells a table with another column type, and one that is not there', async () => {
  await box.sql(`CREATE TABLE ${box.deployment.dataset}.other (id INT64 NOT NULL, cipher_text BYTES)`);
  const { project, dataset, tables } = box.deployment;
  // Whoever may not see a table does not learn whether there is one.
  const hidden = await examined({ tables: { ...tables, source: 'other' } });
  expect(all(hidden, 'failed')[0]?.remedy).toMatch(/^grant roles\/bigquery.dataViewer on table /);
  await box.control('iam:bind', {
    member: JOB_USER,
    role: 'roles/bigquery.dataEditor',
    resource: `projects/${project}/datasets/${dataset}`,
  });
  const other = await examined({ tables: { ...tables, source: 'other' } });
  expect(all(other, 'failed')[0]).toMatchObject({
    check: 'table encryption_poc.other',
    found: expect.stringMatching(/cipher_text is BYTES, not STRING, no column dek STRING/),
  });
  const missing = await examined({ tables: { ...tables, runs: 'nowhere' } });
  expect(all(missing, 'failed')[0]).toMatchObject({ found: 'there is no such table' });
});

it('tells a key that is disabled, and one in another region', async () => {
  const { kms, accessToken } = box.sandbox.owner;
  const headers = { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json' };
  const found = await (await fetch(`${kms}/v1/${box.deployment.sourceKek}`, { headers })).json();
  const version = (found as { primary: { name: string } }).primary.name;
  const state = (name: string) => async () => {
    const answer = await fetch(`${kms}/v1/${version}?updateMask=state`, {
      method: 'PATCH',
      headers,
      body: JSON.stringify({ state: name }),
    });
    expect(answer.status, await answer.text()).toBe(200);
  };
  const findings = await while_(state('DISABLED'), state('ENABLED'), () => examined());
  expect(all(findings, 'failed')).toMatchObject([
    { check: 'source key', found: 'the primary version is DISABLED' },
  ]);
  const elsewhere = box.deployment.bigqueryKek.replace(/locations\/[^/]+/, 'locations/europe-west1');
  expect(all(await examined({ bigqueryKek: elsewhere }), 'failed').map(({ check }) => check)).toContain(
    'region of the BigQuery key',
  );
});

describe('before a run', () => {
  const ready = async (given: Partial<Deployment> = {}) => checkReady(await box.under(given));

  it('says nothing where tables and keys are as they should be', async () => {
    await expect(ready()).resolves.toBeUndefined();
  });

  it('says what to change first where they are not', async () => {
    const tables = { ...box.deployment.tables, staging: 'nowhere', rejected: 'neither' };
    await expect(ready({ tables })).rejects.toMatchObject({
      code: 'not-ready',
      message: expect.stringMatching(/nowhere: there is no such table; and 1 more/),
      hint: expect.stringContaining('pulumi up'),
    });
    await expect(ready({ idColumn: 'customer' })).rejects.toMatchObject({ code: 'not-ready' });
    const bigqueryKek = box.deployment.bigqueryKek.replace(/locations\/[^/]+/, 'locations/europe-west1');
    await expect(ready({ bigqueryKek })).rejects.toMatchObject({ code: 'not-ready' });
  });

  it('leaves what BigQuery does not say to the code that it has', async () => {
    await box.faults({ kind: 'denied', service: 'bigquery', method: 'tables.get', count: null });
    await expect(ready()).rejects.toMatchObject({ code: 'bigquery-denied' });
    await box.faults();
  });
});

it('holds the values that open against the pattern', async () => {
  const fields = box.deployment.fields.map((field) => ({ ...field, valuePattern: '[0-9]+' }));
  expect(all(await examined({ fields }), 'failed')).toMatchObject([
    { check: 'source format gcm', found: '0 of 12 values open; 12 value-pattern' },
  ]);
});

it('opens a few values to see whether the source format is right, and shows none', async () => {
  const findings = await examined({ sourceFormat: 'dotted' });
  expect(all(findings, 'failed')).toMatchObject([
    { check: 'source format dotted', found: '0 of 12 values open; 12 encoding' },
  ]);
  expect(JSON.stringify(findings)).not.toContain('doctor-canary');
});

it('names what a broken-off run left in the staging table, and a stack without a bundle', async () => {
  await box.sql("INSERT INTO users_temp (id, run_id, attempt) VALUES (1, 'gone-run', 'a')");
  const findings = await examined({ batch: { ...box.deployment.batch, application: null } });
  await box.sql('DELETE FROM users_temp WHERE TRUE');
  expect(mayStart(findings)).toBe(true);
  expect(all(findings, 'warning').map(({ check, found }) => `${check}: ${found}`)).toEqual([
    "the batch's files: the stack was deployed without a bundle",
    'staging table: 1 rows of run gone-run, which the ledger does not know',
  ]);
});
