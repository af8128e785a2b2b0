import type { Deployment } from './deployment.ts';
import { type Grant, type GrantTarget, JOB_USER_GRANTS } from './job-user.ts';
import type { EngineName } from './settings/choices.ts';

/** The accounts that act for a stack by themselves. */
export const ACCOUNTS = ['batch', 'job', 'workflow', 'schedule'] as const;
export type Account = (typeof ACCOUNTS)[number];

/** A role that the program grants to one of them. */
export interface AccountGrant {
  readonly account: Account;
  readonly role: string;
  readonly on: GrantTarget;
  /** The engine that it is for; undefined where it is for either. */
  readonly engine?: 'dataproc' | 'bigquery';
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

/** The same, needed for an engine only. */
const only = (engine: NonNullable<AccountGrant['engine']>, grants: AccountGrant[]): AccountGrant[] =>
  grants.map((grant) => ({ ...grant, engine }));

/** What the workflow has done when it hands a run over: there is a keyset, and the readers' view goes by it. */
const DONE_BEFORE: readonly GrantTarget[] = ['keysets table', 'read dataset'];

/**
 * The job that is deployed does what somebody does who starts runs by hand, from a run that is planned on, and reads its own
 * file.
 */
export const JOB_GRANTS: readonly (AccountGrant & Pick<Grant, 'why'>)[] = [
  ...JOB_USER_GRANTS.filter(
    ({ when, on }) =>
      (when === 'every run' || when === '--engine direct or bigquery') && !DONE_BEFORE.includes(on),
  ).map(({ role, on, why }) => ({
    account: 'job' as const,
    role,
    on,
    why: role.endsWith('EncrypterViaDelegation') ? 'BigQuery wraps the keyset of a try on its behalf.' : why,
  })),
  {
    account: 'job',
    role: 'roles/bigquery.dataViewer',
    on: 'keysets table',
    why: 'Reads the keyset that the run began with.',
  },
  {
    account: 'job',
    role: 'roles/storage.objectViewer',
    on: "the stack's bucket",
    why: 'Reads its own file: Cloud Run mounts the bucket for it, read-only.',
  },
];

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
  ...JOB_GRANTS,
  ...only('dataproc', workflow('dataproc.serverlessEditor', 'project')),
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
  ...only('dataproc', workflow('storage.objectViewer', "the stack's bucket")),
  // BigQuery uses the key on the caller's behalf; the workflow itself cannot call KMS with it.
  ...workflow('cloudkms.cryptoKeyEncrypterViaDelegation', 'BigQuery key'),
  ...workflow('cloudkms.cryptoKeyDecrypterViaDelegation', 'BigQuery key'),
  ...only('dataproc', workflow('iam.serviceAccountUser', "the batch's account")),
  // Starts an execution with arguments of its own, and follows it: https://cloud.google.com/run/docs/execute/jobs
  ...only('bigquery', workflow('run.developer', 'Cloud Run job')),
  // Workflows takes no bindings of its own, so starting one is a role on the project.
  ...roles('schedule')('workflows.invoker', 'project'),
];

/**
 * What an account may do in a stack: a workflow that starts no batches needs no role for them.
 *
 * @example
 * accountGrants('workflow', ['bigquery']).some(({ engine }) => engine === 'dataproc'); // false
 */
export const accountGrants = (account: Account, engines: readonly EngineName[]): readonly AccountGrant[] =>
  ACCOUNT_GRANTS.filter(
    (grant) => grant.account === account && (grant.engine === undefined || engines.includes(grant.engine)),
  );
