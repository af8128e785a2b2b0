"""Why a row is rejected."""

from typing import NewType

# A value of users_rejected.reason. docs/reasons.md lists the words in the order of precedence; a test holds
# every Reason of this package against it.
Reason = NewType("Reason", str)


class Rejection(Exception):
    """A row, or a data key and with it all its rows, cannot be re-encrypted. Carries the reason alone."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = Reason(reason)
