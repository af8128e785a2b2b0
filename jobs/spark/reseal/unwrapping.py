"""The tasks that unwrap: one KMS call for each distinct data key, and one for the first-level keyset."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from reseal.arguments import Keying
from reseal.bundle import activate
from reseal.encoding import decode_dek
from reseal.errors import RunError
from reseal.reasons import Reason, Rejection
from reseal.secret import Secret

if TYPE_CHECKING:
    from reseal.kms import Kms
    from reseal.session_key import SessionKey

# At 200 ms a call, this many threads can make some 100 calls a second.
THREADS = 24
# So many keys of a task are ahead of the one that is waited for.
PENDING = 4096
# What the first-level keyset is bound to under the session key. No dek contains a space.
KEYSET_NAME = b"first-level keyset"
# The `fatal` of a key that was not unwrapped because another key of its task had failed.
STOPPED = "stopped"


class UnwrapResult(NamedTuple):
    """What became of one wrapped key."""

    dek: str
    # The key under the session key, or else the reason why there is none.
    sealed: bytes | None
    reason: Reason | None
    calls: int
    # Code and message of a RunError, which ends the whole run.
    fatal: str | None
    message: str | None


@dataclass(frozen=True)
class UnwrapTask:
    """Travels in the closure of the unwrapping tasks."""

    endpoint: str
    kek: str
    session: Secret
    # This task's share of the run's KMS calls a second.
    per_second: float

    def keys(self, deks: Iterable[str]) -> Iterator[UnwrapResult]:
        """Unwraps a partition of distinct deks."""
        activate()
        from reseal.kms import Kms
        from reseal.pace import Pace
        from reseal.session_key import SessionKey

        kms = Kms(self.endpoint, THREADS, Pace(self.per_second))
        session = SessionKey(self.session)
        stop = threading.Event()
        counted = 0
        with ThreadPoolExecutor(THREADS) as pool:
            unwrapping = (pool.submit(self._key, kms, session, stop, dek) for dek in deks)
            pending = deque(islice(unwrapping, PENDING))
            while pending:
                result = pending.popleft().result()
                pending.extend(islice(unwrapping, 1))
                # The threads share one client and its count: a key's are the calls since the one before it.
                calls = kms.calls
                yield result._replace(calls=calls - counted)
                counted = calls

    def keyset(self, wrapped: Iterable[bytes], keying: Keying) -> Iterator[UnwrapResult]:
        """Unwraps the first-level keyset and checks that it can seal in the keying."""
        activate()
        from reseal.first_level import check_first_level
        from reseal.keysets import parse_keyset
        from reseal.kms import Kms
        from reseal.pace import Pace
        from reseal.session_key import SessionKey

        kms = Kms(self.endpoint, 1, Pace(self.per_second))
        for ciphertext in wrapped:
            try:
                keyset = kms.decrypt(self.kek, ciphertext)
                check_first_level(parse_keyset(keyset), keying)
                sealed = SessionKey(self.session).seal(keyset, KEYSET_NAME)
                yield UnwrapResult("", sealed, None, kms.calls, None, None)
            except Rejection as rejection:
                message = f"the first-level keyset cannot be used: {rejection.reason}"
                yield UnwrapResult("", None, None, kms.calls, "keyset", message)
            except RunError as error:
                yield UnwrapResult("", None, None, kms.calls, error.code, error.message)

    def _key(self, kms: "Kms", session: "SessionKey", stop: threading.Event, dek: str) -> UnwrapResult:
        """Raises nothing that Cloud KMS, its credentials or the key bring about.

        Spark would try the failed task again and repeat all its calls.
        """
        if stop.is_set():
            return UnwrapResult(dek, None, None, 0, STOPPED, "")
        try:
            key = kms.decrypt(self.kek, decode_dek(dek))
            return UnwrapResult(dek, session.seal(key, dek.encode()), None, 0, None, None)
        except Rejection as rejection:
            return UnwrapResult(dek, None, rejection.reason, 0, None, None)
        except RunError as error:
            if stop.is_set():
                return UnwrapResult(dek, None, None, 0, STOPPED, "")
            stop.set()
            # Calls that wait for their turn or for a quota end too, instead of holding up the failed run.
            kms.end()
            return UnwrapResult(dek, None, None, 0, error.code, error.message)
