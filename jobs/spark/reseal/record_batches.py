"""How many rows a record batch has on its way to Python: Spark 3.5 counts rows alone, and bounds no bytes.

A column of texts must stay below 1 GiB (Arrow's OversizedAllocationException), and a Python worker, of which
an executor has four, needs up to nine times what the record batch holds.
"""

from dataclasses import dataclass
from functools import reduce

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

# https://spark.apache.org/docs/3.5.3/configuration.html#runtime-sql-configuration
SETTING = "spark.sql.execution.arrow.maxRecordsPerBatch"
# Spark's default, for cipher texts of up to some 3 KB.
MOST_ROWS = 10_000
# Bytes of cipher texts in a record batch: where all are of about one size, and at the most, where the longest
# stand one after the other.
USUAL_BYTES = 32 * 2**20
MOST_BYTES = 128 * 2**20


@dataclass(frozen=True)
class Sizes:
    """The cipher texts of a run."""

    values: int
    # Of all of them together, and of the longest.
    octets: int
    longest: int


def aggregates(cipher_text: Column) -> list[Column]:
    """The columns `rows`, `octets` and `longest` of a group. A text has its length beside it."""
    length = F.octet_length(cipher_text)
    return [
        F.count(F.lit(1)).alias("rows"),
        F.coalesce(F.sum(length), F.lit(0)).alias("octets"),
        F.coalesce(F.max(length), F.lit(0)).alias("longest"),
    ]


def measured(values: list[DataFrame]) -> Sizes:
    """Measures the values of all fields, for which they are read once."""
    texts = reduce(DataFrame.unionAll, [frame.select("cipher_text") for frame in values])
    row = texts.agg(*aggregates(F.col("cipher_text"))).collect()[0]
    return Sizes(*map(int, row))


def rows_a_batch(sizes: Sizes) -> int:
    """Rows of a record batch: as many as keep its cipher texts within the bounds, at least one."""
    if sizes.octets == 0:
        return MOST_ROWS
    by_mean = USUAL_BYTES * sizes.values // sizes.octets
    return max(1, min(MOST_ROWS, by_mean, MOST_BYTES // sizes.longest))


def bound(spark: SparkSession, sizes: Sizes) -> None:
    """Has what is planned from now on take record batches that such cipher texts fit into."""
    spark.conf.set(SETTING, str(rows_a_batch(sizes)))
