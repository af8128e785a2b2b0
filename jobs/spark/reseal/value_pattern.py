"""What the values of a field have to look like: a pattern of RE2 that matches the whole of each.

jobs/contract/value-pattern.ts says which patterns a stack may have. RE2 is a bundled package, so only tasks
import this module.
"""

import re2

from reseal.opening import Opened
from reseal.reasons import Reason


def _compiled(pattern: str) -> "re2._Regexp":
    options = re2.Options()
    # It would log the pattern of every error to stderr.
    options.log_errors = False
    return re2.compile(pattern, options)


def pattern_fault(pattern: str) -> str | None:
    """What is wrong with a pattern, in RE2's words; None for a right one."""
    try:
        _compiled(pattern)
    except re2.error as error:
        (words,) = error.args
        return words.decode() if isinstance(words, bytes) else str(words)
    return None


class ValuePattern:
    """A pattern, compiled once for many record batches."""

    def __init__(self, pattern: str) -> None:
        self._regexp = _compiled(pattern)

    def matches(self, value: bytes) -> bool:
        """Whether the whole of a value matches."""
        return self._regexp.fullmatch(value) is not None

    def keep(self, opened: Opened) -> Opened:
        """The values that match; the others are rejected."""
        kept = [self.matches(value) for value in opened.plain]
        if all(kept):
            return opened
        rejected = dict(opened.rejected)
        for row, good in zip(opened.rows.tolist(), kept, strict=True):
            if not good:
                rejected[row] = Reason("value-pattern")
        plain = [value for value, good in zip(opened.plain, kept, strict=True) if good]
        return Opened(opened.rows[kept], plain, rejected, opened.unauthenticated - rejected.keys())
