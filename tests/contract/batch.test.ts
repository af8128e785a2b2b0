import { readFileSync } from 'node:fs';
import { protos } from '@google-cloud/dataproc';
import { describe, expect, it } from 'vitest';
import { type BatchRun, batchBody } from '../../jobs/contract/batch.ts';
import { defaultsOf } from '../../jobs/contract/deployment.ts';
import { batchSettings } from '../../jobs/contract/settings/batch-settings.ts';
import { clientBatch } from '../../jobs/engines/dataproc/batches.ts';
import { aDeployment, EMAIL } from '../support/deployment.ts';

const { Batch } = protos.google.cloud.dataproc.v1;
const run: BatchRun = {
  attempt: 'reseal-pr-123',
  runId: 'a-run',
  mode: 'pending',
  snapshotMillis: '1700000000000',
  idFrom: '-9223372036854775808',
  idCutoff: '9223372036854775807',
  wave: '0',
  waves: '1',
  keysetVersion: '1',
  kmsKey: 'projects/a-project/locations/us-central1/keyRings/ring/cryptoKeys/bigquery',
  limit: '0',
};
const seed = [
  '--project-id=a-project',
  '--bigquery-location=us-central1',
  '--dataset-id=encryption_poc',
  '--source-table=users',
  '--destination-table=users_temp',
  '--google-cloud-bucket=gs://a-bucket/temp',
];
const around = {
  runtimeConfig: {
    version: '2.3',
    properties: {
      'dataproc.sparkBqConnector.version': '0.42.1',
      'spark.dynamicAllocation.maxExecutors': '8',
      'spark.ui.showConsoleProgress': 'false',
    },
  },
  environmentConfig: {
    executionConfig: {
      serviceAccount: 'batch@a-project.iam.gserviceaccount.com',
      subnetworkUri: 'projects/a-project/regions/us-central1/subnetworks/a-subnetwork',
      stagingBucket: 'a-bucket',
      ttl: '14400s',
    },
  },
  labels: { environment: 'test', 'reseal-run': 'a-run' },
};
const withJar = {
  ...aDeployment().batch,
  jarFile: 'gs://a-bucket/kms-utils-1.1.jar',
  mainClass: 'com.example.Application',
};

it('has the connector that the tests of the sandbox run the application through', () => {
  const [, rev] =
    /name="spark-[\d.]+-bigquery" rev="([\d.]+)"/.exec(readFileSync('tools/python/jars.xml', 'utf8')) ?? [];
  expect(defaultsOf(batchSettings).bigqueryConnectorVersion).toBe(rev);
  const batch = { ...aDeployment().batch, bigqueryConnectorVersion: '0.43.0' };
  expect(batchBody(aDeployment({ batch }), run).runtimeConfig.properties).toMatchObject({
    'dataproc.sparkBqConnector.version': '0.43.0',
  });
});

describe('the batch body', () => {
  it('is this, for the built-in application', () => {
    expect(batchBody(aDeployment(), run)).toEqual({
      pysparkBatch: {
        mainPythonFileUri: 'gs://a-bucket/application/main.py',
        pythonFileUris: ['gs://a-bucket/application/reseal.zip'],
        archiveUris: ['gs://a-bucket/application/wheels.tar.gz#wheels'],
        args: [
          ...seed,
          '--read-limit-rows=0',
          '--run-id=a-run',
          '--attempt=reseal-pr-123',
          '--snapshot-millis=1700000000000',
          '--mode=pending',
          '--id-from=-9223372036854775808',
          '--id-cutoff=9223372036854775807',
          '--wave=0',
          '--waves=1',
          '--id-column=id',
          '--id-type=INT64',
          `--fields=${JSON.stringify([EMAIL])}`,
          '--rejected-table=users_rejected',
          '--keysets-table=keysets',
          '--runs-table=runs',
          '--keyset-version=1',
          '--source-format=gcm',
          '--unauthenticated=reject',
          '--keying=row',
          '--store-plaintext=false',
          '--source-kek=projects/a-project/locations/us-central1/keyRings/ring/cryptoKeys/source',
          '--bigquery-kek=projects/a-project/locations/us-central1/keyRings/ring/cryptoKeys/bigquery',
          '--kms-calls-per-second=500',
          '--storage=bigquery',
        ],
      },
      ...around,
    });
  });

  it('names the partition column where the stack does', () => {
    const { pysparkBatch } = batchBody(aDeployment({ partitionColumn: 'created_on' }), run);
    expect(pysparkBatch?.args).toContain('--partition-column=created_on');
  });

  it("is this, for a jar of the user's own: the seed's arguments and nothing else", () => {
    expect(batchBody(aDeployment({ batch: withJar }), { ...run, limit: '2' })).toEqual({
      sparkBatch: {
        mainClass: 'com.example.Application',
        jarFileUris: ['gs://a-bucket/kms-utils-1.1.jar'],
        args: [...seed, '--read-limit-rows=2'],
      },
      ...around,
    });
  });

  it.each([aDeployment(), aDeployment({ batch: withJar })])(
    'has only fields that the API knows, of its types',
    (d) => {
      const batch = clientBatch(batchBody(d, run));
      expect(Batch.verify(batch)).toBeNull();
      // What the library does not know it drops; what it reads otherwise comes back otherwise.
      const known = Batch.toObject(Batch.fromObject(batch), { longs: Number });
      expect(known).toEqual(batch);
    },
  );

  it('is not made without the bundle, and the error says how to make it', () => {
    const d = aDeployment({ batch: { ...aDeployment().batch, application: null } });
    expect(() => batchBody(d, run)).toThrow(expect.objectContaining({ code: 'bundle-missing' }));
  });
});

it('cannot be where the stack has neither an account nor a network for it', () => {
  const { batch } = aDeployment();
  for (const absent of [{ serviceAccount: null }, { subnetwork: null }])
    expect(() => batchBody(aDeployment({ batch: { ...batch, ...absent } }), run)).toThrow(
      expect.objectContaining({
        code: 'engine-not-allowed',
        hint: 'add dataproc to reseal:engines, then `pulumi up`',
      }),
    );
});
