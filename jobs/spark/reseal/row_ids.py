"""The ids of rows: their types, their bounds, and their text, which is the AAD of every sealed value.

The twin of jobs/contract/sql/row-ids.ts: the text is that of BigQuery's CAST to STRING, TIMESTAMP in UTC.
https://cloud.google.com/bigquery/docs/reference/standard-sql/conversion_functions#cast_as_string
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
from pyspark.sql import Column
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention
from pyspark.sql.types import (
    BooleanType,
    DataType,
    DateType,
    DecimalType,
    LongType,
    StringType,
    TimestampNTZType,
    TimestampType,
)

from reseal.arguments import Arguments, IdType

EPOCH = datetime(1970, 1, 1)

TYPES: dict[IdType, DataType] = {
    "INT64": LongType(),
    "STRING": StringType(),
    # 29 digits before the point and nine behind it.
    "NUMERIC": DecimalType(38, 9),
    "BOOL": BooleanType(),
    "DATE": DateType(),
    "DATETIME": TimestampNTZType(),
    "TIMESTAMP": TimestampType(),
}


def within(ids: Column, arguments: Arguments) -> Column:
    """Whether ids are between the bounds of the run: of INT64 both inclusive, of others `>a` and `<=b`.

    NULL, which a table of the application's own may have for an id, is between none.
    """
    lowest, highest = arguments.id_from, arguments.id_cutoff
    if arguments.id_type == "INT64":
        conditions = [ids >= int(lowest)] if lowest else []
        conditions += [ids <= int(highest)] if highest else []
    else:
        # Text is compared byte by byte, as BigQuery does, and never becomes part of a filter's text.
        plain = arguments.id_type == "STRING"
        own = ids.cast("binary") if plain else ids
        kind = "binary" if plain else TYPES[arguments.id_type]
        conditions = [own > F.lit(lowest[1:]).cast(kind)] if lowest else []
        conditions += [own <= F.lit(highest[2:]).cast(kind)] if highest else []
    every = ids.isNotNull()
    for condition in conditions:
        every &= condition
    return every


def texts(ids: Any) -> list[bytes]:
    """The texts of an Arrow array of ids."""
    kind = ids.type
    if pa.types.is_decimal(kind):
        return [_decimal(value) for value in ids.to_pylist()]
    if pa.types.is_timestamp(kind):
        zone = "" if kind.tz is None else "+00"
        micros = ids.cast(pa.timestamp("us", kind.tz)).cast(pa.int64())
        return [_moment(value, zone) for value in micros.to_pylist()]
    # Whole numbers, texts, `true` and `false`, and dates.
    from reseal.columns import objects

    return objects(ids.cast(pa.string()).cast(pa.binary()))


def _decimal(value: Decimal) -> bytes:
    """Without an exponent, and without zeros behind the last digit of a fraction."""
    text = f"{value:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return b"0" if text in ("0", "-0") else text.encode()


def _moment(micros: int, zone: str) -> bytes:
    """A fraction has three digits or six, or there is none."""
    moment = EPOCH + timedelta(microseconds=micros)
    spec = (
        "seconds"
        if not moment.microsecond
        else "microseconds"
        if moment.microsecond % 1000
        else "milliseconds"
    )
    return f"{moment.isoformat(' ', spec)}{zone}".encode()
