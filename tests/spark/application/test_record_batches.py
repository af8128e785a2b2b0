"""Record batches on their way to Python, which are bounded in bytes where values are large."""

import os
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from reseal import record_batches
from reseal.record_batches import MOST_ROWS, SETTING, Sizes, rows_a_batch
from reseal.storage import Parquet
from support.fake_kms import FakeKms
from support.rows import run, user
from support.tables import World, read_back, write_input

MIB = 2**20


@pytest.mark.parametrize(
    ("sizes", "rows"),
    [
        (Sizes(0, 0, 0), MOST_ROWS),
        (Sizes(5, 0, 0), MOST_ROWS),
        # An e-mail address.
        (Sizes(10**9, 76 * 10**9, 500), MOST_ROWS),
        (Sizes(10**6, 3_000 * 10**6, 7_000), MOST_ROWS),
        (Sizes(10_000, 10_000 * 48_000, 48_000), 699),
        (Sizes(10_000, 10_000 * 110_000, 110_000), 305),
        # One long value among short ones: what goes by the mean alone would be right only by chance.
        (Sizes(10**6, 77 * 10**6, MIB), 128),
        (Sizes(3, 3 * 90 * MIB, 90 * MIB), 1),
        (Sizes(1, 300 * MIB, 300 * MIB), 1),
    ],
)
def test_rows_by_the_sizes_of_values(sizes: Sizes, rows: int) -> None:
    assert rows_a_batch(sizes) == rows


@pytest.mark.parametrize("few", ["200000", "0"], ids=["broadcast", "join"])
def test_large_values_go_in_small_batches(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few: str
) -> None:
    monkeypatch.setattr(record_batches, "MOST_BYTES", 100_000)
    at_write: list[str] = []
    write = Parquet.write

    def noted(tables: Parquet, staging: DataFrame) -> None:
        at_write.append(spark.conf.get(SETTING) or "")
        write(tables, staging)

    monkeypatch.setattr(Parquet, "write", noted)
    world = World()
    kms = FakeKms(world.kms_keys())
    key = os.urandom(32)
    users = [user(world, n, "x" * (30_000 if n == 3 else 10), key) for n in range(20)]
    longest = len(users[3]["cipher_text"])
    write_input(tmp_path / "in", world, users)
    rows = run(spark, tmp_path, kms, broadcast_deks=few)
    assert at_write == [str(100_000 // longest)] == ["2"]
    assert {row["id"]: len(read_back(world, row, "row")) for row in rows} == {
        n: 30_000 if n == 3 else 10 for n in range(20)
    }
    kms.close()
