"""Re-encrypts rows from an application's envelope encryption to BigQuery's AEAD format, on Spark."""
