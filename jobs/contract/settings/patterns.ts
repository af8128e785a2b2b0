import { z } from 'zod';
import { patternFault } from '../value-pattern.ts';

/** The forms of Google Cloud's names, each with the sentence that a wrong one gets. */

const matching = (pattern: RegExp, error: string) => z.string({ error }).regex(pattern, { error });

export const projectId = matching(
  /^[a-z][a-z0-9-]{4,28}[a-z0-9]$/,
  'must be a project id: 6 to 30 lower-case letters, digits and hyphens',
);

/** Dataproc, the subnetwork and the keys live in one region, so `US` and `global` do not do. */
export const region = matching(
  /^[a-z]+-[a-z]+\d+$/,
  'must be one region: neither global nor a multi-region, as batches and keys live in it',
);

const NO_BUCKET_NAME = 'must be a bucket name, without gs://';
/** What stands between the dots of a bucket's name. */
const BUCKET_PART = /^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$/;

/** With dots a name may be longer, and Google asks whose domain it is. https://cloud.google.com/storage/docs/buckets#naming */
function isBucketName(text: string): boolean {
  const parts = text.split('.');
  const fits = text.length >= 3 && text.length <= (parts.length === 1 ? 63 : 222);
  const kept = /^goog|google|^\d+(\.\d+){3}$/.test(text);
  return fits && !kept && parts.every((part) => BUCKET_PART.test(part));
}

export const bucketName = z.string({ error: NO_BUCKET_NAME }).refine(isBucketName, { error: NO_BUCKET_NAME });

export const folder = matching(
  /^[A-Za-z0-9_-]+(\/[A-Za-z0-9_-]+)*$/,
  'must be a folder name, without a slash at either end',
);

export const identifier = matching(
  /^[A-Za-z_][A-Za-z0-9_]{0,127}$/,
  'must be letters, digits and underscores, not starting with a digit',
);

/** https://cloud.google.com/bigquery/docs/querying-partitioned-tables#query_an_ingestion-time_partitioned_table */
export const partitionColumn = identifier.refine((name) => !/^_PARTITION(TIME|DATE)$/i.test(name), {
  error: 'must be a column of the table: partitions by ingestion time are not told apart',
});

export const email = matching(/^[^@\s:]+@[^@\s]+\.[^@\s]+$/, 'must be an e-mail address, without a prefix');

/**
 * A URI of an object in Cloud Storage with the given suffix.
 *
 * @example
 * gsUri('jar').safeParse('gs://a-bucket/a.jar').success; // true
 */
export const gsUri = (suffix: string) =>
  matching(new RegExp(`^gs://[^/]+/.+\\.${suffix}$`), `must be a gs:// URI that ends in .${suffix}`);

/** What the whole of a value has to match; the setting says what is wrong with a pattern, not the first value. */
export const valuePattern = z.string({ error: 'must be a pattern of RE2' }).superRefine((text, context) => {
  const fault = patternFault(text);
  if (fault !== null) context.addIssue(fault);
});

export const className = matching(
  /^[A-Za-z_$][\w$]*(\.[A-Za-z_$][\w$]*)*$/,
  'must be the full name of a Java class',
);

/** Releases of https://github.com/GoogleCloudDataproc/spark-bigquery-connector */
export const connectorVersion = matching(/^\d+\.\d+\.\d+$/, 'must be a version of three numbers, in quotes');

export const cryptoKey = matching(
  /^projects\/[^/]+\/locations\/[^/]+\/keyRings\/[^/]+\/cryptoKeys\/[^/]+$/,
  'must be the full name of a CryptoKey, without a version',
);

export const subnetworkName = matching(
  /^([a-z]([a-z0-9-]*[a-z0-9])?|projects\/[^/]+\/regions\/[^/]+\/subnetworks\/[^/]+)$/,
  'must be the name of a subnetwork, short or projects/…/regions/…/subnetworks/…',
);

/**
 * An image with its registry, and a tag or a digest where it has one. Cloud Run pulls from no private registry but Google's.
 * https://github.com/distribution/reference/blob/main/regexp.go
 */
export const containerImage = matching(
  /^[a-z0-9-]+(\.[a-z0-9-]+)+(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)+(:\w[\w.-]{0,127})?(@sha256:[0-9a-f]{64})?$/,
  'must be the full name of an image, with its registry, as REGION-docker.pkg.dev/PROJECT/REPOSITORY/NAME',
);

export const policyTag = matching(
  /^projects\/[^/]+\/locations\/[^/]+\/taxonomies\/\d+\/policyTags\/\d+$/,
  'must be the full name of a policy tag',
);

export const notificationChannel = matching(
  /^projects\/[^/]+\/notificationChannels\/\d+$/,
  'must be the full name of a notification channel',
);

export const keyRingId = matching(
  /^[A-Za-z0-9_-]{1,63}$/,
  'must be letters, digits, underscores and hyphens: the id, not the full name',
);

const NO_TIME_ZONE = 'must be the name of a time zone, as Europe/Berlin';

/** Names of the time zone database as they are written there: Node takes them in any case, and offsets, too. */
export const timeZone = matching(/^[A-Z][\w+-]*(\/[A-Z][\w+-]*)*$/, NO_TIME_ZONE).refine(isTimeZone, {
  error: NO_TIME_ZONE,
});

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/**
 * A whole number between two bounds, both included.
 *
 * @example
 * whole(1, 30).safeParse(31).success; // false
 */
export const whole = (least: number, most: number) => {
  const error = `must be a whole number from ${least} to ${most}`;
  return z.number({ error }).int({ error }).min(least, { error }).max(most, { error });
};

export const share = z
  .number({ error: 'must be a share between 0 and 1' })
  .gt(0, { error: 'must be a share above 0' })
  .max(1, { error: 'must be a share, not a percentage: at most 1' });

export const amount = z
  .number({ error: 'must be an amount of US$' })
  .min(0, { error: 'must be an amount of US$, from 0' });

export const flag = z.boolean({ error: 'must be true or false' });

/**
 * The location segment of a full resource name (locations/… or regions/…); undefined in a short one.
 *
 * @example
 * locationOf('projects/p/locations/us-central1/keyRings/r/cryptoKeys/k'); // 'us-central1'
 */
export function locationOf(name: string): string | undefined {
  return /\/(?:locations|regions)\/([^/]+)\//.exec(name)?.[1];
}
