import { describe, expect, it } from 'vitest';
import { ACCOUNT_GRANTS, accountGrants } from '../../jobs/contract/account-grants.ts';
import { enginesOf, JOB_USER_GRANTS } from '../../jobs/contract/job-user.ts';
import { ENGINES, type EngineName } from '../../jobs/contract/settings/choices.ts';

const grants = (...given: Parameters<typeof accountGrants>): string[] =>
  accountGrants(...given).map(({ role, on }) => `${role} on ${on}`);

describe('what the workflow may do', () => {
  const ofBatches = [
    'roles/dataproc.serverlessEditor on project',
    "roles/storage.objectViewer on the stack's bucket",
    "roles/iam.serviceAccountUser on the batch's account",
  ];
  const ofJob = ['roles/run.developer on Cloud Run job'];

  it.each<{ engines: readonly EngineName[]; not: string[]; but: string[] }>([
    { engines: ['bigquery'], not: ofBatches, but: ofJob },
    { engines: ['dataproc'], not: ofJob, but: ofBatches },
    { engines: ENGINES, not: [], but: [...ofBatches, ...ofJob] },
  ])('with $engines is what these need', ({ engines, not, but }) => {
    const all = ACCOUNT_GRANTS.filter(({ account }) => account === 'workflow').length;
    const found = grants('workflow', engines);
    expect(found).toEqual(expect.arrayContaining(but));
    expect(found).toHaveLength(all - not.length);
    expect(found.filter((grant) => not.includes(grant))).toEqual([]);
  });
});

it('the job may do what somebody may who goes on with such a run by hand, and read its own file', () => {
  const byHand = JOB_USER_GRANTS.filter(
    ({ when }) => when === 'every run' || enginesOf(when)?.includes('bigquery'),
  ).map(({ role, on }) => `${role} on ${on}`);
  expect(grants('job', ['bigquery'])).toEqual([
    // It makes no keyset and no view.
    ...byHand.filter((grant) => !/on (?:keysets table|read dataset)$/.test(grant)),
    'roles/bigquery.dataViewer on keysets table',
    "roles/storage.objectViewer on the stack's bucket",
  ]);
});
