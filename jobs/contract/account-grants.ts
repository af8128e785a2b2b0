import type { Deployment } from './deployment.ts';
import type { GrantTarget } from './job-user.ts';

/** The accounts that act for a stack by themselves. */
export type Account = 'batch' | 'workflow' | 'schedule';

/** A role that the program grants to one of them. */
export interface AccountGrant {
  readonly account: Account;
  readonly role: string;
  readonly on: GrantTarget;
}

/**
 * The e-mail address of an account that the program makes.
 *
 * @example
 * accountEmail({ project: 'p', stack: 'dev' }, 'workflow'); // 'reseal-dev-workflow@p.iam.gserviceaccount.com'
 */
export const accountEmail = (d: Pick<Deployment, 'project' | 'stack'>, account: Account): string =>
  `${accountId(d.stack, account)}@${d.project}.iam.gserviceaccount.com`;

/** The part of it before the @. */
export const accountId = (stack: string, account: Account): string => `reseal-${stack}-${account}`;

/**
 * The same, or the address of the account that the stack's file names for its batches.
 *
 * @example
 * emailOf(deployment, 'batch'); // 'reseal-dev-batch@p.iam.gserviceaccount.com'
 */
export const emailOf = (d: Pick<Deployment, 'project' | 'stack' | 'batch'>, account: Account): string =>
  (account === 'batch' ? d.batch.serviceAccount : null) ?? accountEmail(d, account);

const roles =
  (account: Account) =>
  (role: string, ...on: GrantTarget[]): AccountGrant[] =>
    on.map((target) => ({ account, role: `roles/${role}`, on: target }));
const batch = roles('batch');
const workflow = roles('workflow');

/**
 * What each account may do. The one table: infra/bindings.ts grants it, `reseal doctor` looks for it in the policies of
 * the resources, and docs/iam.md says why each is needed.
 */
export const ACCOUNT_GRANTS: readonly AccountGrant[] = [
  ...batch('dataproc.worker', 'project'),
  ...batch('bigquery.readSessionUser', 'project'),
  ...batch('bigquery.jobUser', 'project'),
  ...batch('bigquery.dataViewer', 'source table', 'rejected table', 'keysets table', 'runs table'),
  ...batch('bigquery.dataEditor', 'staging table'),
  ...batch('cloudkms.cryptoKeyDecrypter', 'source key', 'BigQuery key'),
  ...batch('storage.objectAdmin', "the stack's bucket"),
  ...workflow('dataproc.serverlessEditor', 'project'),
  ...workflow('bigquery.jobUser', 'project'),
  ...workflow('logging.logWriter', 'project'),
  ...workflow(
    'bigquery.dataEditor',
    'source table',
    'staging table',
    'rejected table',
    'keysets table',
    'data keys table',
    'runs table',
    'read dataset',
  ),
  ...workflow('storage.objectViewer', "the stack's bucket"),
  // BigQuery uses the key on the caller's behalf; the workflow itself cannot call KMS with it.
  ...workflow('cloudkms.cryptoKeyEncrypterViaDelegation', 'BigQuery key'),
  ...workflow('cloudkms.cryptoKeyDecrypterViaDelegation', 'BigQuery key'),
  ...workflow('iam.serviceAccountUser', "the batch's account"),
  // Workflows takes no bindings of its own, so starting one is a role on the project.
  ...roles('schedule')('workflows.invoker', 'project'),
];
