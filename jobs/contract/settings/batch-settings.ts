import { z } from 'zod';
import { className, connectorVersion, gsUri, whole } from './patterns.ts';
import { setting } from './setting.ts';

/**
 * Runtimes that Google supports and this product was built for: 2.3 is the long-term one, to 2027-11-26.
 * https://cloud.google.com/dataproc-serverless/docs/concepts/versions
 */
export const RUNTIMES = ['2.3'] as const;

/**
 * Why no newer one. 3.0 makes its nodes through the API dataprocrm, takes no staging bucket and runs as the person who
 * creates the batch unless authenticationConfig says otherwise; the batch of this product has none of that.
 */
const NEWER =
  '3.0 has no staging bucket, another API for its nodes and another Python than the bundle, and nothing here has been tried on it';

/**
 * The BigQuery connector that the tests run the application through (tools/python/jars.xml), and batches, too. A
 * runtime brings one of its own, which changes with the runtime's minor versions.
 * https://cloud.google.com/dataproc-serverless/docs/guides/bigquery-connector-spark-example
 */
export const CONNECTOR = '0.42.1';

/** The settings of a Dataproc batch, which reach it under these names. */
export const batchSettings = {
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
  runtimeVersion: setting(
    z
      .enum(RUNTIMES, { error: `must be a runtime that is taken: ${RUNTIMES.join(' or ')}; ${NEWER}` })
      .default('2.3'),
    {
      description: 'The runtime of the Serverless Spark batches.',
      example: '2.3',
      seed: 'dataproc_runtime_version',
    },
  ),
  bigqueryConnectorVersion: setting(connectorVersion.default(CONNECTOR), {
    description:
      'The version of the Spark BigQuery connector in the batches (`dataproc.sparkBqConnector.version`); the default is the one that the tests run through.',
    example: CONNECTOR,
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
  labels: setting(
    z
      .record(
        z.string().regex(/^[a-z][a-z0-9_-]{0,62}$/, { error: 'must start with a lower-case letter' }),
        z.string({ error: 'must be text' }).regex(/^[a-z0-9_-]{0,63}$/, {
          error: 'must be lower-case letters, digits, underscores and hyphens',
        }),
      )
      .default({}),
    { description: 'Labels for everything that takes labels, batches too.', example: '{team: crm}' },
  ),
};
