/**
 * Google's predefined roles that the program grants or docs/iam.md tells people to grant, each with those of its
 * permissions that the sandbox asks for. From the MIT-licensed list https://github.com/iann0036/iam-dataset
 * (gcp/role_permissions.json, 2026-08-22), which is read from Google's own
 * https://cloud.google.com/iam/docs/roles-permissions.
 */
const PREDEFINED: Readonly<Record<string, readonly string[]>> = {
  'roles/dataproc.worker': [
    'storage.buckets.get',
    'storage.objects.get',
    'storage.objects.list',
    'storage.objects.create',
    'storage.objects.delete',
    'dataproc.agents.create',
    'logging.logEntries.create',
  ],
  'roles/dataproc.serverlessEditor': [
    'dataproc.batches.create',
    'dataproc.batches.get',
    'dataproc.batches.list',
    'dataproc.batches.delete',
    'dataproc.operations.get',
    'dataproc.operations.cancel',
    'resourcemanager.projects.get',
  ],
  'roles/bigquery.readSessionUser': [
    'bigquery.readsessions.create',
    'bigquery.readsessions.getData',
    'resourcemanager.projects.get',
  ],
  'roles/bigquery.jobUser': ['bigquery.jobs.create', 'resourcemanager.projects.get'],
  'roles/bigquery.dataViewer': [
    'bigquery.tables.get',
    'bigquery.tables.getData',
    'bigquery.tables.list',
    'bigquery.datasets.get',
    'bigquery.routines.get',
    'bigquery.routines.list',
    'resourcemanager.projects.get',
  ],
  'roles/bigquery.dataEditor': [
    'bigquery.tables.get',
    'bigquery.tables.getData',
    'bigquery.tables.updateData',
    'bigquery.tables.create',
    'bigquery.tables.delete',
    'bigquery.tables.update',
    'bigquery.tables.list',
    'bigquery.datasets.get',
    'bigquery.datasets.create',
    'bigquery.routines.get',
    'bigquery.routines.list',
    'bigquery.routines.create',
    'bigquery.routines.update',
    'bigquery.routines.delete',
    'resourcemanager.projects.get',
  ],
  'roles/bigquery.routineDataViewer': [
    'bigquery.tables.get',
    'bigquery.tables.getData',
    'bigquery.tables.list',
    'bigquery.datasets.get',
    'bigquery.routines.get',
    'bigquery.routines.list',
  ],
  'roles/cloudkms.viewer': [
    'cloudkms.keyRings.get',
    'cloudkms.keyRings.list',
    'cloudkms.cryptoKeys.get',
    'cloudkms.cryptoKeys.list',
    'cloudkms.cryptoKeyVersions.get',
    'cloudkms.cryptoKeyVersions.list',
    'resourcemanager.projects.get',
  ],
  'roles/cloudkms.cryptoKeyDecrypter': [
    'cloudkms.cryptoKeyVersions.useToDecrypt',
    'resourcemanager.projects.get',
  ],
  'roles/cloudkms.cryptoKeyEncrypter': [
    'cloudkms.cryptoKeyVersions.useToEncrypt',
    'cloudkms.locations.get',
    'cloudkms.locations.list',
    'resourcemanager.projects.get',
  ],
  'roles/cloudkms.cryptoKeyEncrypterDecrypter': [
    'cloudkms.cryptoKeyVersions.useToDecrypt',
    'cloudkms.cryptoKeyVersions.useToEncrypt',
    'resourcemanager.projects.get',
  ],
  'roles/cloudkms.cryptoKeyEncrypterViaDelegation': [
    'cloudkms.cryptoKeyVersions.useToEncryptViaDelegation',
    'resourcemanager.projects.get',
  ],
  'roles/cloudkms.cryptoKeyDecrypterViaDelegation': [
    'cloudkms.cryptoKeyVersions.useToDecryptViaDelegation',
    'resourcemanager.projects.get',
  ],
  'roles/storage.objectAdmin': [
    'storage.objects.get',
    'storage.objects.list',
    'storage.objects.create',
    'storage.objects.delete',
    'resourcemanager.projects.get',
  ],
  'roles/storage.objectViewer': [
    'storage.objects.get',
    'storage.objects.list',
    'resourcemanager.projects.get',
  ],
  'roles/workflows.invoker': [
    'workflows.executions.create',
    'workflows.executions.get',
    'workflows.executions.cancel',
    'resourcemanager.projects.get',
  ],
  'roles/run.developer': [
    'run.jobs.create',
    'run.jobs.delete',
    'run.jobs.get',
    'run.jobs.getIamPolicy',
    'run.jobs.list',
    'run.jobs.run',
    'run.jobs.runWithOverrides',
    'run.jobs.update',
    'run.executions.cancel',
    'run.executions.get',
    'run.executions.list',
    'run.operations.get',
    'resourcemanager.projects.get',
  ],
  'roles/run.invoker': ['run.jobs.run'],
  'roles/serviceusage.serviceUsageViewer': [
    'serviceusage.quotas.get',
    'serviceusage.services.get',
    'serviceusage.services.list',
    'resourcemanager.projects.get',
  ],
  'roles/iam.securityReviewer': [
    'bigquery.datasets.getIamPolicy',
    'bigquery.routines.list',
    'bigquery.tables.getIamPolicy',
    'bigquery.tables.list',
    'cloudkms.cryptoKeys.getIamPolicy',
    'cloudkms.cryptoKeys.list',
    'cloudkms.keyRings.list',
    'dataproc.batches.list',
    'iam.serviceAccounts.getIamPolicy',
    'resourcemanager.projects.getIamPolicy',
    'run.executions.list',
    'run.jobs.getIamPolicy',
    'run.jobs.list',
    'serviceusage.services.list',
    'storage.buckets.getIamPolicy',
    'storage.buckets.list',
    'storage.objects.list',
  ],
  'roles/logging.logWriter': ['logging.logEntries.create'],
  'roles/iam.serviceAccountUser': ['iam.serviceAccounts.actAs', 'resourcemanager.projects.get'],
  'roles/datacatalog.categoryFineGrainedReader': ['datacatalog.categories.fineGrainedGet'],
};

/**
 * What a routine that a dataset authorises may do there where the entry names no role: it has DDL and DML.
 * https://cloud.google.com/bigquery/docs/authorized-routines
 */
export const AUTHORIZED_ROUTINE = 'authorized routine';

const ROUTINE = [
  'bigquery.datasets.get',
  'bigquery.tables.create',
  'bigquery.tables.delete',
  'bigquery.tables.get',
  'bigquery.tables.getData',
  'bigquery.tables.list',
  'bigquery.tables.update',
  'bigquery.tables.updateData',
];

/** Whether a role holds a permission. @throws Error for a role that this table does not know */
export function holds(role: string, permission: string): boolean {
  if (role === AUTHORIZED_ROUTINE) return ROUTINE.includes(permission);
  const permissions = PREDEFINED[role];
  if (permissions === undefined) throw new Error(`sandbox/iam/roles.ts does not know the role ${role}`);
  return permissions.includes(permission);
}

export const isKnown = (role: string): boolean => role === AUTHORIZED_ROUTINE || role in PREDEFINED;
