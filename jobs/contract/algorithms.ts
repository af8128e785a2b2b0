/**
 * The types of keys that BigQuery makes, as its functions name them; the column `algorithm` of `keysets` has them, too.
 * https://cloud.google.com/bigquery/docs/reference/standard-sql/aead_encryption_functions#keysnew_keyset
 */
export const AEAD = 'AEAD_AES_GCM_256';
export const DETERMINISTIC = 'DETERMINISTIC_AEAD_AES_SIV_CMAC_256';
export const ALGORITHMS = [AEAD, DETERMINISTIC] as const;
export type Algorithm = (typeof ALGORITHMS)[number];
