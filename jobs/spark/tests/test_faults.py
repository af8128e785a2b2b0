"""Tasks, workers and executors that die half-way."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from reseal import app, datakeys
from reseal.transform import Transform
from reseal.unwrap import UnwrappedKey, Unwrapper
from tests.fake_kms import FakeKms
from tests.tables import SOURCE_KEK, Row, World, arguments, read_back, staged, write_input
from tests.test_application import run, user

ROWS = 3000


def once(marker: Path) -> bool:
    """Whether this is the first time, in whichever process."""
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


class Failing(Transform):
    """A sealing task that fails after its first batch, and works when it is tried again."""

    def batches(self, batches: Iterable[Any]) -> Iterable[Any]:
        for number, batch in enumerate(super().batches(batches)):
            yield batch
            if number == 0 and once(Path(os.environ["RESEAL_TEST_MARKER"])):
                self.fail()

    def fail(self) -> None:
        raise RuntimeError("a task failed on purpose")


class Killed(Failing):
    """A Python worker that is killed."""

    def fail(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class ExecutorKilled(Failing):
    """An executor that is killed: the worker's daemon is its child."""

    def fail(self) -> None:
        status = Path(f"/proc/{os.getppid()}/status").read_text()
        executor = next(line.split()[1] for line in status.splitlines() if line.startswith("PPid:"))
        os.kill(int(executor), signal.SIGKILL)


class KilledWhileUnwrapping(Unwrapper):
    """A Python worker that is killed when it has unwrapped some of its keys."""

    def keys(self, deks: Iterable[str]) -> Iterable[UnwrappedKey]:  # type: ignore[override]
        for number, key in enumerate(super().keys(deks)):
            if number == 10 and once(Path(os.environ["RESEAL_TEST_MARKER"])):
                os.kill(os.getpid(), signal.SIGKILL)
            yield key


@pytest.fixture
def marker(tmp_path: Path, spark: SparkSession) -> Iterable[Path]:
    """Workers see the environment of the moment in which they are started: the daemon's goes first."""
    path = tmp_path / "marker"
    context: Any = spark.sparkContext
    context.environment["RESEAL_TEST_MARKER"] = str(path)
    yield path
    del context.environment["RESEAL_TEST_MARKER"]


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
    monkeypatch.setattr(datakeys, "Unwrapper", KilledWhileUnwrapping)
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
from tests.test_faults import ExecutorKilled
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
        env={**os.environ, "RESEAL_TEST_MARKER": str(marker)},
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
