"""Tasks that fail or are killed half-way, once. Spark's workers import them by name."""

import os
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from reseal.transform import Transform
from reseal.unwrapping import UnwrapResult, UnwrapTask

# The environment variable with the path of a file that the first failure creates.
MARKER = "RESEAL_TEST_MARKER"


def _first() -> bool:
    """Whether this is the first failure, in whichever process."""
    try:
        Path(os.environ[MARKER]).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


class Failing(Transform):
    """A sealing task that fails after its first record batch, and succeeds when it is tried again."""

    def apply(self, record_batches: Iterable[Any]) -> Iterable[Any]:
        for number, record_batch in enumerate(super().apply(record_batches)):
            yield record_batch
            if number == 0 and _first():
                self.fail()

    def fail(self) -> None:
        raise RuntimeError("a task failed on purpose")


class Killed(Failing):
    """A Python worker that is killed."""

    def fail(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class ExecutorKilled(Failing):
    """An executor that is killed: the parent of the daemon that forks the workers."""

    def fail(self) -> None:
        status = Path(f"/proc/{os.getppid()}/status").read_text()
        executor = next(line.split()[1] for line in status.splitlines() if line.startswith("PPid:"))
        os.kill(int(executor), signal.SIGKILL)


class KilledWhileUnwrapping(UnwrapTask):
    """A Python worker that is killed when it has unwrapped some of its keys."""

    def keys(self, deks: Iterable[str]) -> Iterable[UnwrapResult]:  # type: ignore[override]
        for number, key in enumerate(super().keys(deks)):
            if number == 10 and _first():
                os.kill(os.getpid(), signal.SIGKILL)
            yield key
