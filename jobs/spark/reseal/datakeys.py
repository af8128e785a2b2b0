"""The data keys of a run: found, unwrapped once each, and laid where the sealing tasks find them."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

from pyspark import RDD, Broadcast
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention
from pyspark.sql.types import BinaryType, IntegerType, StringType, StructField, StructType

from reseal import progress
from reseal.arguments import Arguments
from reseal.errors import RunError
from reseal.secret import Secret
from reseal.unwrap import UnwrappedKey, Unwrapper

if TYPE_CHECKING:
    from reseal.keyring import Fate, Name

# So many tasks unwrap at once at the most, each with its own share of the KMS rate; below so many keys a
# further task is not worth its start.
UNWRAP_TASKS = 8
KEYS_A_TASK = 64
# Tasks do not call in step: a share below the whole keeps every single second under the limit.
HEADROOM = 0.9

UNWRAPPED = StructType(
    [
        StructField("dek", StringType()),
        StructField("sealed", BinaryType()),
        StructField("reason", StringType()),
        StructField("calls", IntegerType()),
        StructField("fatal", StringType()),
        StructField("message", StringType()),
    ]
)


@dataclass(frozen=True)
class DataKeys:
    """The data keys after unwrapping. Either `fates` (broadcast) or `table` (to be joined) holds them."""

    selected: int
    distinct: int
    calls: int
    fates: "Broadcast[dict[Name, Fate]] | None"
    table: DataFrame | None

    def beside(self, values: DataFrame) -> DataFrame:
        """Adds `key` to values with `wrapped`: what the sealing tasks find their data key by."""
        if self.table is None:
            return values.withColumn("key", number(F.col("wrapped")))
        return values.join(self.table, "wrapped", "left").withColumn("key", F.col("wrapped"))


def number(wrapped: Column) -> Column:
    """A data key's number: takes a twentieth of its text's way to Python."""
    return F.when(wrapped.isNotNull(), F.xxhash64(wrapped))


class Unwrapping:
    """Unwraps the data keys of a run's values; every distinct one makes one KMS call."""

    def __init__(self, spark: SparkSession, arguments: Arguments, session: Secret, scratch: str) -> None:
        self._spark = spark
        self._arguments = arguments
        self._session = session
        self._scratch = scratch

    def run(self, values: list[DataFrame]) -> DataKeys:
        """Takes the frames of all fields, with the text of each value's data key in `wrapped`.

        The result is final: nothing that a later stage recomputes leads back to a KMS call. Few keys are
        collected by the driver, many are written to the scratch folder; both only under the session key.
        """
        # Spark's generated first-level map hashes a text byte by byte in Java: the ordinary one is faster.
        self._spark.conf.set("spark.sql.codegen.aggregate.map.twolevel.enabled", "false")
        deks = reduce(DataFrame.unionAll, [frame.select("wrapped") for frame in values])
        counted = deks.groupBy("wrapped").agg(F.count(F.lit(1)).alias("rows"))
        few = self._arguments.broadcast_deks
        rows = counted.withColumn("key", number(F.col("wrapped"))).limit(few + 2).collect()
        # A null is no key: an envelope whose structure is broken.
        numbers = {row["wrapped"]: row["key"] for row in rows if row["wrapped"] is not None}
        # Should two deks ever have one number, the other plan, which needs none, is right for them as well.
        if len(numbers) <= few and len(set(numbers.values())) == len(numbers):
            selected = sum(row["rows"] for row in rows)
            self._found(selected, len(numbers))
            return self._broadcast(numbers, selected)
        return self._stored(counted)

    def _found(self, selected: int, deks: int) -> None:
        progress.progress("read", rows=selected, deks=deks)
        progress.progress("unwrap", rows=selected, deks=deks)

    def _unwrapper(self, tasks: int) -> Unwrapper:
        share = self._arguments.kms_calls_per_second * HEADROOM / tasks
        return Unwrapper(self._arguments.kms_endpoint, self._arguments.source_kek, self._session, share)

    def _tasks(self, keys: int) -> int:
        most = min(UNWRAP_TASKS, self._spark.sparkContext.defaultParallelism)
        return max(1, min(most, keys // KEYS_A_TASK))

    def _broadcast(self, numbers: dict[str, int], selected: int) -> DataKeys:
        tasks = self._tasks(len(numbers))
        deks: RDD[str] = self._spark.sparkContext.parallelize(list(numbers), tasks)
        unwrapped = deks.mapPartitions(self._unwrapper(tasks).keys).collect()
        check(unwrapped)
        fates: dict[Name, Fate] = {numbers[key.dek]: (key.dek, key.sealed, key.reason) for key in unwrapped}
        calls = sum(key.calls for key in unwrapped)
        broadcast = self._spark.sparkContext.broadcast(fates)
        return DataKeys(selected, len(numbers), calls, broadcast, None)

    def _stored(self, counted: DataFrame) -> DataKeys:
        folder = f"{self._scratch}/deks"
        counted.write.mode("overwrite").parquet(folder)
        counted = self._spark.read.parquet(folder)
        totals = counted.agg(F.sum("rows").alias("selected"), F.count("wrapped").alias("deks")).collect()[0]
        selected, distinct = int(totals["selected"]), int(totals["deks"])
        self._found(selected, distinct)
        tasks = self._tasks(distinct)
        deks = counted.where(F.col("wrapped").isNotNull()).select("wrapped").repartition(tasks)
        unwrapped = deks.rdd.map(lambda row: str(row["wrapped"])).mapPartitions(self._unwrapper(tasks).keys)
        keys = f"{self._scratch}/keys"
        self._spark.createDataFrame(unwrapped, UNWRAPPED).write.mode("overwrite").parquet(keys)
        table = self._spark.read.schema(UNWRAPPED).parquet(keys)
        fatal = table.where(F.col("fatal").isNotNull() & (F.col("fatal") != "stopped")).take(1)
        check(UnwrappedKey(**row.asDict()) for row in fatal)
        calls = int(table.agg(F.sum("calls")).collect()[0][0])
        joined = table.select(
            F.col("dek").alias("wrapped"),
            F.col("sealed").alias("key_sealed"),
            F.col("reason").alias("key_reason"),
        )
        return DataKeys(selected, distinct, calls, None, joined)


def check(unwrapped: Iterable[UnwrappedKey]) -> None:
    """Raises RunError if a key's unwrapping said that the run cannot go on."""
    for key in unwrapped:
        if key.fatal is not None and key.fatal != "stopped":
            raise RunError(key.fatal, key.message or key.fatal)
