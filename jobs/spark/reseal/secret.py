"""Bytes that no log, error or repr may show."""

from dataclasses import dataclass


@dataclass(frozen=True, repr=False, slots=True)
class Secret:
    """A key on its way into a task: pickled with the task's closure, never printed."""

    value: bytes

    def __repr__(self) -> str:
        return "Secret(…)"
