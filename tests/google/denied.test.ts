import { expect, it } from 'vitest';
import { deniedBy, grantHint } from '../../jobs/google/denied.ts';

it.each([
  [
    'Access Denied: Table p:d.t: Permission bigquery.tables.getData denied on table p:d.t (or it may not exist).',
    'bigquery.tables.getData',
    'table p:d.t',
    'roles/bigquery.dataViewer',
  ],
  [
    'Access Denied: Project p: User does not have bigquery.jobs.create permission in project p.',
    'bigquery.jobs.create',
    'project p',
    'roles/bigquery.jobUser',
  ],
  [
    "KEYS.KEYSET_CHAIN failed: Permission 'cloudkms.cryptoKeyVersions.useToDecryptViaDelegation' denied on resource 'projects/p/k' (or it may not exist).",
    'cloudkms.cryptoKeyVersions.useToDecryptViaDelegation',
    'projects/p/k',
    'roles/cloudkms.cryptoKeyDecrypterViaDelegation',
  ],
  [
    'a@b does not have storage.objects.get access to the Google Cloud Storage object. Permission denied',
    'storage.objects.get',
    'object',
    'roles/storage.objectViewer',
  ],
  [
    'a@b does not have storage.objects.create access to the Google Cloud Storage bucket my-bucket. Permission',
    'storage.objects.create',
    'bucket my-bucket',
    'roles/storage.objectAdmin',
  ],
  [
    'Access Denied: BigQuery BigQuery: User has neither fine-grained reader nor masked get permission to get data protected by policy tag "pii : email" on column d.t.decrypted_email.',
    'datacatalog.categories.fineGrainedGet',
    'policy tag "pii : email"',
    'roles/datacatalog.categoryFineGrainedReader',
  ],
  [
    'Cloud KMS answered PERMISSION_DENIED for projects/p/cryptoKeys/k',
    'cloudkms.cryptoKeyVersions.useToDecrypt',
    'projects/p/cryptoKeys/k',
    'roles/cloudkms.cryptoKeyDecrypter',
  ],
])('%s', (message, permission, resource, role) => {
  expect(deniedBy(message)).toEqual({ permission, resource });
  expect(grantHint(message, 'an account')).toContain(`grant ${role} on ${resource} to an account;`);
});

it('names the permission where no role of this product has it, and says nothing of other failures', () => {
  const unknown = "Permission 'a.b.c' denied on resource 'x' (or it may not exist).";
  expect(grantHint(unknown, 'an account')).toContain('grant a role with a.b.c on x');
  expect(grantHint('Not found: Table p:d.t', 'an account')).toBeNull();
});
