import type { Deployment } from '../../jobs/contract/deployment.ts';
import { type GrantTarget, JOB_USER_GRANTS } from '../../jobs/contract/job-user.ts';
import type { Binding } from './policy.ts';
import { bucketName, projectName, serviceAccountName, tableName } from './resources.ts';

/** Who runs the command line: a user whom docs/iam.md has been followed for. */
export const JOB_USER = 'user:job@sandbox.invalid';

/** Full names of what the grants stand on; a policy tag is on nothing where the stack has none. */
function targets(deployment: Deployment, policyTag: string | undefined) {
  const { project, dataset, tables, bucket, batch, sourceKek, bigqueryKek } = deployment;
  const table = (id: string): string => tableName(project, dataset, id);
  const names: Readonly<Record<GrantTarget, string | undefined>> = {
    project: projectName(project),
    "the batch's account": serviceAccountName(project, batch.serviceAccount),
    'source table': table(tables.source),
    'staging table': table(tables.staging),
    'rejected table': table(tables.rejected),
    'shredded table': table(tables.shredded),
    'keysets table': table(tables.keysets),
    'runs table': table(tables.runs),
    "the stack's bucket": bucketName(project, bucket),
    'source key': sourceKek,
    'BigQuery key': bigqueryKek,
    'policy tag': policyTag,
  };
  return names;
}

/** What docs/iam.md tells people to grant to whoever starts runs by hand, in one stack. */
export function jobUserBindings(deployment: Deployment, policyTag?: string): Binding[] {
  const names = targets(deployment, policyTag);
  return JOB_USER_GRANTS.flatMap(({ role, on }) => {
    const resource = names[on];
    return resource === undefined ? [] : { member: JOB_USER, role, resource };
  });
}
