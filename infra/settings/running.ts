import { z } from 'zod';
import { ENGINES } from '../../jobs/contract/deployment.ts';
import { bucketName, cron, email, whole } from './patterns.ts';
import { setting } from './setting.ts';

/** How a run goes, and when. */
export const runningSettings = {
  engines: setting(
    z
      .array(z.enum(ENGINES, { error: `must name ${ENGINES.join(' or ')}` }), {
        error: 'must be a list of engines',
      })
      .min(1, { error: 'must allow at least one engine' })
      .default(['direct', 'dataproc']),
    {
      description: 'The engines that may run: direct (this process), dataproc (a batch).',
      example: '[dataproc]',
    },
  ),
  directMaxRows: setting(whole(0, 10_000_000).default(100_000), {
    description: 'Up to so many selected rows the engine `auto` takes direct, where it is allowed.',
    example: '100000',
  }),
  verifyRows: setting(whole(0, Number.MAX_SAFE_INTEGER).default(50_000), {
    description: 'At most so many staged rows are decrypted by BigQuery before the merge.',
    example: '50000',
  }),
  maxExecutors: setting(whole(2, 2000).default(8), {
    description: 'The most executors of a batch; Dataproc’s own default is 1000.',
    example: '8',
  }),
  ttlMinutes: setting(whole(10, 20_160).default(240), {
    description: 'A batch is ended after so many minutes.',
    example: '240',
  }),
  kmsCallsPerSecond: setting(whole(1, 100_000).default(500), {
    description: 'The most KMS Decrypt calls a second of a whole run.',
    example: '500',
  }),
  kmsQuotaPerMinute: setting(whole(60, 10_000_000).default(60_000), {
    description: "The project's quota of KMS cryptographic requests a minute, as its quota page says.",
    example: '60000',
  }),
  bundle: setting(z.string().min(1).default('jobs/spark/dist'), {
    description: 'The folder with the built-in application, made by `npm run bundle`.',
    example: 'jobs/spark/dist',
  }),
  schedule: setting(
    z
      .strictObject({
        cron: cron.default('0 3 * * *'),
        timeZone: z.string().min(1).default('Etc/UTC'),
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
