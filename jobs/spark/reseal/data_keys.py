"""The data keys of a run: collected, unwrapped once each, and handed to the sealing tasks."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

from pyspark import RDD, Broadcast
from pyspark.sql import Column, DataFrame, Row, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention
from pyspark.sql.types import BinaryType, IntegerType, StringType, StructField, StructType

from reseal import application_lines
from reseal.arguments import Arguments
from reseal.errors import RunError
from reseal.live import live
from reseal.record_batches import Sizes, aggregates
from reseal.secret import Secret
from reseal.unwrapping import STOPPED, UnwrapResult, UnwrapTask

if TYPE_CHECKING:
    from reseal.prepared_keys import Name, Unwrapped

# At most so many tasks unwrap at once, each with an equal share of the KMS rate.
UNWRAP_TASKS = 8
# With fewer keys than this, starting another task takes longer than it saves.
KEYS_A_TASK = 64
# Tasks do not call in step: a total below the limit keeps every single second under it.
HEADROOM = 0.9
# A task may make one call more in a second than its share: at so many a second for each, the headroom
# covers it.
RATE_A_TASK = 10

RESULTS = StructType(
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
    """The unwrapped data keys, under the session key: either broadcast, or in a table to be joined."""

    sizes: Sizes
    distinct: int
    calls: int
    broadcast: "Broadcast[dict[Name, Unwrapped]] | None"
    table: DataFrame | None

    def beside(self, values: DataFrame) -> DataFrame:
        """Adds the column `key`, by which a sealing task finds the data key of a row."""
        if self.table is None:
            return values.withColumn("key", number(F.col("wrapped")))
        return values.join(self.table, "wrapped", "left").withColumn("key", F.col("wrapped"))


def number(wrapped: Column) -> Column:
    """A data key's number, which is a twentieth of the size of its text on the way to Python."""
    return F.when(wrapped.isNotNull(), F.xxhash64(wrapped))


class DataKeyUnwrapper:
    """Unwraps the data keys of a run's values; every distinct one takes one KMS call."""

    def __init__(self, spark: SparkSession, arguments: Arguments, session: Secret, scratch: str) -> None:
        self._spark = spark
        self._arguments = arguments
        self._session = session
        self._scratch = scratch

    def run(self, values: list[DataFrame]) -> DataKeys:
        """Takes the frames of all fields, with the text of each value's data key in the column `wrapped`.

        Beside the keys the values are counted and measured.
        The results are collected by the driver or, if there are many, written to the scratch folder, always
        under the session key. Stages that Spark computes again therefore never call KMS again.
        """
        # The generated first-level map would hash a text byte by byte in Java; the ordinary map is faster.
        self._spark.conf.set("spark.sql.codegen.aggregate.map.twolevel.enabled", "false")
        deks = reduce(DataFrame.unionAll, [frame.select("wrapped", "cipher_text") for frame in values])
        counted = deks.groupBy("wrapped").agg(*aggregates(F.col("cipher_text")))
        few = self._arguments.broadcast_deks
        rows = counted.withColumn("key", number(F.col("wrapped"))).limit(few + 2).collect()
        # A null stands for an envelope that holds no data key.
        numbers = {row["wrapped"]: row["key"] for row in rows if row["wrapped"] is not None}
        # If two deks share a number, the join plan is used instead, which goes by their texts.
        if len(numbers) <= few and len(set(numbers.values())) == len(numbers):
            selected, octets = (sum(row[name] for row in rows) for name in ("rows", "octets"))
            sizes = Sizes(selected, octets, max((row["longest"] for row in rows), default=0))
            self._report(selected, len(numbers))
            return self._broadcast(numbers, sizes)
        return self._stored(counted)

    def _report(self, selected: int, deks: int) -> None:
        application_lines.progress("read", rows=selected, deks=deks)
        application_lines.progress("unwrap", rows=selected, deks=deks)

    def _task(self, tasks: int) -> UnwrapTask:
        share = self._arguments.kms_calls_per_second * HEADROOM / tasks
        return UnwrapTask(self._arguments.kms_endpoint, self._arguments.source_kek, self._session, share)

    def _tasks(self, keys: int) -> int:
        rate = int(self._arguments.kms_calls_per_second)
        most = min(UNWRAP_TASKS, self._spark.sparkContext.defaultParallelism, rate // RATE_A_TASK)
        return max(1, min(most, keys // KEYS_A_TASK))

    def _broadcast(self, numbers: dict[str, int], sizes: Sizes) -> DataKeys:
        tasks = self._tasks(len(numbers))
        deks: RDD[str] = self._spark.sparkContext.parallelize(list(numbers), tasks)
        unwrapping = self._spark.createDataFrame(deks.mapPartitions(self._task(tasks).keys), RESULTS)
        with live(self._spark, "unwrap", len(numbers)):
            results = [result_of(row) for row in unwrapping.collect()]
        check(results)
        unwrapped: dict[Name, Unwrapped] = {
            numbers[result.dek]: (result.dek, result.sealed, result.reason) for result in results
        }
        calls = sum(result.calls for result in results)
        broadcast = self._spark.sparkContext.broadcast(unwrapped)
        return DataKeys(sizes, len(numbers), calls, broadcast, None)

    def _stored(self, counted: DataFrame) -> DataKeys:
        folder = f"{self._scratch}/deks"
        counted.write.mode("overwrite").parquet(folder)
        counted = self._spark.read.parquet(folder)
        totals = counted.agg(F.sum("rows"), F.sum("octets"), F.max("longest"), F.count("wrapped")).collect()[
            0
        ]
        *measured, distinct = map(int, totals)
        sizes = Sizes(*measured)
        self._report(sizes.values, distinct)
        tasks = self._tasks(distinct)
        deks = counted.where(F.col("wrapped").isNotNull()).select("wrapped").repartition(tasks)
        results = deks.rdd.map(lambda row: str(row["wrapped"])).mapPartitions(self._task(tasks).keys)
        keys = f"{self._scratch}/keys"
        with live(self._spark, "unwrap", distinct):
            self._spark.createDataFrame(results, RESULTS).write.mode("overwrite").parquet(keys)
        table = self._spark.read.schema(RESULTS).parquet(keys)
        fatal = table.where(F.col("fatal").isNotNull() & (F.col("fatal") != STOPPED)).take(1)
        check(result_of(row) for row in fatal)
        calls = int(table.agg(F.sum("calls")).collect()[0][0])
        joined = table.select(
            F.col("dek").alias("wrapped"),
            F.col("sealed").alias("key_sealed"),
            F.col("reason").alias("key_reason"),
        )
        return DataKeys(sizes, distinct, calls, None, joined)


def result_of(row: Row) -> UnwrapResult:
    """A row of RESULTS."""
    result = UnwrapResult(*row)
    return result if result.sealed is None else result._replace(sealed=bytes(result.sealed))


def check(results: Iterable[UnwrapResult]) -> None:
    """Raises the RunError that a task met, if any: an exception of its own would have made Spark retry it."""
    for result in results:
        if result.fatal is not None and result.fatal != STOPPED:
            raise RunError(result.fatal, result.message or result.fatal)
