import { type Deployment, defaultsOf, unauthenticatedIn } from '../../jobs/contract/deployment.ts';
import type { Field } from '../../jobs/contract/fields.ts';
import { batchSettings } from '../../jobs/contract/settings/batch-settings.ts';
import { runSettings } from '../../jobs/contract/settings/run-settings.ts';

export const EMAIL: Field = {
  name: 'email',
  cipherText: 'cipher_text',
  dek: 'dek',
  plaintext: 'decrypted_email',
  key: 'bq_encryption_key',
  sealed: 'bq_encrypted_email',
  resealedAt: 'resealed_at',
  resealedFrom: 'resealed_from',
  valuePattern: null,
};
/** A second value of a row, under the same data key, its names reserved words where that is possible. */
export const PHONE: Field = {
  name: 'select',
  cipherText: 'group',
  dek: 'dek',
  plaintext: 'order',
  key: 'from',
  sealed: 'where',
  resealedAt: 'merge_time',
  resealedFrom: 'rows_merged',
  valuePattern: null,
};

/** The outputs of a stack that exists nowhere. */
export function aDeployment(given: Partial<Deployment> = {}): Deployment {
  return {
    ...defaultsOf(runSettings),
    stack: 'test',
    project: 'a-project',
    bucket: 'a-bucket',
    dataset: 'encryption_poc',
    tables: {
      source: 'users',
      staging: 'users_temp',
      rejected: 'users_rejected',
      shredded: 'users_shredded',
      dataKeys: 'data_keys',
      keysets: 'keysets',
      runs: 'runs',
    },
    partitionColumn: null,
    readDataset: 'encryption_poc_read',
    readProcedure: 'read_users',
    readView: 'users',
    fields: [EMAIL],
    unauthenticated: unauthenticatedIn('test', given.sourceFormat ?? 'gcm'),
    sourceKek: 'projects/a-project/locations/us-central1/keyRings/ring/cryptoKeys/source',
    bigqueryKek: 'projects/a-project/locations/us-central1/keyRings/ring/cryptoKeys/bigquery',
    batch: {
      ...defaultsOf(batchSettings),
      serviceAccount: 'batch@a-project.iam.gserviceaccount.com',
      subnetwork: 'projects/a-project/regions/us-central1/subnetworks/a-subnetwork',
      application: {
        main: 'gs://a-bucket/application/main.py',
        package: 'gs://a-bucket/application/reseal.zip',
        wheels: 'gs://a-bucket/application/wheels.tar.gz',
      },
      labels: { environment: 'test' },
    },
    workflow: null,
    cloudRunJob: null,
    ...given,
  };
}
