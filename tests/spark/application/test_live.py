"""How far a phase is, told by a thread while Spark works."""

import json
import os
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from pyspark import TaskContext
from pyspark.sql import SparkSession

from reseal import live
from support.fake_kms import FakeKms
from support.rows import run, user
from support.tables import World, write_input

ROWS = 40_000
RECORD_BATCH = 2_000


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "FIRST_SECONDS", 0.3)


def told(capsys: pytest.CaptureFixture[str], phase: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    return [line for line in lines if line["reseal"] == "live" and line["phase"] == phase]


def watchers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("live-")]


class Slow:
    """Named as Transform's method is; the first attempt of a task fails when it has put out half its rows."""

    def apply(self, record_batches: Iterable[Any]) -> Iterable[Any]:
        context = TaskContext.get()
        assert context is not None
        for number, record_batch in enumerate(record_batches):
            if number == 5 and context.partitionId() == 0 and context.attemptNumber() == 0:
                raise RuntimeError("a task failed on purpose")
            time.sleep(0.15)
            yield record_batch


def test_sealed_rows_are_told_while_they_come_and_no_row_twice(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", str(RECORD_BATCH))
    frame = spark.range(0, ROWS, 1, 2).mapInArrow(Slow().apply, "id long")
    with live.live(spark, "seal", ROWS):
        frame.write.parquet(str(tmp_path / "out"))
    spark.conf.unset("spark.sql.execution.arrow.maxRecordsPerBatch")
    lines = told(capsys, "seal")
    done = [line["done"] for line in lines]
    assert len(done) >= 2
    assert done == sorted(set(done)), "a line for a change alone"
    assert done[-1] <= ROWS
    assert all(set(line) == {"reseal", "phase", "done", "of", "a_second"} for line in lines)
    assert all(line["of"] == ROWS and 0 < line["a_second"] < 100_000 for line in lines)
    assert watchers() == []


@pytest.mark.parametrize("few", ["200000", "0"], ids=["broadcast", "join"])
def test_kms_calls_are_told_while_they_are_made(
    spark: SparkSession,
    tmp_path: Path,
    world: World,
    kms: FakeKms,
    capsys: pytest.CaptureFixture[str],
    few: str,
) -> None:
    keys = 2_000
    write_input(tmp_path / "in", world, [user(world, n, f"u{n}@x", os.urandom(32)) for n in range(keys)])
    run(spark, tmp_path, kms, kms_calls_per_second="600", broadcast_deks=few)
    lines = told(capsys, "unwrap")
    assert lines
    assert all(0 < line["done"] <= keys and line["of"] == keys for line in lines)
    # As many as the rate lets through; the results of a task arrive in packs of some five hundred.
    assert 100 < lines[-1]["a_second"] < 1_200


def test_the_thread_ends_with_its_phase_also_when_that_fails(spark: SparkSession) -> None:
    with pytest.raises(ValueError, match="on purpose"), live.live(spark, "seal", 1):
        assert len(watchers()) == 1
        raise ValueError("on purpose")
    assert watchers() == []


def test_what_cannot_be_read_stops_nothing(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> int:
        raise AttributeError("Spark has changed")

    monkeypatch.setattr(live, "rows", broken)
    with live.live(spark, "seal", 1):
        watchers()[0].join(10)
        assert watchers() == []
    assert told(capsys, "seal") == []


def test_a_batch_of_hours_writes_some_hundred_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "FIRST_SECONDS", 5.0)
    elapsed, lines = 0.0, 0
    while elapsed < 4 * 3600:
        elapsed += live.pause(elapsed)
        lines += 1
    assert 250 < lines < 320
    assert live.pause(0) == live.pause(100) == 5
    assert live.pause(20 * 60) == live.pause(86_400) == 60
