/** When these list prices, of us-central1, were last compared with Google's pages. */
export const PRICES_AS_OF = '2025-06';

/** Cloud KMS, software keys: US$ 0.03 for 10,000 operations. https://cloud.google.com/kms/pricing */
export const KMS_USD_PER_CALL = 0.000003;

/** Serverless Spark, standard tier: US$ 0.06 a DCU-hour. https://cloud.google.com/dataproc-serverless/pricing */
export const DCU_USD_PER_HOUR = 0.06;

/** BigQuery's queries on demand: US$ 6.25 a TiB, the first of a month free. https://cloud.google.com/bigquery/pricing */
export const QUERY_USD_PER_TIB = 6.25;
/** Of each query so many bytes are billed at least; the same page. */
export const LEAST_QUERY_BYTES = 10 * 2 ** 20;
