/** The names that a setting, an option and a column of the ledger take. In a file without a schema, so that `--help` loads none. */
export const SOURCE_FORMATS = ['gcm', 'dotted', 'tink', 'tink-envelope'] as const;
export const KEYINGS = ['row', 'shared', 'deterministic'] as const;
/** What becomes of values that have no tag. */
export const UNAUTHENTICATED = ['accept', 'reject'] as const;
/**
 * Types that BigQuery casts to STRING and back to the same value, compares and clusters by, and that Spark reads and
 * writes whole.
 * https://cloud.google.com/bigquery/docs/reference/standard-sql/conversion_rules
 * https://cloud.google.com/bigquery/docs/clustered-tables#cluster_column_types
 */
export const ID_TYPES = ['INT64', 'STRING', 'NUMERIC', 'BOOL', 'DATE', 'DATETIME', 'TIMESTAMP'] as const;
export const ENGINES = ['direct', 'dataproc', 'bigquery'] as const;

export type SourceFormat = (typeof SOURCE_FORMATS)[number];
export type Keying = (typeof KEYINGS)[number];
export type Unauthenticated = (typeof UNAUTHENTICATED)[number];
export type IdType = (typeof ID_TYPES)[number];
export type EngineName = (typeof ENGINES)[number];
