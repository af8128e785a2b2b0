"""Runs whose tasks, workers or executors die half-way."""

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from reseal import app, data_keys
from reseal.transform import Transform
from support.failing_tasks import MARKER, Failing, Killed, KilledWhileUnwrapping
from support.fake_kms import FakeKms
from support.rows import run, user
from support.tables import SOURCE_KEK, Row, World, arguments, read_back, staged, write_input

ROWS = 3000


@pytest.fixture
def marker(tmp_path: Path, spark: SparkSession) -> Iterable[Path]:
    """The file that the first failure creates; its path reaches workers through Spark's environment."""
    path = tmp_path / "marker"
    context: Any = spark.sparkContext
    context.environment[MARKER] = str(path)
    yield path
    del context.environment[MARKER]


def check(world: World, rows: list[Row], kms: FakeKms) -> None:
    assert sorted(row["id"] for row in rows) == list(range(ROWS)), "no row twice, none lost"
    assert {row["id"]: read_back(world, row, "row") for row in rows} == {n: f"u{n}@x" for n in range(ROWS)}


def users(world: World) -> list[Row]:
    keys = [(key, None) for key in (os.urandom(32) for _ in range(50))]
    rows = [user(world, n, f"u{n}@x", keys[n % 50][0]) for n in range(ROWS)]
    for n, row in enumerate(rows):
        row["dek"] = rows[n % 50]["dek"]
    return rows


@pytest.mark.parametrize(
    ("broken", "few"), [(Failing, "200000"), (Killed, "0")], ids=["failing-broadcast", "killed-join"]
)
def test_a_task_that_dies_is_tried_again(
    spark: SparkSession,
    tmp_path: Path,
    world: World,
    kms: FakeKms,
    marker: Path,
    monkeypatch: pytest.MonkeyPatch,
    broken: type[Transform],
    few: str,
) -> None:
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "200")
    write_input(tmp_path / "in", world, users(world))
    monkeypatch.setattr(app, "Transform", broken)
    rows = run(spark, tmp_path, kms, broadcast_deks=few)
    spark.conf.unset("spark.sql.execution.arrow.maxRecordsPerBatch")
    assert marker.exists(), "the task did die"
    check(world, rows, kms)
    assert kms.decrypts(SOURCE_KEK) == 50
    assert set(kms.calls.values()) == {1}, "what was unwrapped is not unwrapped again"


@pytest.mark.parametrize("few", ["200000", "0"], ids=["broadcast", "join"])
def test_a_worker_that_dies_while_unwrapping(
    spark: SparkSession,
    tmp_path: Path,
    world: World,
    kms: FakeKms,
    marker: Path,
    monkeypatch: pytest.MonkeyPatch,
    few: str,
) -> None:
    write_input(tmp_path / "in", world, users(world))
    monkeypatch.setattr(data_keys, "UnwrapTask", KilledWhileUnwrapping)
    rows = run(spark, tmp_path, kms, broadcast_deks=few)
    assert marker.exists()
    check(world, rows, kms)
    # The task that died asks again, and only for its own partition.
    assert set(kms.calls.values()) <= {1, 2}


EXECUTORS = """
import sys
from pyspark.sql import SparkSession
from reseal import app
from reseal.arguments import parse
from support.failing_tasks import ExecutorKilled
app.Transform = ExecutorKilled
builder = SparkSession.builder.master("local-cluster[2,1,1024]").config("spark.ui.enabled", "false")
builder = builder.config("spark.sql.execution.arrow.maxRecordsPerBatch", "200")
app.Run(builder.getOrCreate(), parse(sys.argv[1:])).run()
"""


def test_an_executor_that_dies(tmp_path: Path, world: World, kms: FakeKms) -> None:
    write_input(tmp_path / "in", world, users(world))
    marker = tmp_path / "marker"
    done = subprocess.run(
        [sys.executable, "-c", EXECUTORS, *arguments(tmp_path, kms.endpoint)],
        env={**os.environ, MARKER: str(marker)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert marker.exists()
    assert "Lost executor" in done.stderr
    check(world, staged(tmp_path), kms)
    assert set(kms.calls.values()) == {1}
