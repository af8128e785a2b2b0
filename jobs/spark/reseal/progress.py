"""What the batch says on the driver's output: one JSON object a line, counts and phases, never a value."""

import json
import sys
from typing import Literal

Phase = Literal["read", "unwrap", "seal"]


def _line(kind: str, **members: object) -> None:
    sys.stdout.write(json.dumps({"reseal": kind, **members}) + "\n")
    sys.stdout.flush()


def progress(phase: Phase, **numbers: int) -> None:
    """A phase has begun or got on."""
    _line("progress", phase=phase, **numbers)


def counts(selected: int, staged: int, rejected: dict[str, int], kms_calls: int, distinct_deks: int) -> None:
    """The run's last line when it went well."""
    _line(
        "counts",
        selected=selected,
        staged=staged,
        rejected=dict(sorted(rejected.items())),
        kms_calls=kms_calls,
        distinct_deks=distinct_deks,
    )


def error(code: str, message: str) -> None:
    """The run's last line when it failed."""
    _line("error", code=code, message=message)
