import { execFile } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { LocalSpark } from '../../jobs/spark/venv.ts';
import type { StorageRead } from '../bigquery/storage-read/server.ts';
import { objectOr } from '../http/router.ts';
import type { Batch, DriverOutput } from './batches.ts';
import { runDriver } from './driver.ts';
import { type SharedClasses, sharedClasses } from './shared-classes.ts';

const application = fileURLToPath(new URL('../../jobs/spark/main.py', import.meta.url));

/** Where the batch finds what on Google Cloud has one address for all. */
export interface Cloud {
  readonly origin: string;
  /** The access token of the batch's account. */
  readonly token: string;
  readonly project: string;
  readonly storageRead: StorageRead;
}

/** The store holds certificates, which are no secret, but Java's stores cannot do without a password. */
const STORE_PASSWORD = 'changeit';

/**
 * Runs the built-in application of the checkout on the local Spark, through the real BigQuery connector and Cloud
 * Storage file system. Only their endpoints differ from Dataproc's, and those stand in Spark's properties.
 */
export async function runSpark(
  batch: Batch,
  args: ReadonlyMap<string, string>,
  spark: LocalSpark,
  cloud: Cloud,
  folder: string,
  output: DriverOutput,
  signal: AbortSignal,
): Promise<void> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  try {
    const truststore = await trusting(cloud.storageRead.certificate.path, spark, folder);
    const file = join(folder, 'spark.conf');
    const classes = sharedClasses(spark, folder);
    const settings = { ...given(batch), ...local(spark, folder, truststore, classes), ...endpoints(cloud) };
    writeFileSync(file, propertiesFile(settings), { mode: 0o600 });
    const env = {
      ...spark.env,
      PYTHONPATH: dirname(application),
      PYSPARK_SUBMIT_ARGS: `--properties-file '${file.replaceAll("'", `'"'"'`)}' pyspark-shell`,
      // Google's libraries would look for a metadata server, and ask it for the project.
      NO_GCE_CHECK: 'true',
      GOOGLE_CLOUD_PROJECT: cloud.project,
      CLOUDSDK_AUTH_ACCESS_TOKEN: cloud.token,
    };
    const own = new Map([...args, ['kms-endpoint', cloud.origin]]);
    const argv = [...own].map(([name, value]) => `--${name}=${value}`);
    await runDriver(spark.python, [application, ...argv], env, output, signal);
    classes.keep();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Of the batch's properties those that a local Spark has a use for. */
function given(batch: Batch): Record<string, string> {
  const properties = objectOr(objectOr(batch.runtimeConfig).properties);
  const kept = Object.entries(properties).filter(([name]) => /^spark\.(sql|ui|python)\./.test(name));
  return Object.fromEntries(kept.map(([name, value]) => [name, String(value)]));
}

/** A Spark on two cores that leaves nothing outside the batch's folder. */
function local(
  { jars }: LocalSpark,
  folder: string,
  truststore: string,
  classes: SharedClasses,
): Record<string, string> {
  const java = [
    // What a short run costs most is the JVM's optimising compiler.
    '-XX:TieredStopAtLevel=1',
    '-XX:+UseSerialGC',
    ...classes.options,
    `-Djavax.net.ssl.trustStore="${truststore}"`,
    '-Djavax.net.ssl.trustStoreType=PKCS12',
    `-Djavax.net.ssl.trustStorePassword=${STORE_PASSWORD}`,
    `-Djava.io.tmpdir="${folder}"`,
  ];
  return {
    // A task that fails is tried again, as on a cluster.
    'spark.master': 'local[2,4]',
    'spark.driver.memory': '2g',
    'spark.driver.extraClassPath': jars.join(delimiter),
    'spark.driver.extraJavaOptions': java.join(' '),
    'spark.local.dir': join(folder, 'local'),
    'spark.ui.enabled': 'false',
    'spark.sql.shuffle.partitions': '4',
  };
}

/** Options of the connector and of the file system that Google documents for private endpoints and for tests. */
function endpoints({ origin, token, storageRead }: Cloud): Record<string, string> {
  const connector = {
    bigQueryHttpEndpoint: origin,
    bigQueryStorageGrpcEndpoint: storageRead.address,
    gcpAccessToken: token,
  };
  const storage = {
    'fs.gs.impl': 'com.google.cloud.hadoop.fs.gcs.GoogleHadoopFileSystem',
    'fs.gs.storage.root.url': `${origin}/`,
    // The file system takes no token by itself; a header that goes along with every call is one all the same.
    'fs.gs.auth.type': 'UNAUTHENTICATED',
    'fs.gs.storage.http.headers.authorization': `Bearer ${token}`,
  };
  return Object.fromEntries([
    ...Object.entries(connector).map(([name, value]) => [`spark.datasource.bigquery.${name}`, value]),
    ...Object.entries(storage).map(([name, value]) => [`spark.hadoop.${name}`, value]),
  ]);
}

/** A trust store with the certificate of the Storage Read API, written by Java's own tool. */
async function trusting(certificate: string, { env }: LocalSpark, folder: string): Promise<string> {
  const store = join(folder, 'trust.p12');
  const keytool = join(env.JAVA_HOME ?? '', 'bin', 'keytool');
  const options = ['-storetype', 'PKCS12', '-storepass', STORE_PASSWORD, '-noprompt'];
  await promisify(execFile)(keytool, ['-importcert', '-file', certificate, '-keystore', store, ...options]);
  return store;
}

/** In the form of java.util.Properties, whose values end with the line. */
const propertiesFile = (settings: Readonly<Record<string, string>>): string =>
  Object.entries(settings)
    .map(([name, value]) => `${name}=${value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n`)
    .join('');
