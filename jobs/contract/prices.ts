/** Cloud KMS, software keys: US$ 0.03 for 10,000 operations. https://cloud.google.com/kms/pricing */
export const KMS_USD_PER_CALL = 0.000003;

/** Serverless Spark, standard tier: US$ 0.06 a DCU-hour. https://cloud.google.com/dataproc-serverless/pricing */
export const DCU_USD_PER_HOUR = 0.06;
