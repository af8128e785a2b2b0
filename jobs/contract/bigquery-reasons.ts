/**
 * What BigQuery says of a failure that has a code of Reseal's, by the reasons of its errors and, where a reason says
 * too little, by its words. The job's client library and the workflow's plain requests both go by it.
 * https://cloud.google.com/bigquery/docs/error-messages
 */

/** Reasons of what passes. */
export const PASSING = [
  'backendError',
  'internalError',
  'rateLimitExceeded',
  'jobRateLimitExceeded',
  'jobBackendError',
] as const;

/** Reasons of limits. BigQuery answers with 403 to them, too, though no role is missing. */
export const LIMITS = ['rateLimitExceeded', 'jobRateLimitExceeded', 'quotaExceeded'] as const;

/** Of a statement that BigQuery computed and could not end: it says something of the values. */
export const ABOUT_THE_QUERY = 'invalidQuery';

/**
 * A transaction that another one overtook: it is rolled back and may simply be run again. This and the words below are
 * regular expressions of JavaScript and of RE2.
 * https://cloud.google.com/bigquery/docs/transactions#transaction_concurrency
 */
export const OVERTAKEN = '[Cc]oncurrent update';

/**
 * A moment before the seven days of time travel, or before the table was made.
 * https://cloud.google.com/bigquery/docs/time-travel
 */
export const SNAPSHOT_GONE = 'Invalid snapshot time|Cannot read before [0-9]+';

/** https://cloud.google.com/bigquery/docs/streaming-data-into-bigquery#dataavailability */
export const IN_STREAMING_BUFFER = 'rows in the streaming buffer';
