"""Keeps a task's share of the KMS rate, and slows down while KMS says that it is too much.

The twin of jobs/google/pace.ts, which has more callers at once and therefore catches up on late timers.
"""

import math
import threading
import time
from collections.abc import Callable

# A second's worth of calls meets one and the same exhausted quota: the rate is cut once for all of them.
CUT_EVERY_SECONDS = 1.0
CUT = 0.5
# Never below a hundredth of the share, nor (where the share allows) below a call in ten seconds.
LEAST_SHARE = 0.01
LEAST_PER_SECOND = 0.1
# Of the share, for every second with an answer: back at the share within two minutes.
# https://www.rfc-editor.org/rfc/rfc5681#section-3.1 has the same shape: cut by half, rise by a constant.
RISE_A_SECOND = 0.01
# Who waits looks up so often whether the task has ended.
LOOK_SECONDS = 1.0


class Pace:
    """Spaces calls at least one interval apart, counted from when each was really made.

    A pause or a late thread earns no burst afterwards, so the rate is an upper bound in every second.
    """

    def __init__(
        self,
        per_second: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._setting = per_second
        self._per_second = per_second
        self._clock = clock
        self._sleep = sleep
        self._next = -math.inf
        self._closed_until = -math.inf
        self._cut_at = -math.inf
        self._risen_at = -math.inf
        self._ended = False
        # Callers queue at the turnstile and only the first of them watches the clock.
        self._turnstile = threading.Lock()
        self._state = threading.Lock()

    @property
    def per_second(self) -> float:
        """Calls a second at present: the share, or less for as long as KMS is busy."""
        return self._per_second

    def wait(self) -> None:
        """Blocks until the caller may make its call, or until `end`."""
        with self._turnstile:
            while (delay := self._delay()) > 0:
                self._sleep(min(delay, LOOK_SECONDS))

    def answered(self) -> None:
        """A call was answered."""
        with self._state:
            now = self._clock()
            # A long pause without calls proves nothing about the quota, so it counts as one second too.
            if self._per_second == self._setting or now - self._risen_at < 1:
                return
            self._risen_at = now
            self._per_second = min(self._setting, self._per_second + self._setting * RISE_A_SECOND)

    def throttled(self, retry_after: float = 0.0) -> None:
        """A call was turned away because of its quota; none is made for `retry_after` seconds."""
        with self._state:
            now = self._clock()
            self._closed_until = max(self._closed_until, now + retry_after)
            if now - self._cut_at < CUT_EVERY_SECONDS:
                return
            self._cut_at = now
            self._risen_at = now
            least = min(self._setting, max(self._setting * LEAST_SHARE, LEAST_PER_SECOND))
            self._per_second = max(least, self._per_second * CUT)

    def end(self) -> None:
        """Lets nobody wait any more."""
        self._ended = True

    def _delay(self) -> float:
        """Seconds until the next call may be made; takes the turn if that is now."""
        with self._state:
            now = self._clock()
            turn = max(self._next, self._closed_until)
            if turn > now and not self._ended:
                return turn - now
            self._next = now + 1 / self._per_second
            return 0.0
