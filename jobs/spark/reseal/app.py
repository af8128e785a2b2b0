"""One run on Spark: select values, unwrap their data keys, seal and stage them, count the staged rows."""

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial, reduce
from typing import Any

from py4j.protocol import Py4JError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention
from pyspark.sql.types import StringType, StructField, StructType

from reseal import application_lines
from reseal.arguments import Arguments, parse
from reseal.bundle import activate
from reseal.data_keys import DataKeys, DataKeyUnwrapper, check
from reseal.envelopes import envelope_keys
from reseal.errors import RunError
from reseal.live import live
from reseal.record_batches import bound, measured
from reseal.secret import Secret
from reseal.selection import selected
from reseal.storage import Storage, staging, storage, wrapped_keyset
from reseal.transform import Transform
from reseal.unwrapping import UnwrapTask

SESSION_KEY_BYTES = 32
# The words of Google's services for a missing permission: both name permission and resource.
# https://cloud.google.com/iam/docs/permission-error-messages
DENIED = re.compile(r"Permission '?[\w.]+'? denied on |does not have [\w.]+ (permission in|access to) ")


def main(argv: Sequence[str]) -> int:
    """Runs the application; returns its exit status."""
    arguments = parse(argv)
    spark = SparkSession.builder.appName(f"reseal-{arguments.run_id}").getOrCreate()
    try:
        Run(spark, arguments).run()
    except RunError as error:
        application_lines.error(error.code, error.message)
        return 1
    except Exception as error:
        application_lines.error("spark-failed", summary(error))
        return 1
    finally:
        spark.stop()
    return 0


def summary(error: Exception) -> str:
    """An error in one line, without a stack trace.

    The innermost cause that Spark reports, but for a missing permission: the exception that names it and its
    resource has the bare HTTP status as its own cause.
    """
    lines = [line.strip() for line in str(error).splitlines()]
    causes = [line for line in lines if line.startswith(("Caused by:", ": "))] or lines[:1]
    denied = [line for line in causes if DENIED.search(line)]
    first = (denied or causes or [""])[-1]
    return f"{type(error).__name__}: {first.removeprefix('Caused by:').removeprefix(':').strip()}"[:500]


def _pattern_fault(pattern: str) -> str | None:
    activate()
    from reseal.value_pattern import pattern_fault

    return pattern_fault(pattern)


class Run:
    """One run. Its session key exists in this object and in the closures of its tasks, nowhere else."""

    def __init__(self, spark: SparkSession, arguments: Arguments) -> None:
        self._spark = spark
        self._arguments = arguments
        self._tables: Storage = storage(spark, arguments)
        self._session = Secret(os.urandom(SESSION_KEY_BYTES))

    def run(self) -> None:
        """Stages the selected values and reports the counts. Raises RunError."""
        self._check_patterns()
        wrapped = wrapped_keyset(self._tables, self._arguments.keyset_version)
        keyset = self._unwrap_keyset(wrapped)
        application_lines.progress("read", rows=0, deks=0)
        frames = self._values()
        try:
            scratch = self._tables.scratch()
            keys = DataKeyUnwrapper(self._spark, self._arguments, self._session, scratch).run(frames)
            bound(self._spark, keys.sizes)
            application_lines.progress("seal", rows=keys.sizes.values, deks=keys.distinct)
            with live(self._spark, "seal", keys.sizes.values):
                self._tables.write(self._staging(frames, keys, keyset))
        finally:
            self._clean()
        self._report(keys)

    def _check_patterns(self) -> None:
        """Has a task compile the fields' patterns before any value is opened.

        Raises RunError `value-pattern`.
        """
        patterns = [
            field.value_pattern for field in self._arguments.fields if field.value_pattern is not None
        ]
        if not patterns:
            return
        for fault in self._spark.sparkContext.parallelize(patterns, 1).map(_pattern_fault).collect():
            if fault is not None:
                raise RunError("value-pattern", f"RE2 does not take a field's valuePattern: {fault}")

    def _unwrap_keyset(self, wrapped: bytes) -> bytes:
        """Has a task unwrap the first-level keyset, because the driver lacks the bundled packages.

        The keyset comes back under the session key, so that the driver never holds it in the clear.
        """
        arguments = self._arguments
        task = UnwrapTask(arguments.kms_endpoint, arguments.bigquery_kek, self._session, 1)
        unwrap = partial(task.keyset, keying=arguments.keying)
        results = self._spark.sparkContext.parallelize([wrapped], 1).mapPartitions(unwrap).collect()
        check(results)
        sealed = results[0].sealed
        if sealed is None:
            raise RunError("keyset", "the first-level keyset was not unwrapped")
        return sealed

    def _values(self) -> list[DataFrame]:
        """The selected values of each field, with the text of their data key in the column `wrapped`."""
        arguments = self._arguments
        source = self._tables.source()
        rejected = None if arguments.mode in ("all", "stale") else self._tables.rejected()
        runs = self._tables.runs() if arguments.mode == "stale" else None
        frames = [selected(source, rejected, runs, field, arguments) for field in arguments.fields]
        if arguments.source_format != "tink-envelope":
            return [frame.withColumn("wrapped", F.col("dek")) for frame in frames]
        # Their data keys are taken out in Python, before anything else has gone through the values.
        bound(self._spark, measured(frames))
        return [
            frame.mapInArrow(envelope_keys, StructType([*frame.schema, StructField("wrapped", StringType())]))
            for frame in frames
        ]

    def _staging(self, frames: list[DataFrame], keys: DataKeys, keyset: bytes) -> DataFrame:
        """The staging rows of all fields, sealed and rejected ones in one stream."""
        arguments = self._arguments
        transform = Transform(
            arguments.id_type,
            arguments.source_format,
            arguments.unauthenticated,
            arguments.keying,
            arguments.store_plaintext,
            self._session,
            keyset,
            keys.broadcast,
            arguments.fields[0].name,
        )
        produced = transform.schema()
        staged = []
        for frame, field in zip(frames, arguments.fields, strict=True):
            rows = keys.beside(frame)
            columns = {name: F.col(name) for name in produced.names}
            columns |= {"run_id": F.lit(arguments.run_id), "attempt": F.lit(arguments.attempt)}
            columns |= {"field": F.lit(field.name)}
            of_field = replace(transform, field=field.name, value_pattern=field.value_pattern)
            sealed_rows = rows.select(*transform.columns()).mapInArrow(of_field.apply, produced)
            staged.append(
                sealed_rows.select(
                    *(
                        columns.get(column.name, F.lit(None)).cast(column.dataType).alias(column.name)
                        for column in staging(arguments.id_type)
                    )
                )
            )
        return reduce(DataFrame.unionAll, staged)

    def _report(self, keys: DataKeys) -> None:
        """Counts the rows in the staging table, because tasks that are retried add to accumulators twice.

        Counting all rows and grouping the rejected ones are two queries: together they would read every row.
        """
        written = self._tables.written()
        total = written.count()
        if total != keys.sizes.values:
            raise RunError("count-mismatch", f"{keys.sizes.values} values selected, {total} rows staged")
        rejected = written.where(F.col("reason").isNotNull()).groupBy("reason").count().collect()
        by_reason = {row["reason"]: int(row["count"]) for row in rejected}
        sealed = total - sum(by_reason.values())
        application_lines.counts(keys.sizes.values, sealed, by_reason, keys.calls, keys.distinct)

    def _clean(self) -> None:
        """Removes the scratch folder, if there is one.

        Failing to remove it does not fail the run: without the session key its contents are useless.
        """
        context: Any = self._spark.sparkContext
        with suppress(Py4JError):
            path = context._jvm.org.apache.hadoop.fs.Path(self._tables.scratch())
            path.getFileSystem(context._jsc.hadoopConfiguration()).delete(path, True)
