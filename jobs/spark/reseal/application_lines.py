"""The application's own lines in the driver's output: JSON objects with counts and phases, never a value.

jobs/engines/dataproc/application-lines.ts reads them.
"""

import json
import sys
from typing import Literal

Phase = Literal["read", "unwrap", "seal"]


def _write(kind: str, **members: object) -> None:
    sys.stdout.write(json.dumps({"reseal": kind, **members}) + "\n")
    sys.stdout.flush()


def progress(phase: Phase, *, rows: int, deks: int) -> None:
    """Reports that a phase has begun, or what it has found."""
    _write("progress", phase=phase, rows=rows, deks=deks)


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
