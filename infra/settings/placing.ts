import { bucketName, email, flag, policyTag, subnetworkName } from '../../jobs/contract/settings/patterns.ts';
import { setting } from '../../jobs/contract/settings/setting.ts';

/** What is created, and what exists already and is used in its place. */
export const placingSettings = {
  bucket: setting(bucketName.optional(), {
    description: "The bucket to create for the application and the batches' temporary files.",
    example: 'example-data-dev-reseal',
    absent: '`<project>-reseal-<stack>`',
    seed: 'dataproc_bucket_name',
  }),
  createSourceTable: setting(flag.default(true), {
    description: 'Whether to create dataset and source table; false when the application has both already.',
    example: 'false',
  }),
  columnPolicyTag: setting(policyTag.optional(), {
    description: 'A policy tag for the plaintext columns; required in production where they are filled.',
    example: 'projects/example-data/locations/us-central1/taxonomies/123/policyTags/456',
    absent: 'no tag',
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
};
