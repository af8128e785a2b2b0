/**
 * BigQuery functions that DuckDB has not, or has with another meaning, as DuckDB macros. A macro may be
 * overloaded by type, so STRING and BYTES arguments each find theirs.
 * https://cloud.google.com/bigquery/docs/reference/standard-sql/functions-all
 */
export const MACROS: readonly string[] = [
  'bq_bytes(x VARCHAR) AS encode(x), (x BLOB) AS x',
  `bq_string(x BLOB) AS decode(x), (x VARCHAR) AS x, (x BIGINT) AS CAST(x AS VARCHAR),
   (x BOOLEAN) AS CAST(x AS VARCHAR), (x DATE) AS CAST(x AS VARCHAR), (x TIMESTAMP) AS bq_moment(x), (x TIMESTAMPTZ) AS bq_moment(bq_utc(x)) || '+00',
   (x DECIMAL(38,9)) AS regexp_replace(CAST(x AS VARCHAR), '\\.?0+$', ''),
   (x DOUBLE) AS regexp_replace(CAST(x AS VARCHAR), '\\.0$', '')`,
  'bq_length(x VARCHAR) AS length(x), (x BLOB) AS octet_length(x)',
  'bq_byte_length(x VARCHAR) AS octet_length(encode(x)), (x BLOB) AS octet_length(x)',
  'bq_sha256(x VARCHAR) AS unhex(sha256(x)), (x BLOB) AS unhex(sha256(x))',
  'bq_sha1(x VARCHAR) AS unhex(sha1(x)), (x BLOB) AS unhex(sha1(x))',
  'bq_md5(x VARCHAR) AS unhex(md5(x)), (x BLOB) AS unhex(md5(x))',
  // Position 0 is position 1: SUBSTR of the reference.
  `bq_substr(x VARCHAR, p BIGINT) AS substr(x, CASE WHEN p = 0 THEN 1 ELSE p END),
   (x BLOB, p BIGINT) AS array_slice(x, bq_start(x, p), octet_length(x)),
   (x VARCHAR, p BIGINT, n BIGINT) AS substr(x, CASE WHEN p = 0 THEN 1 ELSE p END, n),
   (x BLOB, p BIGINT, n BIGINT) AS array_slice(x, bq_start(x, p), bq_start(x, p) + n - 1)`,
  // FORMAT('%T', …): a literal that stands for the value.
  `bq_literal(x BLOB) AS 'b"' || regexp_replace(hex(x), '(..)', '\\\\x\\1', 'g') || '"',
   (x VARCHAR) AS '"' || replace(replace(x, '\\', '\\\\'), '"', '\\"') || '"'`,
  'bq_safe_divide(a, b) AS a / nullif(b, 0)',
  'bq_hex(x BLOB) AS lower(hex(x))',
  'bq_safe_utf8(x) AS CASE WHEN TRY(decode(x)) IS NOT NULL THEN decode(x) END',
];

/** Macros that others are made of. */
export const BASE_MACROS: readonly string[] = [
  "bq_utc(x) AS CAST(x AS TIMESTAMPTZ) AT TIME ZONE 'UTC'",
  // A fraction has three digits or six, or there is none.
  `bq_moment(x) AS strftime(x, '%Y-%m-%d %H:%M:%S') || CASE WHEN epoch_us(x) % 1000000 = 0 THEN ''
   WHEN epoch_us(x) % 1000 = 0 THEN strftime(x, '.%g') ELSE strftime(x, '.%f') END`,
  'bq_start(x, p) AS CASE WHEN p > 0 THEN p WHEN p = 0 THEN 1 ELSE greatest(octet_length(x) + p + 1, 1) END',
];
