import type { Deployment } from './deployment.ts';

/**
 * What the person, or the account, that starts runs by hand must be granted. The one table: docs/iam.md shows it,
 * and the sandbox's job has exactly these roles.
 */
export interface Grant {
  readonly role: string;
  readonly on: GrantTarget;
  /** What it takes part in: any run by hand, only one with an engine, or no run at all. */
  readonly when:
    | 'every run'
    | '--engine direct or bigquery'
    | '--engine dataproc'
    | '--via workflow'
    | 'a policy tag'
    | 'reseal shred'
    | 'reseal doctor'
    | 'reseal sample';
  readonly why: string;
  /** Those of the role's permissions that a run uses: `reseal doctor` asks for them. */
  readonly permissions: readonly string[];
  /** A run ends well without it. */
  readonly optional?: true;
}

/** In docs/iam.md these stand as they are written here. */
const GRANT_TARGETS = [
  'project',
  "the batch's account",
  'source table',
  'staging table',
  'rejected table',
  'shredded table',
  'keysets table',
  'data keys table',
  'runs table',
  'read dataset',
  "the stack's bucket",
  'source key',
  'BigQuery key',
  'Cloud Run job',
  'policy tag',
] as const;
export type GrantTarget = (typeof GRANT_TARGETS)[number];

/** What a grant stands on in a stack, in the parts by which Google's methods name it. */
export type GrantResource =
  | { readonly kind: 'project'; readonly project: string }
  | { readonly kind: 'dataset'; readonly project: string; readonly dataset: string }
  | { readonly kind: 'table'; readonly project: string; readonly dataset: string; readonly table: string }
  /** A CryptoKey's resource name. */
  | { readonly kind: 'key'; readonly name: string }
  | { readonly kind: 'bucket'; readonly bucket: string }
  | { readonly kind: 'account'; readonly email: string }
  /** A job's resource name. */
  | { readonly kind: 'cloud run job'; readonly name: string };

/**
 * The resource of a grant in a stack; null for a policy tag, which is no part of a deployment (the tables carry it), and
 * for an account of batches or a job of Cloud Run where the stack has none.
 *
 * @example
 * grantResource(deployment, 'source key'); // { kind: 'key', name: 'projects/…' }
 */
export function grantResource(d: Deployment, on: GrantTarget): GrantResource | null {
  const { project, dataset, tables } = d;
  const { serviceAccount: email } = d.batch;
  const table = (id: string): GrantResource => ({ kind: 'table', project, dataset, table: id });
  const resources: Readonly<Record<GrantTarget, GrantResource | null>> = {
    project: { kind: 'project', project },
    "the batch's account": email === null ? null : { kind: 'account', email },
    'source table': table(tables.source),
    'staging table': table(tables.staging),
    'rejected table': table(tables.rejected),
    'shredded table': table(tables.shredded),
    'keysets table': table(tables.keysets),
    'data keys table': table(tables.dataKeys),
    'runs table': table(tables.runs),
    'read dataset': { kind: 'dataset', project, dataset: d.readDataset },
    "the stack's bucket": { kind: 'bucket', bucket: d.bucket },
    'source key': { kind: 'key', name: d.sourceKek },
    'BigQuery key': { kind: 'key', name: d.bigqueryKek },
    'Cloud Run job': d.cloudRunJob === null ? null : { kind: 'cloud run job', name: d.cloudRunJob },
    'policy tag': null,
  };
  return resources[on];
}

/**
 * The engines that a grant is for; null for one that is not for engines.
 *
 * @example
 * enginesOf('--engine direct or bigquery'); // ['direct', 'bigquery']
 */
export const enginesOf = (when: Grant['when']): readonly string[] | null =>
  when.startsWith('--engine ') ? when.replace('--engine ', '').split(' or ') : null;

const editor = (on: GrantTarget, why: string): Grant => ({
  role: 'roles/bigquery.dataEditor',
  on,
  when: 'every run',
  why,
  permissions: ['bigquery.tables.get', 'bigquery.tables.getData', 'bigquery.tables.updateData'],
});

const keyViewer = (on: GrantTarget): Grant => ({
  role: 'roles/cloudkms.viewer',
  on,
  when: 'reseal doctor',
  why: "Sees whether the key's primary version is enabled. No run needs it.",
  permissions: ['cloudkms.cryptoKeys.get'],
  optional: true,
});

export const JOB_USER_GRANTS: readonly Grant[] = [
  {
    role: 'roles/bigquery.jobUser',
    on: 'project',
    when: 'every run',
    why: 'Runs statements and load jobs.',
    permissions: ['bigquery.jobs.create'],
  },
  editor('source table', 'Selects rows; the merge writes them.'),
  editor('staging table', 'Loads, verifies, merges and removes staged rows.'),
  editor('rejected table', 'Selects by them; the merge adds to them.'),
  editor('keysets table', 'Reads the keyset; the first run makes it.'),
  editor('data keys table', 'The engine inside BigQuery has its keys there; every merge clears them.'),
  editor('runs table', 'The ledger.'),
  {
    role: 'roles/bigquery.dataEditor',
    on: 'read dataset',
    when: 'every run',
    why: 'Makes the view that analysts query, and replaces it with each version of the keyset.',
    permissions: ['bigquery.tables.create', 'bigquery.tables.update'],
  },
  {
    role: 'roles/cloudkms.cryptoKeyEncrypterViaDelegation',
    on: 'BigQuery key',
    when: 'every run',
    why: "BigQuery wraps the first keyset on the caller's behalf.",
    permissions: ['cloudkms.cryptoKeyVersions.useToEncryptViaDelegation'],
  },
  {
    role: 'roles/cloudkms.cryptoKeyDecrypterViaDelegation',
    on: 'BigQuery key',
    when: 'every run',
    why: "BigQuery proves the staged values on the caller's behalf, and reads them back.",
    permissions: ['cloudkms.cryptoKeyVersions.useToDecryptViaDelegation'],
  },
  {
    role: 'roles/cloudkms.cryptoKeyDecrypter',
    on: 'source key',
    when: '--engine direct or bigquery',
    why: 'The job unwraps data keys itself.',
    permissions: ['cloudkms.cryptoKeyVersions.useToDecrypt'],
  },
  {
    role: 'roles/cloudkms.cryptoKeyDecrypter',
    on: 'BigQuery key',
    when: '--engine direct or bigquery',
    why: 'The job unwraps the first-level keyset itself; for the engine inside BigQuery the one that its data keys are sealed with.',
    permissions: ['cloudkms.cryptoKeyVersions.useToDecrypt'],
  },
  {
    role: 'roles/cloudkms.cryptoKeyEncrypter',
    on: 'source key',
    when: 'reseal sample',
    why: 'Wraps a dozen data keys for made-up users. Whoever starts runs only does without.',
    permissions: ['cloudkms.cryptoKeyVersions.useToEncrypt'],
  },
  {
    role: 'roles/dataproc.serverlessEditor',
    on: 'project',
    when: '--engine dataproc',
    why: 'Creates, follows and cancels the batch.',
    permissions: ['dataproc.batches.create', 'dataproc.batches.get', 'dataproc.operations.cancel'],
  },
  {
    role: 'roles/iam.serviceAccountUser',
    on: "the batch's account",
    when: '--engine dataproc',
    why: 'The batch runs as that account.',
    permissions: ['iam.serviceAccounts.actAs'],
  },
  {
    role: 'roles/storage.objectViewer',
    on: "the stack's bucket",
    when: '--engine dataproc',
    why: "Reads what the batch's driver printed: progress, KMS calls and the application's own errors. Without it a run ends well all the same.",
    permissions: ['storage.objects.get'],
    optional: true,
  },
  {
    role: 'roles/workflows.invoker',
    on: 'project',
    when: '--via workflow',
    why: 'Starts, follows and cancels the execution.',
    permissions: ['workflows.executions.create', 'workflows.executions.get', 'workflows.executions.cancel'],
  },
  {
    role: 'roles/bigquery.dataEditor',
    on: 'shredded table',
    when: 'reseal shred',
    why: 'An entry for each value that is shredded. No run needs it.',
    permissions: ['bigquery.tables.getData', 'bigquery.tables.updateData'],
    optional: true,
  },
  keyViewer('source key'),
  keyViewer('BigQuery key'),
  {
    role: 'roles/serviceusage.serviceUsageViewer',
    on: 'project',
    when: 'reseal doctor',
    why: 'Sees which APIs are on and how large the quotas are. No run needs it.',
    permissions: ['serviceusage.services.get', 'serviceusage.quotas.get'],
    optional: true,
  },
  {
    role: 'roles/iam.securityReviewer',
    on: 'project',
    when: 'reseal doctor',
    why: 'Sees whether the accounts of batch, job, workflow and schedule have their roles. It shows every policy of the project; without it those lines are left open. No run needs it.',
    permissions: ['resourcemanager.projects.getIamPolicy'],
    optional: true,
  },
  {
    role: 'roles/datacatalog.categoryFineGrainedReader',
    on: 'policy tag',
    when: 'a policy tag',
    why: 'With `reseal:columnPolicyTag` only: the plan counts, and the merge and `reseal shred` clear, by what stands in the plaintext column.',
    permissions: ['datacatalog.categories.fineGrainedGet'],
  },
];
