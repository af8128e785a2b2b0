"""Where rows come from and where they go: BigQuery's tables, or Parquet folders of the same schemas."""

from typing import Any, Protocol

from pyspark.sql import DataFrame, DataFrameReader, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention
from pyspark.sql.types import (
    BinaryType,
    BooleanType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

from reseal.arguments import Arguments, IdType
from reseal.errors import RunError
from reseal.row_ids import TYPES

# The staging table (jobs/contract/tables.ts) but its id.
STAGED = StructType(
    [
        StructField("cipher_text", StringType()),
        StructField("dek", StringType()),
        StructField("decrypted_email", StringType()),
        StructField("bq_encryption_key", BinaryType()),
        StructField("bq_encrypted_email", BinaryType()),
        StructField("run_id", StringType()),
        StructField("attempt", StringType()),
        StructField("field", StringType()),
        StructField("resealed_from", BinaryType()),
        StructField("reason", StringType()),
        StructField("unauthenticated", BooleanType()),
        StructField("dek_fingerprint", StringType()),
    ]
)
REJECTED = StructType(
    [
        StructField("field", StringType()),
        StructField("source_format", StringType()),
        StructField("reason", StringType()),
        StructField("value_pattern", StringType()),
        StructField("rejected_from", BinaryType()),
    ]
)
RUNS = StructType(
    [
        StructField("keying", StringType()),
        StructField("source_format", StringType()),
        StructField("keyset_version", LongType()),
        StructField("resealed_at", TimestampType()),
    ]
)
KEYSETS = StructType([StructField("version", LongType()), StructField("wrapped", BinaryType())])


def staging(id_type: IdType) -> StructType:
    """The staging table. Its id is REQUIRED, and a load job compares modes."""
    return StructType([StructField("id", TYPES[id_type], nullable=False), *STAGED])


class Storage(Protocol):
    """The seam between the application and its tables."""

    def source(self) -> DataFrame:
        """The users table, as of the run's snapshot."""

    def rejected(self) -> DataFrame:
        """The rows rejected so far."""

    def keysets(self) -> DataFrame:
        """The wrapped first-level keysets."""

    def runs(self) -> DataFrame:
        """The ledger."""

    def write(self, staging: DataFrame) -> None:
        """Adds this run's rows to the staging table, all or none."""

    def written(self) -> DataFrame:
        """The run's rows of the staging table."""

    def scratch(self) -> str:
        """A folder of this run, for results that must not be computed twice."""


class BigQuery:
    """Reads by the Storage Read API; writes Parquet files to the bucket, then one load job.

    https://github.com/GoogleCloudDataproc/spark-bigquery-connector
    """

    def __init__(self, spark: SparkSession, arguments: Arguments) -> None:
        self._spark = spark
        self._arguments = arguments
        self._bucket = arguments.bucket.removeprefix("gs://").rstrip("/")

    def _name(self, table: str) -> str:
        return f"{self._arguments.project}.{self._arguments.dataset}.{table}"

    def _reader(self) -> DataFrameReader:
        return self._spark.read.format("bigquery").option("parentProject", self._arguments.project)

    def source(self) -> DataFrame:
        """Reads the run's snapshot: the rows that the plan counted, even if they have changed since."""
        reader = self._reader().option("snapshotTimeMillis", self._arguments.snapshot_millis)
        column = self._arguments.partition_column
        if column is not None:
            # True of every row: Spark would leave out a condition of its own that is, and with it the filter
            # that require_partition_filter asks for.
            reader = reader.option("filter", f"(`{column}` IS NULL OR `{column}` IS NOT NULL)")
        return reader.load(self._name(self._arguments.source))

    def rejected(self) -> DataFrame:
        """Reads users_rejected as of the run's snapshot: what the plan took into account."""
        reader = self._reader().option("snapshotTimeMillis", self._arguments.snapshot_millis)
        return reader.load(self._name(self._arguments.rejected))

    def keysets(self) -> DataFrame:
        """Reads keysets."""
        return self._reader().load(self._name(self._arguments.keysets))

    def runs(self) -> DataFrame:
        """Reads the ledger as it is: the moment of a run never changes once a row carries it."""
        return self._reader().load(self._name(self._arguments.runs))

    def write(self, staging: DataFrame) -> None:
        """Appends by one load job, so that a failed batch leaves nothing in the table."""
        writer = staging.write.format("bigquery").mode("append")
        options = {
            "parentProject": self._arguments.project,
            "writeMethod": "indirect",
            "temporaryGcsBucket": self._bucket,
            "intermediateFormat": "parquet",
            "createDisposition": "CREATE_NEVER",
        }
        writer.options(**options).save(self._name(self._arguments.staging))

    def written(self) -> DataFrame:
        """Reads the run's rows back."""
        table = self._reader().load(self._name(self._arguments.staging))
        return table.where(
            (F.col("run_id") == self._arguments.run_id) & (F.col("attempt") == self._arguments.attempt)
        )

    def scratch(self) -> str:
        """Beside the connector's own temporary files."""
        return f"gs://{self._bucket}/reseal-{self._arguments.run_id}"


class Parquet:
    """Folders users, users_rejected, keysets and runs under --input; staged rows in --output."""

    def __init__(self, spark: SparkSession, arguments: Arguments) -> None:
        self._spark = spark
        self._arguments = arguments

    def _read(self, folder: str, schema: StructType) -> DataFrame:
        return self._spark.read.schema(schema).parquet(f"{self._arguments.input}/{folder}")

    def source(self) -> DataFrame:
        """Reads users; the folder itself is the snapshot."""
        id_column, id_type = self._arguments.id_column, TYPES[self._arguments.id_type]
        columns = {id_column: StructField(id_column, id_type)}
        for field in self._arguments.fields:
            columns[field.cipher_text] = StructField(field.cipher_text, StringType())
            columns[field.dek] = StructField(field.dek, StringType())
            for name in (field.resealed_from, field.sealed, field.key):
                columns[name] = StructField(name, BinaryType())
            columns[field.resealed_at] = StructField(field.resealed_at, TimestampType())
        return self._read("users", StructType(list(columns.values())))

    def rejected(self) -> DataFrame:
        """Reads users_rejected."""
        return self._read(
            "users_rejected", StructType([StructField("id", TYPES[self._arguments.id_type]), *REJECTED])
        )

    def keysets(self) -> DataFrame:
        """Reads keysets."""
        return self._read("keysets", KEYSETS)

    def runs(self) -> DataFrame:
        """Reads runs."""
        return self._read("runs", RUNS)

    def write(self, staging: DataFrame) -> None:
        """Replaces the output folder, which belongs to this run."""
        staging.write.mode("overwrite").parquet(self._arguments.output)

    def written(self) -> DataFrame:
        """Reads the output folder back."""
        return self._spark.read.schema(staging(self._arguments.id_type)).parquet(self._arguments.output)

    def scratch(self) -> str:
        """Beside the output folder."""
        return f"{self._arguments.output.rstrip('/')}.scratch"


# Unique or random in every row: Parquet would build a dictionary of them, find it too large and discard it.
RANDOM_COLUMNS = ("id", "bq_encryption_key", "bq_encrypted_email", "resealed_from")


def write_plainly(spark: SparkSession) -> None:
    """Has values written as they are: compression and dictionaries cannot make ciphertexts smaller.

    https://github.com/apache/parquet-java/blob/master/parquet-hadoop/README.md
    """
    spark.conf.set("spark.sql.parquet.compression.codec", "uncompressed")
    # Days and moments of ids are of the proleptic Gregorian calendar, as in BigQuery, and moments as exact.
    for kind in ("datetimeRebaseMode", "int96RebaseMode"):
        for direction in ("Read", "Write"):
            spark.conf.set(f"spark.sql.parquet.{kind}In{direction}", "CORRECTED")
    spark.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
    context: Any = spark.sparkContext
    settings = context._jsc.hadoopConfiguration()
    for column in RANDOM_COLUMNS:
        settings.setBoolean(f"parquet.enable.dictionary#{column}", False)


def storage(spark: SparkSession, arguments: Arguments) -> Storage:
    """The storage that --storage names."""
    write_plainly(spark)
    return BigQuery(spark, arguments) if arguments.storage == "bigquery" else Parquet(spark, arguments)


def wrapped_keyset(tables: Storage, version: int) -> bytes:
    """The first-level keyset of a version as Cloud KMS encrypted it. Raises RunError `keyset`."""
    rows = tables.keysets().where(F.col("version") == version).select("wrapped").take(1)
    if not rows:
        raise RunError("keyset", f"the keysets table has no version {version}")
    return bytes(rows[0]["wrapped"])
