"""Unwraps data keys: one KMS call each, in a fixed number of partitions."""

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from reseal.bundle import activate
from reseal.encoding import decode_dek
from reseal.errors import Reason, Refusal, RunError
from reseal.secret import Secret

if TYPE_CHECKING:
    from reseal.kms import Kms
    from reseal.sessionkey import SessionKey

# Enough threads that at 200 ms a call a share of 100 calls a second is used up.
THREADS = 24
CHUNK = 4096
# The name under which the first-level keyset travels; no dek text has a space.
KEYSET_NAME = b"first-level keyset"


class UnwrappedKey(NamedTuple):
    """A data key's fate. `sealed` is the key under the session key, `reason` why there is none."""

    dek: str
    sealed: bytes | None
    reason: Reason | None
    calls: int
    # Code and message of what ends the whole run.
    fatal: str | None
    message: str | None


@dataclass(frozen=True)
class Unwrapper:
    """Goes into the closure of the unwrapping tasks."""

    endpoint: str
    kek: str
    session: Secret
    # This task's share of the run's KMS calls a second.
    per_second: float

    def keys(self, deks: Iterable[str]) -> Iterator[UnwrappedKey]:
        """Unwraps a partition of distinct deks."""
        activate()
        from reseal.kms import Kms
        from reseal.pace import Pace
        from reseal.sessionkey import SessionKey

        kms = Kms(self.endpoint, THREADS, Pace(self.per_second).wait)
        session = SessionKey(self.session)
        stop = threading.Event()
        remaining = iter(deks)
        with ThreadPoolExecutor(THREADS) as pool:
            while chunk := list(islice(remaining, CHUNK)):
                before = kms.calls
                done = list(pool.map(lambda dek: self._key(kms, session, stop, dek), chunk))
                # Calls are counted a chunk, on its first key: threads share the client.
                yield done[0]._replace(calls=kms.calls - before)
                yield from done[1:]

    def keyset(self, wrapped: Iterable[bytes]) -> Iterator[UnwrappedKey]:
        """Unwraps the first-level keyset, and looks whether it can seal."""
        activate()
        from reseal.keysets import Aead, parse_keyset
        from reseal.kms import Kms
        from reseal.sessionkey import SessionKey

        kms = Kms(self.endpoint, 1, lambda: None)
        for ciphertext in wrapped:
            try:
                keyset = kms.decrypt(self.kek, ciphertext)
                Aead(parse_keyset(keyset)).primary()
                sealed = SessionKey(self.session).seal(keyset, KEYSET_NAME)
                yield UnwrappedKey("", sealed, None, kms.calls, None, None)
            except Refusal as refusal:
                message = f"the first-level keyset cannot be used: {refusal.reason}"
                yield UnwrappedKey("", None, None, kms.calls, "keyset", message)
            except RunError as error:
                yield UnwrappedKey("", None, None, kms.calls, error.code, error.message)

    def _key(self, kms: "Kms", session: "SessionKey", stop: threading.Event, dek: str) -> UnwrappedKey:
        """Never raises: a task that failed would be tried again, and with it all its calls."""
        if stop.is_set():
            return UnwrappedKey(dek, None, None, 0, "stopped", "")
        try:
            key = kms.decrypt(self.kek, decode_dek(dek))
            return UnwrappedKey(dek, session.seal(key, dek.encode()), None, 0, None, None)
        except Refusal as refusal:
            return UnwrappedKey(dek, None, refusal.reason, 0, None, None)
        except RunError as error:
            stop.set()
            return UnwrappedKey(dek, None, None, 0, error.code, error.message)
