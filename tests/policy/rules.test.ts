import { describe, expect, it } from 'vitest';
import type { Context, Subject } from '../../policy/rule.ts';
import { contextOf, resourceRules, stackRules } from '../../policy/rules.ts';
import { configOf, type Program, runProgram, STACKS, stackProgram } from '../support/pulumi/program.ts';

const subjects = ({ resources }: Program): Subject[] =>
  resources.filter(({ custom }) => custom).map(({ inputs, ...rest }) => ({ ...rest, props: inputs }));

/** What the pack says: `rule: message`. */
function complaints(all: Subject[], context: Context): string[] {
  return [
    ...resourceRules.flatMap(({ name, check }) =>
      all.flatMap((subject) => check(subject, context).map((message) => `${name}: ${message}`)),
    ),
    ...stackRules.flatMap(({ name, check }) => check(all, context).map((message) => `${name}: ${message}`)),
  ];
}

it.each(STACKS)('stack %s breaks no rule', async (stack) => {
  const program = await stackProgram(stack);
  expect(complaints(subjects(program), contextOf(configOf(stack), stack))).toEqual([]);
});

it('a production stack with the job of Cloud Run breaks no rule', async () => {
  const config = configOf('prod', { 'reseal:engines': ['dataproc', 'bigquery'] });
  const all = subjects(await runProgram('prod', config));
  expect(all.map(({ type }) => type)).toContain('gcp:cloudrunv2/job:Job');
  expect(complaints(all, contextOf(config, 'prod'))).toEqual([]);
});

it('reads the configuration as the program does: YAML, of which JSON is a part', () => {
  const context = contextOf(
    { 'reseal:fields': '[{name: phone, plaintext: phone_number}]', 'reseal:storePlaintext': 'True' },
    'dev',
  );
  expect(context.storesPlaintext).toBe(true);
  expect([...context.plaintextColumns]).toContain('phone_number');
  expect(contextOf({ 'reseal:storePlaintext': 'no' }, 'dev').storesPlaintext).toBe(true);
  expect(contextOf({}, 'dev').storesPlaintext).toBe(false);
});

describe('one violation planted in prod', () => {
  const tag = 'projects/p/locations/us-central1/taxonomies/1/policyTags/2';
  const binding = (type: string, props: Record<string, unknown>): Subject => ({
    type,
    name: 'planted',
    props,
    protect: false,
  });

  /** Complaints of prod with one change: a further resource, or a change of one that there is. */
  async function planted(change: (all: Subject[]) => Subject[], config: Record<string, unknown> = {}) {
    const all = change(structuredClone(subjects(await stackProgram('prod'))));
    return complaints(all, contextOf(configOf('prod', config), 'prod'));
  }
  const adding = (subject: Subject) => planted((all) => [...all, subject]);
  const changing = (type: string, props: Record<string, unknown>, rest: Partial<Subject> = {}) =>
    planted((all) => {
      const found = all.find((one) => one.type === type);
      if (found === undefined) throw new Error(`no ${type}`);
      Object.assign(found, rest, { props: { ...found.props, ...props } });
      return all;
    });

  it.each([
    'roles/owner',
    'roles/editor',
    'roles/viewer',
    'roles/bigquery.admin',
    'roles/iam.serviceAccountAdmin',
  ])('no-wide-roles: %s', async (role) => {
    const member = 'serviceAccount:a@b.iam.gserviceaccount.com';
    expect(await adding(binding('gcp:projects/iAMMember:IAMMember', { role, member }))).toEqual([
      expect.stringContaining(`no-wide-roles: grants ${role}`),
    ]);
  });

  it('no-wide-roles: an administrator of objects beyond one bucket', async () => {
    const props = { role: 'roles/storage.objectAdmin', member: 'group:a@b.example' };
    expect(await adding(binding('gcp:projects/iAMMember:IAMMember', props))).toHaveLength(1);
  });

  it("no-wide-roles: BigQuery's own, in a dataset's access list", async () => {
    const accesses = [{ role: 'OWNER', userByEmail: 'a@b.example' }];
    expect(await changing('gcp:bigquery/dataset:Dataset', { accesses })).toEqual([
      expect.stringContaining('no-wide-roles: grants OWNER'),
    ]);
  });

  it.each([
    ['a member', { role: 'roles/bigquery.dataViewer', member: 'allUsers' }],
    ['one of several members', { role: 'roles/bigquery.dataViewer', members: ['allAuthenticatedUsers'] }],
    ['a special group', { role: 'READ', specialGroup: 'allAuthenticatedUsers' }],
  ])('no-public-members: %s', async (_, props) => {
    expect(await adding(binding('gcp:bigquery/iamMember:IamMember', props))).toEqual([
      expect.stringContaining('no-public-members: lets all'),
    ]);
  });

  it('no-public-members: a bucket that may be made public', async () => {
    expect(await changing('gcp:storage/bucket:Bucket', { publicAccessPrevention: 'inherited' })).toEqual([
      expect.stringContaining('no-public-members: may be made public'),
    ]);
  });

  it('production-protected: a key', async () => {
    expect(await changing('gcp:kms/cryptoKey:CryptoKey', {}, { protect: false })).toEqual([
      expect.stringContaining('production-protected: is not protected'),
    ]);
  });

  it('production-protected: a table', async () => {
    expect(await changing('gcp:bigquery/table:Table', { deletionProtection: false })).toEqual([
      expect.stringContaining('production-protected: has deletionProtection off'),
    ]);
  });

  it('plaintext-tagged: filled columns without a tag', async () => {
    expect(await planted((all) => all, { 'reseal:storePlaintext': true })).toEqual([
      expect.stringContaining('plaintext-tagged: stores plaintext in decrypted_email'),
    ]);
  });

  it('plaintext-tagged: in a staging table too, unless its rows expire within a week', async () => {
    const keepingFor = (expirationMs: number | undefined) => (all: Subject[]) =>
      all.map((one) =>
        one.name === 'staging'
          ? { ...one, props: { ...one.props, timePartitioning: { expirationMs } } }
          : one,
      );
    for (const millis of [undefined, 8 * 86_400_000])
      expect(await planted(keepingFor(millis), { 'reseal:storePlaintext': true })).toHaveLength(2);
  });

  it('plaintext-tagged: content with a tag, where the program sets it', async () => {
    const config = configOf('prod', { 'reseal:storePlaintext': true, 'reseal:columnPolicyTag': tag });
    expect(complaints(subjects(await runProgram('prod', config)), contextOf(config, 'prod'))).toEqual([]);
  });

  it('one-region: keys elsewhere', async () => {
    expect(await changing('gcp:kms/keyRing:KeyRing', { location: 'europe-west1' })).toEqual([
      expect.stringMatching(/^one-region: .*dataset is in us-central1.*ring is in europe-west1/),
    ]);
  });

  it('one-region: the job of Cloud Run elsewhere', async () => {
    const job = binding('gcp:cloudrunv2/job:Job', { location: 'europe-west1' });
    expect(await adding(job)).toEqual([
      expect.stringMatching(/^one-region: .*dataset is in us-central1.*planted is in europe-west1/),
    ]);
  });

  it('supported-runtime: in the workflow', async () => {
    const all = subjects(await stackProgram('prod'));
    const workflow = all.find(({ type }) => type === 'gcp:workflows/workflow:Workflow');
    const source = String(workflow?.props.sourceContents);
    const old = source.replace(/(runtimeConfig:\s*version: )"?2\.3"?/, '$1"2.1"');
    expect(old).not.toBe(source);
    expect(await changing('gcp:workflows/workflow:Workflow', { sourceContents: old })).toEqual([
      expect.stringContaining('supported-runtime: runs batches on runtime 2.1'),
    ]);
  });

  it.each([
    [{ version: '1.1' }, '1.1'],
    [{}, '(the default of the day)'],
  ])('supported-runtime: in a batch', async (runtimeConfig, version) => {
    expect(await adding(binding('gcp:dataproc/batch:Batch', { runtimeConfig }))).toEqual([
      expect.stringContaining(`supported-runtime: runs batches on runtime ${version}`),
    ]);
  });
});
