"""Which values a run takes: the same rows that the plan counted (jobs/sql/selection.ts)."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from reseal.arguments import Field, Mode, SourceFormat


def token(cipher_text: Column, dek: Column) -> Column:
    """The compare-and-set token: SHA-256 of cipher text, newline, data key."""
    source = F.concat(cipher_text, F.lit("\n"), dek)
    return F.unhex(F.sha2(source.cast("binary"), 256))


def selected(
    source: DataFrame,
    rejected: DataFrame | None,
    field: Field,
    *,
    id_column: str,
    id_cutoff: int,
    mode: Mode,
    source_format: SourceFormat,
) -> DataFrame:
    """The selected values of one field: id, cipher_text, dek, resealed_from (the token).

    The first two conditions are plain enough for the storage to filter by. `rejected` is None where no row
    was ever refused.
    """
    values = source.where(F.col(field.cipher_text).isNotNull() & (F.col(id_column) <= id_cutoff)).select(
        F.col(id_column).alias("id"),
        F.col(field.cipher_text).alias("cipher_text"),
        F.coalesce(F.col(field.dek), F.lit("")).alias("dek"),
        F.col(field.resealed_from).alias("was"),
    )
    values = values.withColumn("resealed_from", token(F.col("cipher_text"), F.col("dek")))
    if mode == "pending":
        values = values.where(F.col("was").isNull() | (F.col("was") != F.col("resealed_from")))
    values = values.select("id", "cipher_text", "dek", "resealed_from")
    if mode == "all":
        return values
    if rejected is None:
        return values if mode == "pending" else values.where(F.lit(False))
    refused = rejected.where((F.col("field") == field.name) & (F.col("source_format") == source_format))
    refused = refused.select("id", F.col("rejected_from").alias("resealed_from"))
    return values.join(refused, ["id", "resealed_from"], "left_anti" if mode == "pending" else "left_semi")
