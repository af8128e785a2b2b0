/**
 * What Google's services say of a missing permission, and the role of docs/iam.md that holds it.
 * https://cloud.google.com/iam/docs/permission-error-messages
 */
const ROLES: Readonly<Record<string, string>> = {
  'bigquery.jobs.create': 'roles/bigquery.jobUser',
  'bigquery.readsessions.create': 'roles/bigquery.readSessionUser',
  'bigquery.routines.get': 'roles/bigquery.dataViewer',
  'bigquery.tables.get': 'roles/bigquery.dataViewer',
  'bigquery.tables.getData': 'roles/bigquery.dataViewer',
  'bigquery.tables.create': 'roles/bigquery.dataEditor',
  'bigquery.tables.update': 'roles/bigquery.dataEditor',
  'bigquery.tables.updateData': 'roles/bigquery.dataEditor',
  'cloudkms.cryptoKeyVersions.useToDecrypt': 'roles/cloudkms.cryptoKeyDecrypter',
  'cloudkms.cryptoKeyVersions.useToDecryptViaDelegation': 'roles/cloudkms.cryptoKeyDecrypterViaDelegation',
  'cloudkms.cryptoKeyVersions.useToEncryptViaDelegation': 'roles/cloudkms.cryptoKeyEncrypterViaDelegation',
  'dataproc.agents.create': 'roles/dataproc.worker',
  'dataproc.batches.create': 'roles/dataproc.serverlessEditor',
  'dataproc.batches.get': 'roles/dataproc.serverlessEditor',
  'dataproc.operations.cancel': 'roles/dataproc.serverlessEditor',
  'datacatalog.categories.fineGrainedGet': 'roles/datacatalog.categoryFineGrainedReader',
  'iam.serviceAccounts.actAs': 'roles/iam.serviceAccountUser',
  'run.executions.get': 'roles/run.developer',
  'run.jobs.run': 'roles/run.developer',
  'run.jobs.runWithOverrides': 'roles/run.developer',
  'storage.objects.create': 'roles/storage.objectAdmin',
  'storage.objects.get': 'roles/storage.objectViewer',
  'storage.objects.list': 'roles/storage.objectViewer',
  'workflows.executions.create': 'roles/workflows.invoker',
};

/** Each with the permission and the resource, in the words in which the services say them. */
const SENTENCES = [
  /Permission '?(?<permission>[\w.]+)'? denied on (?<resource>(?:table|dataset|routine|project) [^\s)]+)/,
  /Permission '?(?<permission>[\w.]+)'? denied on (?:resource )?'(?<resource>[^']+)'/,
  /does not have (?<permission>[\w.]+) permission in (?<resource>project [^\s]+?)\.?(?:\s|$)/,
  /does not have (?<permission>[\w.]+) access to the Google Cloud Storage (?<resource>(?:bucket|object)(?: [^\s]+?)?)\.?\s/,
];

/** What the job and the application say of Cloud KMS, whose own words they do not pass on. */
const KMS =
  /Cloud KMS (?:answered PERMISSION_DENIED for|denies this account the use of) (?<resource>projects\/\S+)/;

/**
 * What BigQuery says of a column with a policy tag. It names the tag by the names that people gave it and its taxonomy.
 * https://cloud.google.com/bigquery/docs/column-level-security
 */
const POLICY_TAG =
  /neither fine-grained reader nor masked get permission to get data protected by (?<resource>policy tag "[^"]+")/;

/** The permission that a message says is missing, and on what; null for any other message. */
export function deniedBy(message: string): { permission: string; resource: string } | null {
  for (const sentence of SENTENCES) {
    const { permission, resource } = sentence.exec(message)?.groups ?? {};
    if (permission !== undefined && resource !== undefined) return { permission, resource };
  }
  const tag = POLICY_TAG.exec(message)?.groups?.resource;
  if (tag !== undefined) return { permission: 'datacatalog.categories.fineGrainedGet', resource: tag };
  const { resource } = KMS.exec(message)?.groups ?? {};
  return resource === undefined ? null : { permission: 'cloudkms.cryptoKeyVersions.useToDecrypt', resource };
}

/** Who runs the command line. */
export const CALLER = 'the account that runs this command';

/** What to grant to whom, as a hint; null for a message that says nothing of a permission. */
export function grantHint(message: string, account: string): string | null {
  const denied = deniedBy(message);
  if (denied === null) return null;
  const role = ROLES[denied.permission] ?? `a role with ${denied.permission}`;
  return `grant ${role} on ${denied.resource} to ${account}; docs/iam.md lists what each account needs`;
}
