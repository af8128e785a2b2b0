import { z } from 'zod';
import {
  bucketName,
  className,
  email,
  folder,
  gsUri,
  identifier,
  projectId,
  region,
  subnetworkName,
  whole,
} from './patterns.ts';
import { setting } from './setting.ts';

/**
 * Runtimes that Google supports and this product was built for; 2.3 is the long-term one, to 2027-11-26,
 * 3.0 ends 2027-01-31. https://cloud.google.com/dataproc-serverless/docs/concepts/versions
 */
export const RUNTIMES = ['2.3', '3.0'] as const;

/** The variables of the Composer DAG that this program replaces, one setting each. */
export const seedSettings = {
  jarFile: setting(gsUri('jar').optional(), {
    description: 'A jar of your own that the batch runs in place of the built-in application.',
    example: 'gs://my-artifacts/reencrypt-1.4.jar',
    absent: 'the built-in application',
    seed: 'dataproc_bigquery_jar_file',
  }),
  mainClass: setting(className.optional(), {
    description: 'The main class of that jar.',
    example: 'com.example.Reencrypt',
    absent: 'the built-in application',
    seed: 'dataproc_bigquery_jar_main_class',
  }),
  project: setting(projectId, {
    description: 'The Google Cloud project that everything is created in.',
    example: 'example-data-dev',
    seed: 'dataproc_bigquery_project_id',
  }),
  bucket: setting(bucketName.optional(), {
    description: "The bucket to create for the application and the batches' temporary files.",
    example: 'example-data-dev-reseal',
    absent: '`<project>-reseal-<stack>`',
    seed: 'dataproc_bucket_name',
  }),
  tempFolder: setting(folder.default('temp'), {
    description: 'The folder of the bucket for temporary files.',
    example: 'temp',
  }),
  location: setting(region.default('us-central1'), {
    description: 'The one region of dataset, batches, bucket, keys, workflow and subnetwork.',
    example: 'us-central1',
    seed: 'dataproc_bigquery_location',
  }),
  dataset: setting(identifier.default('encryption_poc'), {
    description: 'The BigQuery dataset to create.',
    example: 'encryption_poc',
    seed: 'dataproc_bigquery_dataset_id',
  }),
  sourceTable: setting(identifier.default('users'), {
    description: 'The table whose values are re-encrypted.',
    example: 'users',
    seed: 'dataproc_bigquery_source_table',
  }),
  destinationTable: setting(identifier.default('users_temp'), {
    description: 'The staging table that batches write to before the merge.',
    example: 'users_temp',
    seed: 'dataproc_bigquery_destination_table',
  }),
  readLimitRows: setting(whole(1, Number.MAX_SAFE_INTEGER).optional(), {
    description: 'At most so many rows a run, the lowest ids first.',
    example: '100000',
    absent: 'no limit',
    seed: 'dataproc_bigquery_read_limits',
  }),
  serviceAccount: setting(email.optional(), {
    description: 'An existing service account for the batches; it gets the bindings of docs/iam.md.',
    example: 'batches@example-data-dev.iam.gserviceaccount.com',
    absent: 'one is created',
    seed: 'dataproc_bigquery_service_account',
  }),
  subnetwork: setting(subnetworkName.optional(), {
    description: 'An existing subnetwork with Private Google Access for the batches.',
    example: 'projects/example-net/regions/us-central1/subnetworks/batches',
    absent: 'one is created',
    seed: 'dataproc_bigquery_subnet',
  }),
  runtimeVersion: setting(
    z.enum(RUNTIMES, { error: `must be a supported runtime: ${RUNTIMES.join(' or ')}` }).default('2.3'),
    {
      description: 'The runtime of the Serverless Spark batches.',
      example: '2.3',
      seed: 'dataproc_runtime_version',
    },
  ),
};
