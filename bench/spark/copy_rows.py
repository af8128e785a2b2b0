"""The least that any engine has to do: read users and write rows with the staging table's schema."""

import sys

from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from reseal.storage import staging


def main(source: str, target: str) -> None:
    """Copies id and, in the sealed value's place, the cipher text."""
    spark = SparkSession.builder.getOrCreate()
    users = spark.read.parquet(source).where(F.col("cipher_text").isNotNull())
    columns = {"id": F.col("id"), "bq_encrypted_email": F.col("cipher_text").cast("binary")}
    columns |= {"run_id": F.lit("copy"), "field": F.lit("email")}
    staged = users.select(
        *(
            columns.get(column.name, F.lit(None)).cast(column.dataType).alias(column.name)
            for column in staging("INT64")
        )
    )
    staged.write.mode("overwrite").parquet(target)
    spark.stop()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
