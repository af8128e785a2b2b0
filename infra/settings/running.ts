import { z } from 'zod';
import { bucketName, containerImage, email, timeZone, whole } from '../../jobs/contract/settings/patterns.ts';
import { setting } from '../../jobs/contract/settings/setting.ts';
import { cron } from './cron.ts';

/** When runs start by themselves, and what they need of the project. */
export const runningSettings = {
  kmsQuotaPerMinute: setting(whole(60, 10_000_000).default(60_000), {
    description: "The project's quota of KMS cryptographic requests a minute, as its quota page says.",
    example: '60000',
  }),
  bundle: setting(z.string().min(1).default('jobs/spark/dist'), {
    description: 'The folder with the built-in application, made by `npm run bundle`.',
    example: 'jobs/spark/dist',
  }),
  jobImage: setting(containerImage.optional(), {
    description:
      'The image with Node.js 20.19 or later that the job of Cloud Run runs on; one of your own may be pinned by its digest.',
    example: 'us-central1-docker.pkg.dev/example-data/images/nodejs22:2026-11-01',
    absent: 'Google’s image of Node.js 22 in the region',
  }),
  schedule: setting(
    z
      .strictObject({
        cron: cron.default('0 3 * * *'),
        timeZone: timeZone.default('Etc/UTC'),
        paused: z.boolean({ error: 'must be true or false' }).default(false),
      })
      .prefault({}),
    {
      description: 'When Cloud Scheduler starts a run.',
      example: '{cron: "0 3 * * *", timeZone: Europe/Berlin, paused: false}',
    },
  ),
  composerDagBucket: setting(bucketName.optional(), {
    description: 'The bucket of a Cloud Composer environment: the stack puts the DAG into its dags folder.',
    example: 'us-central1-composer-1a2b3c4d-bucket',
    absent: 'no DAG',
  }),
  composerServiceAccount: setting(email.optional(), {
    description: "That environment's service account, which may then start the workflow.",
    example: 'composer@example-data.iam.gserviceaccount.com',
    absent: 'no binding',
  }),
};
