"""Keeps a task's share of the KMS rate."""

import threading
import time
from collections.abc import Callable


class Pace:
    """Spaces calls at least one interval apart.

    A pause earns no burst afterwards, so the rate is an upper bound in every second.
    """

    def __init__(
        self,
        per_second: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._interval = 1 / per_second
        self._clock = clock
        self._sleep = sleep
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Blocks until the caller may make its call."""
        with self._lock:
            now = self._clock()
            turn = max(now, self._next)
            self._next = turn + self._interval
        if turn > now:
            self._sleep(turn - now)
