"""What a row can be refused for, and what a run can fail of."""

from typing import Literal

# The vocabulary of users_rejected.reason, the same in every language (jobs/envelope/reasons.ts).
Reason = Literal[
    "encoding",
    "truncated",
    "iv-length",
    "block-length",
    "padding",
    "key-length",
    "authentication",
    "version",
    "unknown-key",
    "plaintext-not-utf8",
    "dek-refused",
]


class Refusal(Exception):
    """A row, or a data key and with it all its rows, cannot be re-encrypted. Carries the reason alone."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


class RunError(Exception):
    """The whole run fails. The code is stable (docs/errors.md); the message carries no value and no key."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __reduce__(self) -> tuple[type["RunError"], tuple[str, str]]:
        return RunError, (self.code, self.message)
