import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findingLines } from '../../jobs/cli/doctor.ts';
import { type Account, accountGrants, emailOf } from '../../jobs/contract/account-grants.ts';
import type { Deployment } from '../../jobs/contract/deployment.ts';
import { JOB_USER_GRANTS } from '../../jobs/contract/job-user.ts';
import { readView } from '../../jobs/contract/sql/index.ts';
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
  // As the first run makes it.
  const chain = { kms: `'gcp-kms://${box.deployment.bigqueryKek}'`, keyset: "b'\\x0a\\x24'" };
  const sql = readView(box.deployment, { aead: chain, deterministic: chain });
  await box.context.bigquery.query({ name: 'read_view', sql, params: {} }, {});
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

  it.each([
    { role: 'roles/cloudkms.viewer', open: ['source key'] },
    {
      role: 'roles/serviceusage.serviceUsageViewer',
      open: ['APIs', 'quota of Cloud KMS', 'quota of CPUs'],
    },
    {
      role: 'roles/iam.securityReviewer',
      open: ['batch', 'job', 'workflow', 'schedule'].map((who) => `roles of the ${who}'s account`),
    },
  ])('of the doctor itself, $role, leaves its checks open', async ({ role, open }) => {
    const findings = await without(role, /./);
    expect(mayStart(findings)).toBe(true);
    const unseen = all(findings, 'unknown');
    expect(unseen.map(({ check }) => check)).toEqual(open);
    for (const { found, remedy } of unseen) {
      expect(found).toMatch(/may not look|[Pp]ermission/);
      expect(remedy).toContain(role);
    }
  });
});

it('does not say that a run may start where the view of the readers cannot be made', async () => {
  const check = 'roles/bigquery.dataEditor on read dataset';
  const find = (findings: readonly Finding[]) => findings.find((one) => one.check === check);
  expect(find(await examined({ readView: 'before_the_first_run' }))).toMatchObject({
    verdict: 'unknown',
    found: expect.stringContaining('there is no view encryption_poc_read.before_the_first_run yet'),
  });
  expect(find(await examined())).toMatchObject({ verdict: 'ok' });
  const findings = await without('roles/bigquery.dataEditor', /_read$/);
  expect(find(findings)).toMatchObject({
    verdict: 'failed',
    found: 'this account lacks bigquery.tables.update',
  });
  expect(mayStart(findings)).toBe(false);
});

it('does not ask for the table of shredded values, which no run needs', async () => {
  const findings = await without('roles/bigquery.dataEditor', /users_shredded$/);
  expect(mayStart(findings)).toBe(true);
  expect(all(findings, 'unknown').map(({ check }) => check)).toContain('table encryption_poc.users_shredded');
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
    await expect(ready({ idType: 'STRING' })).rejects.toMatchObject({
      message: expect.stringContaining('id is INT64, not STRING'),
      hint: expect.stringContaining('reseal:idType'),
    });
    const bigqueryKek = box.deployment.bigqueryKek.replace(/locations\/[^/]+/, 'locations/europe-west1');
    await expect(ready({ bigqueryKek })).rejects.toMatchObject({ code: 'not-ready' });
  });

  it('leaves a table that this account may not look at to the run, which may not need it', async () => {
    await box.faults({ kind: 'denied', service: 'bigquery', method: 'tables.get', count: null });
    await expect(ready()).resolves.toBeUndefined();
    await box.faults();
  });

  it('leaves what else BigQuery says to the code that it has', async () => {
    await box.faults({ kind: 'expired-token', service: 'bigquery', method: 'tables.get' });
    await expect(ready()).rejects.toMatchObject({ code: 'no-credentials' });
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
  const findings = await examined({
    batch: { ...box.deployment.batch, application: null },
    cloudRunJob: null,
  });
  await box.sql('DELETE FROM users_temp WHERE TRUE');
  expect(mayStart(findings)).toBe(true);
  expect(all(findings, 'warning').map(({ check, found }) => `${check}: ${found}`)).toEqual([
    "the batch's files: the stack was deployed without a bundle",
    'the job on Cloud Run: the stack was deployed without it, so the workflow has no run done inside BigQuery',
    'staging table: 1 rows of run gone-run, which the ledger does not know',
  ]);
});

describe("the accounts' roles", () => {
  const taken = (account: string, role: string, on: RegExp, given: Partial<Deployment> = {}) => {
    const binding = { member: `serviceAccount:${account}`, role, resource: '' };
    return while_(
      async () => {
        const { bindings } = (await box.control('iam:bindings')) as { bindings: (typeof binding)[] };
        Object.assign(
          binding,
          bindings.find((one) => one.member === binding.member && one.role === role && on.test(one.resource)),
        );
        expect(await box.control('iam:unbind', binding)).toEqual({ removed: true });
      },
      () => box.control('iam:bind', binding),
      () => examined(given),
    );
  };
  const workflow = () => emailOf(box.deployment, 'workflow');

  it.each([
    ['roles/bigquery.dataEditor', /users_temp$/, 'staging table'],
    ['roles/cloudkms.cryptoKeyDecrypter', /source[^/]*$/, 'source key'],
    ['roles/storage.objectAdmin', /buckets/, "the stack's bucket"],
    ['roles/dataproc.worker', /^projects\/[^/]+$/, 'project'],
  ])('%s of the batch, taken away, is named with account and resource', async (role, on, where) => {
    const account = emailOf(box.deployment, 'batch');
    const findings = await taken(account, role, on);
    expect(all(findings, 'warning')).toMatchObject([
      {
        check: "roles of the batch's account",
        found: `serviceAccount:${account} lacks ${role} on ${where}`,
      },
    ]);
    expect(mayStart(findings)).toBe(true);
  });

  it('of the batch are needed where no other engine is allowed', async () => {
    const account = emailOf(box.deployment, 'batch');
    const findings = await taken(account, 'roles/bigquery.readSessionUser', /./, { engines: ['dataproc'] });
    expect(all(findings, 'failed').map(({ check }) => check)).toEqual(["roles of the batch's account"]);
  });

  it.each([
    ['roles/cloudkms.cryptoKeyDecrypter', /source[^/]*$/, 'source key'],
    ['roles/storage.objectViewer', /buckets/, "the stack's bucket"],
  ])('%s of the job, taken away, is a warning: by hand its engine does without', async (role, on, where) => {
    const account = emailOf(box.deployment, 'job');
    const findings = await taken(account, role, on, { engines: ['bigquery'] });
    expect(all(findings, 'warning')).toMatchObject([
      { check: "roles of the job's account", found: `serviceAccount:${account} lacks ${role} on ${where}` },
    ]);
    expect(mayStart(findings)).toBe(true);
  });

  it.each([
    ['roles/bigquery.dataEditor', /_read$/, 'read dataset'],
    ['roles/iam.serviceAccountUser', /serviceAccounts/, "the batch's account"],
    ['roles/run.developer', /\/jobs\//, 'Cloud Run job'],
  ])('%s of the workflow, taken away, is named', async (role, on, where) => {
    const findings = await taken(workflow(), role, on);
    expect(all(findings, 'warning')).toMatchObject([
      { found: `serviceAccount:${workflow()} lacks ${role} on ${where}` },
    ]);
  });
});

describe('asks for nothing that the stack has not', () => {
  const found = async (given: Partial<Deployment>) => {
    const { batch } = box.deployment;
    const findings = await examined({
      batch: { ...batch, serviceAccount: null, subnetwork: null, application: null },
      ...given,
    });
    expect(findings.filter(({ verdict }) => verdict !== 'ok')).toEqual([]);
    expect(findings.filter(({ check }) => /batch|CPUs|connector/.test(check))).toEqual([]);
    const of = (name: string) => findings.find(({ check }) => check === name)?.found;
    const rolesOf = (account: Account) => of(`roles of the ${account}'s account`);
    return { apis: of('APIs'), job: rolesOf('job'), workflow: rolesOf('workflow') };
  };

  it('of batches, and of what starts by itself', async () => {
    expect(await found({ engines: ['direct'], workflow: null, cloudRunJob: null })).toEqual({
      apis: 'all 5 are on',
      job: undefined,
      workflow: undefined,
    });
  });

  it('of batches, where the job of Cloud Run is there', async () => {
    const counted = (account: Account) => {
      const { length } = accountGrants(account, ['bigquery']);
      return `${length} of ${length}, serviceAccount:${emailOf(box.deployment, account)}`;
    };
    expect(await found({ engines: ['direct', 'bigquery'] })).toEqual({
      apis: 'all 11 are on',
      job: counted('job'),
      workflow: counted('workflow'),
    });
  });
});

describe('the APIs', () => {
  const turned = (api: string, which: 'enable' | 'disable') => async () => {
    const { serviceUsage, accessToken } = box.sandbox.owner;
    const path = `/v1/projects/${box.deployment.project}/services/${api}.googleapis.com:${which}`;
    const answer = await fetch(`${serviceUsage}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${accessToken}` },
    });
    expect(answer.status, await answer.text()).toBe(200);
  };

  it('that only batches need are a warning, unless only batches are allowed', async () => {
    const off = (given: Partial<Deployment>) =>
      while_(turned('dataproc', 'disable'), turned('dataproc', 'enable'), () => examined(given));
    const both = await off({});
    expect(all(both, 'warning')[0]).toMatchObject({
      check: 'APIs',
      found: `dataproc is off in project ${box.deployment.project}`,
      remedy: expect.stringContaining('gcloud services enable dataproc.googleapis.com'),
    });
    expect(mayStart(both)).toBe(true);
    expect(mayStart(await off({ engines: ['dataproc'] }))).toBe(false);
  });

  it('that every run needs fail', async () => {
    const findings = await while_(turned('storage', 'disable'), turned('storage', 'enable'), () =>
      examined(),
    );
    expect(all(findings, 'failed').map(({ check }) => check)).toContain('APIs');
  });
});

describe('the quotas', () => {
  it('of Cloud KMS: says how long the table may take, and warns of a rate above them', async () => {
    const calls = (kmsCallsPerSecond: number) =>
      examined({ batch: { ...box.deployment.batch, kmsCallsPerSecond } });
    expect(await calls(500)).toContainEqual({
      check: 'quota of Cloud KMS',
      verdict: 'ok',
      found:
        'kmsCallsPerSecond 500 is 30000 calls a minute of 60000; 12 rows with a data key each take 1 minute',
      remedy: null,
    });
    const [warning] = all(await calls(1000), 'warning');
    expect(warning?.remedy).toMatch(/^lower reseal:kmsCallsPerSecond below 1000/);
  });

  it.each([
    { limit: 8, engines: ['direct', 'dataproc'], verdict: 'warning' },
    { limit: 8, engines: ['dataproc'], verdict: 'failed' },
    { limit: 12, engines: ['dataproc'], verdict: 'warning' },
  ] as const)('of CPUs: $limit for $engines is $verdict', async ({ limit, engines, verdict }) => {
    const quota = (cpus: number) =>
      box.control('project:quota', { metric: 'compute.googleapis.com/cpus', limit: cpus });
    const findings = await while_(
      () => quota(limit),
      () => quota(72),
      () => examined({ engines: [...engines] }),
    );
    expect(all(findings, verdict)).toMatchObject([
      {
        check: 'quota of CPUs',
        found: `a batch takes 12 vCPUs at its start and up to 36; the quota CPUS of us-central1 is ${limit}`,
      },
    ]);
  });
});

describe("the batch's files", () => {
  it.each([
    { engines: ['direct', 'dataproc', 'bigquery'], verdict: 'warning' },
    { engines: ['dataproc'], verdict: 'failed' },
  ] as const)(
    'that are not there, or not in the stack at all, are $verdict for $engines',
    async ({ engines, verdict }) => {
      const { batch, bucket } = box.deployment;
      const wheels = `gs://${bucket}/application/none/wheels.zip#wheels`;
      const application = { main: '', package: '', ...batch.application, wheels };
      for (const [given, found] of [
        [application, `there is no ${wheels}`],
        [null, 'the stack was deployed without a bundle'],
      ] as const) {
        const findings = await examined({ engines: [...engines], batch: { ...batch, application: given } });
        expect(all(findings, verdict)).toMatchObject([{ check: "the batch's files", found }]);
        expect(mayStart(findings)).toBe(verdict === 'warning');
      }
    },
  );
});

describe("the batch's versions", () => {
  it('tells an archive that was made from another checkout, and another connector', async () => {
    const { application } = box.deployment.batch;
    const [, bucket, object = ''] = /^gs:\/\/([^/]+)\/([^#]+)/.exec(application?.wheels ?? '') ?? [];
    const other = object.replace(/[^/]+\.zip$/, 'other.zip');
    const { storage, accessToken } = box.sandbox.owner;
    const answer = await fetch(
      `${storage}/upload/storage/v1/b/${bucket}/o?uploadType=media&name=${encodeURIComponent(other)}`,
      {
        method: 'POST',
        headers: { authorization: `Bearer ${accessToken}`, 'content-type': 'application/zip' },
        body: 'PK made elsewhere',
      },
    );
    expect(answer.status, await answer.text()).toBe(200);
    const findings = await examined({
      batch: {
        ...box.deployment.batch,
        bigqueryConnectorVersion: '0.40.0',
        application: { main: '', package: '', ...application, wheels: `gs://${bucket}/${other}#wheels` },
      },
    });
    expect(all(findings, 'warning')).toMatchObject([
      { check: "the batch's files", found: expect.stringMatching(/other\.zip#wheels was not made from/) },
      { check: 'BigQuery connector', found: 'batches use 0.40.0, the tests of this checkout 0.42.1' },
    ]);
  });
});

it('says that rows are in the streaming buffer, which a run leaves to a later one', async () => {
  const { project, dataset, tables } = box.deployment;
  const { bigquery, accessToken } = box.sandbox.owner;
  const path = `/bigquery/v2/projects/${project}/datasets/${dataset}/tables/${tables.source}/insertAll`;
  const row = { id: '99', cipher_text: key.encrypt('streamed@example.com'), dek: key.dek };
  const answer = await fetch(`${bigquery}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({ rows: [{ insertId: '99', json: row }] }),
  });
  expect(answer.status, await answer.text()).toBe(200);
  const findings = await examined();
  await box.control('bigquery:flush', {});
  expect(all(findings, 'warning')).toMatchObject([
    {
      check: 'streaming buffer of encryption_poc.users',
      found: expect.stringMatching(/^some 1 rows, the oldest of \d{4}-/),
    },
  ]);
  expect(mayStart(findings)).toBe(true);
});

it('tries values that are sealed where only those are left that do not open', async () => {
  await box.load(application, [{ id: '99', cipher_text: 'no-base64!', dek: key.dek }]);
  await box.run({ engine: 'direct' });
  expect(await examined()).toContainEqual(
    expect.objectContaining({ verdict: 'ok', found: '12 of 13 values open; 1 encoding' }),
  );
});
