import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ACCOUNTS, accountGrants } from '../../jobs/contract/account-grants.ts';
import { JOB_USER_GRANTS } from '../../jobs/contract/job-user.ts';
import { ENGINES } from '../../jobs/contract/settings/choices.ts';
import { JOB_USER, jobUserBindings } from '../../sandbox/iam/job-user.ts';
import { isKnown } from '../../sandbox/iam/roles.ts';
import { IAM_PAGE, iamPage } from '../../tools/iam-page.ts';
import { aDeployment } from '../support/deployment.ts';

it('docs/iam.md is what `npm run docs:iam` writes', () => {
  const page = readFileSync(IAM_PAGE, 'utf8');
  expect(iamPage(page)).toBe(page);
  for (const { role } of JOB_USER_GRANTS) expect(isKnown(role), role).toBe(true);
});

it.each(ACCOUNTS)("says of each role of the %s's account why it is needed", (account) => {
  const sections = readFileSync(IAM_PAGE, 'utf8').split('\n## ');
  const section = sections.find((text) => text.split('\n')[0]?.endsWith(`\`reseal-<stack>-${account}\``));
  for (const { role } of accountGrants(account, ENGINES)) expect(section).toContain(`| \`${role}\` |`);
});

it("the sandbox's job has the roles of that table, and no other", () => {
  const tag = 'projects/p/locations/l/taxonomies/1/policyTags/2';
  const granted = jobUserBindings(aDeployment(), tag);
  expect(granted.map(({ role }) => role)).toEqual(JOB_USER_GRANTS.map(({ role }) => role));
  expect(new Set(granted.map(({ member }) => member))).toEqual(new Set([JOB_USER]));
  expect(granted).toContainEqual({
    member: JOB_USER,
    role: 'roles/bigquery.dataEditor',
    resource: 'projects/a-project/datasets/encryption_poc/tables/users_rejected',
  });
  expect(jobUserBindings(aDeployment())).toHaveLength(granted.length - 1);
});
