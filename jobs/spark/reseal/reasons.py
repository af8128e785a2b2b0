"""Why a row is rejected."""

from typing import Literal

# The values of users_rejected.reason. jobs/contract/reasons.ts has the same list and the order of precedence.
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


class Rejection(Exception):
    """A row, or a data key and with it all its rows, cannot be re-encrypted. Carries the reason alone."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason
