"""How far unwrapping or sealing is, told while it goes on.

The counts are Spark's own SQL metrics, which executors send along with their heartbeats (by default every
10 s). They are shown and never recorded: what a run did is counted in its tables.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event, Thread
from time import monotonic
from typing import Any, Literal

from pyspark.sql import SparkSession

from reseal import application_lines

# The first line comes after so long, and further ones with every twentieth more of the time, at least once a
# minute: some 300 lines in the four hours that a batch may take by default.
FIRST_SECONDS = 5.0
SHARE_OF_TIME = 20
LONGEST_SECONDS = 60.0
# The rate is that of so long a time at least: three heartbeats.
WINDOW_SECONDS = 30.0
# Whoever ends a phase does not wait longer for the thread, which may be talking to the JVM.
END_SECONDS = 5.0
# Of so many of the latest executions some are running, if any is.
EXECUTIONS = 20


@dataclass(frozen=True)
class Operator:
    """The operator of a physical plan whose output rows are what a phase has done."""

    name: str
    # How Spark's description of it goes on after its name.
    described: str


Counted = Literal["unwrap", "seal"]
OPERATORS: dict[Counted, Operator] = {
    # createDataFrame over the results of UnwrapTask.keys (data_keys.RESULTS).
    "unwrap": Operator("Scan ExistingRDD", "[dek#"),
    # mapInArrow of Transform.apply; PythonMapInArrow in Spark 3.5, MapInArrow from 4.0 on.
    "seal": Operator("MapInArrow", " apply("),
}


@contextmanager
def live(spark: SparkSession, phase: Counted, of: int) -> Iterator[None]:
    """Has a thread tell how many of `of` are done, until the block is left, however it is."""
    ended = Event()
    # Spark's internals may change: what cannot be shown stops no run.
    thread = Thread(target=_tell_safely, args=(spark, phase, of, ended), name=f"live-{phase}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(END_SECONDS)


def _tell_safely(spark: SparkSession, phase: Counted, of: int, ended: Event) -> None:
    with suppress(Exception):
        _tell(spark, phase, of, ended)


def _tell(spark: SparkSession, phase: Counted, of: int, ended: Event) -> None:
    started = monotonic()
    steps = deque([(started, 0)])
    wait = FIRST_SECONDS
    while not ended.wait(wait):
        done, now = rows(spark, OPERATORS[phase]), monotonic()
        wait = pause(now - started)
        if done <= steps[-1][1] or ended.is_set():
            continue
        steps.append((now, done))
        while len(steps) > 2 and steps[1][0] <= now - WINDOW_SECONDS:
            steps.popleft()
        since, before = steps[0]
        application_lines.live(phase, done=min(done, of), of=of, a_second=(done - before) / (now - since))


def pause(elapsed: float) -> float:
    """The seconds to the next line, `elapsed` seconds after the phase began."""
    return min(max(FIRST_SECONDS, elapsed / SHARE_OF_TIME), LONGEST_SECONDS)


def rows(spark: SparkSession, operator: Operator) -> int:
    """The rows that the operator has put out so far in the execution that is running; 0 if none is.

    Reads what the SQL page of Spark's UI shows, which exists without the page as well
    (org.apache.spark.sql.execution.ui.SQLAppStatusStore).
    """
    context: Any = spark
    store = context._jsparkSession.sharedState().statusStore()
    executions = store.executionsList(max(0, store.executionsCount() - EXECUTIONS), EXECUTIONS)
    running = [each for each in _each(executions) if not each.completionTime().isDefined()]
    # One execution may run inside another; both show the same rows.
    return max((_of_execution(store, each.executionId(), operator) for each in running), default=0)


def _of_execution(store: Any, execution: int, operator: Operator) -> int:
    values = store.executionMetrics(execution)
    total = 0
    for node in _each(store.planGraph(execution).allNodes()):
        name = str(node.name())
        if not name.endswith(operator.name) or not str(node.desc()).startswith(name + operator.described):
            continue
        for metric in _each(node.metrics()):
            if metric.name() == "number of output rows":
                value = values.get(metric.accumulatorId())
                total += int(value.get().replace(",", "")) if value.isDefined() else 0
    return total


def _each(sequence: Any) -> list[Any]:
    """The members of a Scala sequence."""
    return [sequence.apply(at) for at in range(sequence.size())]
