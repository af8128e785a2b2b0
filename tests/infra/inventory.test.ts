import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseDeployment } from '../../jobs/contract/deployment.ts';
import { bindings, inventory } from '../support/pulumi/inventory.ts';
import { configOf, FILLED_IN, runProgram, STACKS, stackProgram } from '../support/pulumi/program.ts';

/**
 * What each stack consists of, down to every input and every permission. An unmeant change of infrastructure
 * is a red test; a meant one is `npm run golden`, and the difference is there to be read in review.
 */
function golden(name: string, actual: unknown): void {
  const file = `tests/fixtures/golden/${name}.golden.json`;
  const written = `${JSON.stringify(actual, null, 2)}\n`;
  if (process.env.UPDATE_GOLDEN === '1') writeFileSync(file, written);
  expect(JSON.parse(written)).toEqual(JSON.parse(readFileSync(file, 'utf8')));
}

/**
 * Every role that may be granted at all, and on what: the list of docs/iam.md. Anything wider, be it a role or
 * the resource that it stands on, fails.
 */
const ALLOWED: Record<string, RegExp> = {
  'roles/dataproc.worker': /^project /,
  'roles/dataproc.serverlessEditor': /^project /,
  'roles/bigquery.readSessionUser': /^project /,
  'roles/bigquery.jobUser': /^project /,
  'roles/logging.logWriter': /^project /,
  'roles/workflows.invoker': /^project /,
  'roles/bigquery.dataViewer': /^(table|dataset \w+_read$)/,
  'roles/bigquery.dataEditor': /^(table |dataset \w+_read$)/,
  'roles/cloudkms.cryptoKeyDecrypter': /\/cryptoKeys\/(source|bigquery)$/,
  'roles/cloudkms.cryptoKeyDecrypterViaDelegation': /\/cryptoKeys\/bigquery$/,
  'roles/cloudkms.cryptoKeyEncrypterViaDelegation': /\/cryptoKeys\/bigquery$/,
  'roles/cloudkms.cryptoKeyEncrypterDecrypter': /\/cryptoKeys\/at-rest$/,
  'roles/storage.objectAdmin': /^bucket /,
  'roles/storage.objectViewer': /^bucket /,
  'roles/iam.serviceAccountUser': /\/serviceAccounts\/reseal-[a-z]+-batch@/,
  'roles/run.developer': /\/jobs\/reseal-[a-z]+$/,
  'roles/datacatalog.categoryFineGrainedReader': /\/policyTags\/\d+$/,
  'roles/bigquery.routineDataViewer': /^dataset /,
  'authorized views': /^dataset /,
};

describe.each(STACKS)('stack %s', (stack) => {
  it('has the resources of its golden file', async () => {
    golden(stack, inventory(await stackProgram(stack)));
  });

  it('grants the permissions of its golden file', async () => {
    golden(`${stack}.iam`, bindings(await stackProgram(stack)));
  });

  it('gives out what a job reads', async () => {
    const { outputs } = await stackProgram(stack);
    expect(parseDeployment(outputs)).toMatchObject({ stack, project: `example-data-${stack}` });
    expect(Object.keys(outputs as object)).toHaveLength(Object.keys(parseDeployment(outputs)).length);
  });

  it('asks for the same on another day, and in a preview', async () => {
    const first = await stackProgram(stack);
    const [again, preview] = await Promise.all([
      runProgram(stack, configOf(stack, FILLED_IN[stack]), { daysLater: 400 }),
      runProgram(stack, configOf(stack, FILLED_IN[stack]), { preview: true }),
    ]);
    expect(inventory(again)).toEqual(inventory(first));
    expect(inventory(preview)).toEqual(inventory(first));
  });

  it('grants no role that is wider than the list', async () => {
    const wider = bindings(await stackProgram(stack)).filter(
      ({ role, resource }) => ALLOWED[role]?.test(resource) !== true,
    );
    expect(wider).toEqual([]);
  });

  it('lets nobody but service accounts and the readers in, and the readers not to the source key', async () => {
    const granted = bindings(await stackProgram(stack));
    const members = granted.map(({ member }) => member.split(/[: ]/)[0]);
    expect(new Set(members)).toEqual(
      new Set(stack === 'dev' ? ['serviceAccount'] : ['serviceAccount', 'group', 'routine', 'views']),
    );
    const readers = granted.filter(({ member }) => member.startsWith('group:'));
    expect(readers.some(({ resource }) => resource.endsWith('/source'))).toBe(false);
  });
});

it("as its file is shipped names no group and no channel, which are a project's own", async () => {
  const { resources, ...program } = await runProgram('prod', configOf('prod'));
  expect(bindings({ resources, ...program }).filter(({ member }) => member.startsWith('group:'))).toEqual([]);
  const alerts = resources.filter(({ type }) => type === 'gcp:monitoring/alertPolicy:AlertPolicy');
  expect(alerts.length).toBeGreaterThan(0);
  for (const { inputs } of alerts) expect(inputs.notificationChannels ?? []).toEqual([]);
  for (const stack of STACKS) expect(configOf(stack)['gcp:disableGlobalProjectWarning']).toBe('true');
});

it('guards what holds data where a stack is protected, and nothing where it is not', async () => {
  const guarded = async (stack: string) =>
    (await stackProgram(stack)).resources.filter(({ protect }) => protect).map(({ type }) => type);
  expect(await guarded('dev')).toEqual([]);
  expect(new Set(await guarded('prod'))).toEqual(
    new Set([
      'gcp:bigquery/dataset:Dataset',
      'gcp:bigquery/table:Table',
      'gcp:kms/cryptoKey:CryptoKey',
      'gcp:kms/keyRing:KeyRing',
      'gcp:storage/bucket:Bucket',
      'gcp:workflows/workflow:Workflow',
    ]),
  );
});

it('documents every role that it may grant', () => {
  const documented = readFileSync('docs/iam.md', 'utf8');
  for (const role of Object.keys(ALLOWED)) expect(documented).toContain(role);
});

it('has service account ids that fit, whatever the stack is called', async () => {
  const { resources } = await runProgram('fourteen-chars', configOf('dev'));
  const ids = resources.flatMap(({ inputs }) =>
    inputs.accountId === undefined ? [] : [String(inputs.accountId)],
  );
  expect(ids).toHaveLength(4);
  // https://cloud.google.com/iam/docs/service-accounts-create
  for (const id of ids) expect(id).toMatch(/^[a-z][a-z0-9-]{4,28}[a-z0-9]$/);
});

it('lets the batch read the rejected values, by which it selects', async () => {
  const granted = bindings(await stackProgram('dev'));
  expect(granted).toContainEqual({
    member: 'serviceAccount:reseal-dev-batch@example-data-dev.iam.gserviceaccount.com',
    role: 'roles/bigquery.dataViewer',
    resource: 'table encryption_poc.users_rejected',
  });
});

describe('access to a dataset is given anew', () => {
  const ACCESS = [
    'gcp:bigquery/datasetIamMember:DatasetIamMember',
    'gcp:bigquery/datasetAccess:DatasetAccess',
  ];
  /** What each is given anew for, by name. */
  async function triggers(changes: Record<string, unknown>): Promise<Record<string, unknown>> {
    const config = configOf('staging', { ...FILLED_IN.staging, ...changes });
    const { resources } = await runProgram('staging', config);
    return Object.fromEntries(
      resources
        .filter(({ type }) => ACCESS.includes(type))
        .map(({ name, replacementTrigger }) => [name, replacementTrigger]),
    );
  }
  const changed = (one: Record<string, unknown>, other: Record<string, unknown>): string[] =>
    Object.keys(one).filter((name) => one[name] !== other[name]);

  it('where an update of the dataset takes it away, and where the text of the procedure changes', async () => {
    const [before, same, labelled, text] = await Promise.all([
      triggers({}),
      triggers({ 'reseal:verifyRows': 2 }),
      triggers({ 'reseal:labels': { team: 'other' } }),
      triggers({ 'reseal:fields': [{ name: 'phone' }] }),
    ]);
    expect(Object.keys(before)).toEqual([
      'read-procedure-authorized',
      'read-views-authorized',
      'readers-read-dataset-bigquery.dataViewer',
      'workflow-read-dataset-bigquery.dataEditor',
    ]);
    expect(changed(before, same)).toEqual([]);
    expect(changed(before, labelled)).toEqual(Object.keys(before));
    expect(changed(before, text)).toEqual(['read-procedure-authorized']);
  });

  it('also where the tables are in a dataset of somebody else', async () => {
    const own = { 'reseal:createSourceTable': false };
    const [before, labelled] = await Promise.all([
      triggers(own),
      triggers({ ...own, 'reseal:labels': { team: 'other' } }),
    ]);
    expect(changed(before, labelled).sort()).toEqual([
      'readers-read-dataset-bigquery.dataViewer',
      'workflow-read-dataset-bigquery.dataEditor',
    ]);
  });
});

it.each([true, false])(
  'names the key at rest of every table, and leaves a table alone that has another (createSourceTable %s)',
  async (createSourceTable) => {
    const changes = { 'reseal:createSourceTable': createSourceTable, 'reseal:cmek': 'create' };
    const { resources } = await runProgram('dev', configOf('dev', changes));
    const tables = resources.filter(({ type }) => type === 'gcp:bigquery/table:Table');
    expect(tables).toHaveLength(createSourceTable ? 7 : 6);
    for (const { name, inputs, ignored } of tables)
      expect([name, inputs.encryptionConfiguration, ignored]).toEqual([
        name,
        { kmsKeyName: expect.stringMatching(/at-rest/) },
        ['encryptionConfiguration'],
      ]);
  },
);

it('keeps the policy tag to the source table: a load job that names one needs setCategory', async () => {
  const columnPolicyTag = 'projects/p/locations/us-central1/taxonomies/1/policyTags/2';
  const { resources } = await runProgram(
    'dev',
    configOf('dev', { 'reseal:columnPolicyTag': columnPolicyTag }),
  );
  const tagged = resources
    .filter(({ type }) => type === 'gcp:bigquery/table:Table')
    .filter(({ inputs }) => String(inputs.schema).includes(columnPolicyTag));
  expect(tagged.map(({ name }) => name)).toEqual(['source']);
});

it('turns on the API of policy tags with a policy tag', async () => {
  const apis = async (changes: Record<string, unknown>) =>
    (await runProgram('dev', configOf('dev', changes))).resources
      .filter(({ type }) => type === 'gcp:projects/service:Service')
      .map(({ name }) => name);
  expect(await apis({})).not.toContain('datacatalog');
  const columnPolicyTag = 'projects/p/locations/us-central1/taxonomies/1/policyTags/2';
  expect(await apis({ 'reseal:columnPolicyTag': columnPolicyTag })).toContain('datacatalog');
});
