import { type Account, accountGrants, emailOf } from '../contract/account-grants.ts';
import type { Deployment } from '../contract/deployment.ts';
import { type GrantResource, type GrantTarget, grantResource } from '../contract/job-user.ts';
import { googleFailure } from '../google/failures.ts';
import { entry, type Policies } from '../google/policies.ts';
import { type Finding, inBatches, ok, wrong } from './finding.ts';

/** A policy, or why it is not known. */
type Seen = { readonly entries: ReadonlySet<string> } | { readonly why: string };

/**
 * Whether the accounts of batch, job, workflow and schedule have the roles that `pulumi up` gave them, a line an account. A
 * role on the resource itself or on the project counts; one that holds as much, or that comes from a folder or the
 * organization, is not seen. The batch's are needed by every run where no other engine is allowed.
 */
export async function checkAccounts(d: Deployment, policies: Policies): Promise<Finding[]> {
  const accounts: Account[] = [
    ...(d.engines.includes('dataproc') ? (['batch'] as const) : []),
    ...(d.cloudRunJob === null ? [] : (['job'] as const)),
    ...(d.workflow === null ? [] : (['workflow', 'schedule'] as const)),
  ];
  const seen = new Map<GrantTarget, Promise<Seen>>();
  const policyOf = (on: GrantTarget, resource: GrantResource): Promise<Seen> => {
    const known = seen.get(on) ?? look(policies, resource);
    seen.set(on, known);
    return known;
  };
  return Promise.all(
    accounts.map(async (account) => {
      const member = `serviceAccount:${emailOf(d, account)}`;
      const project = await policyOf('project', { kind: 'project', project: d.project });
      const missing: string[] = [];
      const hidden = new Set<string>();
      const grants = grantsIn(d, account);
      for (const { role, on, resource } of grants) {
        const own = await policyOf(on, resource);
        if ([own, project].some((one) => 'entries' in one && one.entries.has(entry(member, role)))) continue;
        if ('why' in own) hidden.add(`${on} (${own.why})`);
        else missing.push(`${role} on ${on}`);
      }
      return finding(d, account, grants.length, missing, [...hidden]);
    }),
  );
}

/** The grants of an account with what they stand on: one on what a stack has not is not missing. */
const grantsIn = (d: Deployment, account: Account) =>
  accountGrants(account, d.engines).flatMap(({ role, on }) => {
    const resource = grantResource(d, on);
    return resource === null ? [] : { role, on, resource };
  });

async function look(policies: Policies, resource: GrantResource): Promise<Seen> {
  try {
    return { entries: await policies(resource) };
  } catch (error) {
    return { why: googleFailure(error).message };
  }
}

function finding(
  d: Deployment,
  account: Account,
  grants: number,
  missing: readonly string[],
  hidden: readonly string[],
): Finding {
  const check = `roles of the ${account}'s account`;
  const member = `serviceAccount:${emailOf(d, account)}`;
  if (missing.length > 0)
    return wrong(
      account === 'batch' ? inBatches(d) : 'warning',
      check,
      `${member} lacks ${missing.join(', ')}`,
      '`pulumi up --refresh` grants them again; where a wider role stands in for one, nothing is missing',
    );
  if (hidden.length > 0)
    return wrong(
      'unknown',
      check,
      `this account may not look at the policy of ${hidden[0]}${hidden.length === 1 ? '' : ` and of ${hidden.length - 1} more resources`}`,
      'grant roles/iam.securityReviewer on the project to see',
    );
  return ok(check, `${grants} of ${grants}, ${member}`);
}
