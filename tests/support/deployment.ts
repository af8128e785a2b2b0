import type { Deployment } from '../../jobs/contract/deployment.ts';
import type { Field } from '../../jobs/contract/fields.ts';

export const EMAIL: Field = {
  name: 'email',
  cipherText: 'cipher_text',
  dek: 'dek',
  plaintext: 'decrypted_email',
  key: 'bq_encryption_key',
  sealed: 'bq_encrypted_email',
  resealedAt: 'resealed_at',
  resealedFrom: 'resealed_from',
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
};

/** The outputs of a stack that exists nowhere. */
export function aDeployment(given: Partial<Deployment> = {}): Deployment {
  return {
    stack: 'test',
    project: 'a-project',
    location: 'us-central1',
    bucket: 'a-bucket',
    tempFolder: 'temp',
    dataset: 'encryption_poc',
    tables: {
      source: 'users',
      staging: 'users_temp',
      rejected: 'users_rejected',
      keysets: 'keysets',
      runs: 'runs',
    },
    readDataset: 'encryption_poc_read',
    readProcedure: 'read_users',
    idColumn: 'id',
    fields: [EMAIL],
    sourceFormat: 'gcm',
    keying: 'row',
    storePlaintext: false,
    readLimitRows: null,
    sourceKek: 'projects/a-project/locations/us-central1/keyRings/ring/cryptoKeys/source',
    bigqueryKek: 'projects/a-project/locations/us-central1/keyRings/ring/cryptoKeys/bigquery',
    engines: ['direct', 'dataproc'],
    directMaxRows: 100_000,
    maxRejectedShare: 0.05,
    verifyRows: 50_000,
    batch: {
      runtimeVersion: '2.3',
      serviceAccount: 'batch@a-project.iam.gserviceaccount.com',
      subnetwork: 'projects/a-project/regions/us-central1/subnetworks/a-subnetwork',
      application: {
        main: 'gs://a-bucket/application/main.py',
        package: 'gs://a-bucket/application/reseal.zip',
        wheels: 'gs://a-bucket/application/wheels.tar.gz',
      },
      jarFile: null,
      mainClass: null,
      maxExecutors: 8,
      ttlMinutes: 240,
      kmsCallsPerSecond: 500,
      labels: { environment: 'test' },
    },
    workflow: null,
    ...given,
  };
}
