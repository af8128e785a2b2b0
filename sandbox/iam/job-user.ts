import type { Deployment } from '../../jobs/contract/deployment.ts';
import { type GrantResource, grantResource, JOB_USER_GRANTS } from '../../jobs/contract/job-user.ts';
import type { Binding } from './policy.ts';
import { bucketName, datasetName, projectName, serviceAccountName, tableName } from './resources.ts';

/** Who runs the command line: a user whom docs/iam.md has been followed for. */
export const JOB_USER = 'user:job@sandbox.invalid';

/** The full name of what a grant stands on. */
function fullName(project: string, on: GrantResource): string {
  switch (on.kind) {
    case 'project':
      return projectName(on.project);
    case 'dataset':
      return datasetName(on.project, on.dataset);
    case 'table':
      return tableName(on.project, on.dataset, on.table);
    case 'key':
    case 'cloud run job':
      return on.name;
    case 'bucket':
      return bucketName(project, on.bucket);
    case 'account':
      return serviceAccountName(project, on.email);
  }
}

/** The tag of a stack's plaintext columns, which is no part of its outputs: the program lets the workflow read them. */
export const policyTagOf = (bindings: readonly Binding[]): string | undefined =>
  bindings.find(({ role }) => role === 'roles/datacatalog.categoryFineGrainedReader')?.resource;

/** What docs/iam.md tells people to grant to whoever starts runs by hand, in one stack. */
export function jobUserBindings(deployment: Deployment, policyTag?: string): Binding[] {
  return JOB_USER_GRANTS.flatMap(({ role, on }) => {
    const found = grantResource(deployment, on);
    const resource =
      on === 'policy tag' ? policyTag : found === null ? undefined : fullName(deployment.project, found);
    return resource === undefined ? [] : { member: JOB_USER, role, resource };
  });
}
