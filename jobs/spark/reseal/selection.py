"""Which values a run takes: the same rows that the plan counted (jobs/contract/sql/select-values.ts)."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from reseal.arguments import Arguments, Field
from reseal.row_ids import within


def token(cipher_text: Column, dek: Column) -> Column:
    """The compare-and-set token in hex: SHA-256 of cipher text, newline, data key.

    Spark's sha2 returns hex; Python turns a whole record batch of it into bytes in one call.
    """
    return F.sha2(F.concat(cipher_text, F.lit("\n"), dek).cast("binary"), 256)


def selected(
    source: DataFrame,
    rejected: DataFrame | None,
    runs: DataFrame | None,
    field: Field,
    arguments: Arguments,
) -> DataFrame:
    """The selected values of one field: id, cipher_text, dek, token.

    The first conditions are simple enough to be pushed down to the storage. `rejected` may be None in the
    modes `all` and `stale`, which ignore it; only `stale` looks at `runs`.
    """
    mode, id_column = arguments.mode, arguments.id_column
    shredded = F.col(field.sealed).isNotNull() & F.col(field.key).isNull()
    present = F.col(field.cipher_text).isNotNull()
    present &= within(F.col(id_column), arguments)
    values = source.where(present & ~shredded).select(
        F.col(id_column).alias("id"),
        F.col(field.cipher_text).alias("cipher_text"),
        F.coalesce(F.col(field.dek), F.lit("")).alias("dek"),
        F.col(field.resealed_from).alias("was"),
        F.col(field.resealed_at).alias("sealed_at"),
    )
    if arguments.waves > 1:
        values = values.where(_in_wave(arguments))
    values = values.withColumn("token", token(F.col("cipher_text"), F.col("dek")))
    if mode == "stale":
        values = values.where(F.col("was") == F.unhex("token"))
        if runs is not None:
            values = values.join(_moments(runs, arguments), "sealed_at", "left_anti")
    elif mode != "all":
        values = values.where(F.col("was").isNull() | (F.col("was") != F.unhex("token")))
    if mode not in ("all", "stale"):
        values = _by_rejections(values, rejected, field, arguments)
    return values.select("id", "cipher_text", "dek", "token")


def _by_rejections(
    values: DataFrame, rejected: DataFrame | None, field: Field, arguments: Arguments
) -> DataFrame:
    """The values without those that were rejected as they stand, or only these."""
    pending = arguments.mode == "pending"
    if rejected is None:
        return values if pending else values.where(F.lit(False))
    same_format = F.col("source_format") == arguments.source_format
    known = rejected.where((F.col("field") == field.name) & same_format)
    if pending:
        known = known.where(_rests(field, arguments))
    known = known.select(F.col("id").alias("known"), F.lower(F.hex("rejected_from")).alias("known_token"))
    same = (F.col("id") == F.col("known")) & (F.col("token") == F.col("known_token"))
    if pending:
        # Where another source was sealed since, what was made of that must not stay readable.
        return values.join(known, same & F.col("was").isNull(), "left_anti")
    return values.join(known, same, "left_semi")


def _in_wave(arguments: Arguments) -> Column:
    """Whether a value belongs to the wave: by the SHA-256 of its data key, or of its envelope."""
    decides = "cipher_text" if arguments.source_format == "tink-envelope" else "dek"
    number = F.conv(F.substring(F.sha2(F.col(decides).cast("binary"), 256), 1, 8), 16, 10).cast("long")
    return number % arguments.waves == arguments.wave


def _rests(field: Field, arguments: Arguments) -> Column:
    """Whether a rejection is final: not where a setting may have hidden the value."""
    reason = F.col("reason")
    # A wrong KEK must never hide a value.
    rests = reason != "dek-refused"
    if arguments.unauthenticated == "accept":
        rests &= reason != "unauthenticated"
    other_pattern = reason == "value-pattern"
    if field.value_pattern is not None:
        other_pattern &= ~F.col("value_pattern").eqNullSafe(field.value_pattern)
    return rests & ~other_pattern


def _moments(runs: DataFrame, arguments: Arguments) -> DataFrame:
    """The moments of runs that sealed as this one would: the rows that carry them are not stale."""
    same = (F.col("keying") == arguments.keying) & (F.col("source_format") == arguments.source_format)
    # In row keying the merge seals the row keysets of older versions anew: their values are not taken.
    version, own = F.col("keyset_version"), arguments.keyset_version
    same &= (version <= own) if arguments.keying == "row" else (version == own)
    return runs.where(same).select(F.col("resealed_at").alias("sealed_at")).distinct()
