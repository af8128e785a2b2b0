"""The application's own lines in the driver's output: JSON objects with counts and phases, never a value.

jobs/engines/dataproc/application-lines.ts reads them.
"""

import json
import sys
import threading
from typing import Literal

Phase = Literal["read", "unwrap", "seal"]
# The thread of reseal/live.py writes lines as well.
_writing = threading.Lock()


def _write(kind: str, **members: object) -> None:
    with _writing:
        sys.stdout.write(json.dumps({"reseal": kind, **members}) + "\n")
        sys.stdout.flush()


def progress(phase: Phase, *, rows: int, deks: int) -> None:
    """Reports that a phase has begun, or what it has found."""
    _write("progress", phase=phase, rows=rows, deks=deks)


def live(phase: Literal["unwrap", "seal"], *, done: int, of: int, a_second: float) -> None:
    """Reports how many data keys are unwrapped or values dealt with so far, and how many a second lately."""
    _write("live", phase=phase, done=done, of=of, a_second=round(a_second, 1))


def counts(selected: int, staged: int, rejected: dict[str, int], kms_calls: int, distinct_deks: int) -> None:
    """Reports a successful run; its last line."""
    _write(
        "counts",
        selected=selected,
        staged=staged,
        rejected=dict(sorted(rejected.items())),
        kms_calls=kms_calls,
        distinct_deks=distinct_deks,
    )


def error(code: str, message: str) -> None:
    """Reports a failed run; its last line."""
    _write("error", code=code, message=message)
