"""Ids of every type: their texts, and runs over tables that have them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from reseal.row_ids import texts
from support.fake_kms import FakeKms
from support.rows import run, token, user
from support.tables import World, read_back, write_input


@dataclass
class Ids:
    """Ids of a type in ascending order, with the texts that BigQuery's CAST to STRING gives."""

    name: str
    arrow: Any
    values: dict[str, Any]


UTC = timezone.utc
ALL = [
    Ids("INT64", pa.int64(), {str(n): n for n in (-(2**63), -5, 0, 2**53 + 1, 2**63 - 1)}),
    Ids("STRING", pa.string(), {text: text for text in ("", "\n", "'\"`\\", "a b", "größe", "\U0001f600")}),
    Ids(
        "NUMERIC",
        pa.decimal128(38, 9),
        {text: Decimal(text) for text in ("-1.5", "0", "0.000000001", "1.2", "100", "9" * 29)},
    ),
    Ids("BOOL", pa.bool_(), {"false": False, "true": True}),
    Ids(
        "DATE",
        pa.date32(),
        {text: date.fromisoformat(text) for text in ("0001-01-01", "1969-12-31", "2024-02-29")},
    ),
    Ids(
        "DATETIME",
        pa.timestamp("us"),
        {
            "1969-12-31 23:59:59": datetime(1969, 12, 31, 23, 59, 59),
            "2024-02-29 03:04:05": datetime(2024, 2, 29, 3, 4, 5),
            "2024-02-29 03:04:05.100": datetime(2024, 2, 29, 3, 4, 5, 100_000),
            "2024-02-29 03:04:05.123456": datetime(2024, 2, 29, 3, 4, 5, 123_456),
        },
    ),
    Ids(
        "TIMESTAMP",
        pa.timestamp("us", tz="UTC"),
        {
            "1969-12-31 23:59:59.999999+00": datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC),
            "2024-02-29 03:04:05+00": datetime(2024, 2, 29, 3, 4, 5, tzinfo=UTC),
            "2024-02-29 03:04:05.120+00": datetime(2024, 2, 29, 3, 4, 5, 120_000, UTC),
        },
    ),
]
EACH = pytest.mark.parametrize("ids", ALL, ids=[ids.name for ids in ALL])


@EACH
def test_texts_are_those_of_bigquery(ids: Ids) -> None:
    assert [text.decode() for text in texts(pa.array(ids.values.values(), ids.arrow))] == list(ids.values)


def test_a_moment_is_written_in_utc() -> None:
    moments = pa.array([datetime(2024, 2, 29, 3, 4, 5, tzinfo=UTC)], pa.timestamp("us", tz="Asia/Tokyo"))
    assert texts(moments) == [b"2024-02-29 03:04:05+00"]


@EACH
def test_a_run_between_two_ids(spark: SparkSession, tmp_path: Path, ids: Ids) -> None:
    world = World()
    kms = FakeKms(world.kms_keys())
    named = list(ids.values)
    users = [{**user(world, 0, f"u{n}@x"), "id": ids.values[text]} for n, text in enumerate(named)]
    # The second of those that are left is known to be rejected.
    known = {
        "field": "email",
        "source_format": "gcm",
        "reason": "encoding",
        "rejected_from": token(users[-1]),
    }
    write_input(tmp_path / "in", world, users, [{"id": users[-1]["id"], **known}], ids.arrow)
    first = str(int(named[0]) + 1) if ids.name == "INT64" else f">{named[0]}"
    # Of two ids the second is known, so the first has to be taken.
    begin = 0 if ids.name == "BOOL" else 1
    first = first if begin else ""
    last = named[-1] if ids.name == "INT64" else f"<={named[-1]}"
    rows = run(spark, tmp_path, kms, id_type=ids.name, id_from=first, id_cutoff=last)
    aads = {text: aad for aad, text in zip(named, map(_same(ids), ids.values.values()), strict=True)}
    opened = {
        aads[_same(ids)(row["id"])]: read_back(world, row, "row", aads[_same(ids)(row["id"])].encode())
        for row in rows
    }
    assert opened == {text: f"u{n}@x" for n, text in enumerate(named) if begin <= n < len(named) - 1}
    kms.close()


@pytest.mark.parametrize("ids", ALL[:2], ids=["INT64", "STRING"])
def test_no_value_without_an_id(spark: SparkSession, tmp_path: Path, ids: Ids) -> None:
    world = World()
    kms = FakeKms(world.kms_keys())
    some = next(iter(ids.values.values()))
    users = [{**user(world, 0, "u@x"), "id": value} for value in (some, None)]
    write_input(tmp_path / "in", world, users, id_type=ids.arrow)
    rows = run(spark, tmp_path, kms, id_type=ids.name, id_cutoff="")
    assert [row["id"] for row in rows] == [some]
    kms.close()


def _same(ids: Ids) -> Callable[[Any], Any]:
    """What tells two values of a type apart, whatever zone a moment comes back in."""
    return (lambda value: value.astimezone(UTC)) if ids.name == "TIMESTAMP" else (lambda value: value)
