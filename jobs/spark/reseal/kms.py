"""Cloud KMS Decrypt over REST, checksums both ways.

https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys/decrypt
Runs in tasks only: urllib3 and google-auth come from the bundle.
"""

import base64
import json
import os
import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import urllib3
from google.auth.exceptions import GoogleAuthError

from reseal.crc32c import crc32c
from reseal.errors import RunError
from reseal.pace import Pace
from reseal.reasons import Rejection

SCOPE = "https://www.googleapis.com/auth/cloudkms"
# The data key cannot be unwrapped, however often KMS is asked.
REJECTED = "INVALID_ARGUMENT"
# How KMS names the checksum that did not fit (jobs/google/kms.ts has the same).
DAMAGED_WORDS = re.compile("crc32c|checksum", re.IGNORECASE)
# How KMS says that a version of the key will never come back (jobs/google/kms.ts has the same, and where it stands).
DESTROYED_WORDS = re.compile(r"current state is: DESTROYED\b")
# No data key can be unwrapped: the run stops until somebody has changed a setting, a permission or the state
# of a key version.
DENIED = {
    "PERMISSION_DENIED": "kms-denied",
    "UNAUTHENTICATED": "kms-denied",
    "NOT_FOUND": "kms-key",
    "FAILED_PRECONDITION": "kms-key-disabled",
}
# Of these Google's sentence says what nobody else knows: which version of the key, what is wrong with the
# credentials (jobs/google/kms.ts passes on the same).
TOLD = frozenset({"FAILED_PRECONDITION", "UNAUTHENTICATED"})
# Reasons of google.rpc.ErrorInfo that stand for something else than a missing role
# (https://github.com/googleapis/googleapis/blob/master/google/api/error_reason.proto).
PROJECT_FAULTS = {"SERVICE_DISABLED": "service-disabled", "BILLING_DISABLED": "billing-disabled"}
EXHAUSTED = "RESOURCE_EXHAUSTED"
# The metadata server or the token endpoint gave no token, which may pass.
NO_TOKEN = "NO_TOKEN"  # noqa: S105 - a status
STATUS_OF_HTTP = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
}
# Exponential backoff with full jitter: two minutes at the most for faults that may pass, one after the other.
# https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
ATTEMPTS = 12
FIRST_DELAY_SECONDS = 0.2
LONGEST_DELAY_SECONDS = 20.0
# An exhausted quota is waited out for as long as some call is answered, and so long without any answer
# (jobs/google/kms.ts has the same; docs/spark.md names it).
QUOTA_PATIENCE_SECONDS = 600.0
# gcloud reads its access token from this variable too, where it is not to look for an account.
# https://cloud.google.com/sdk/docs/properties
ACCESS_TOKEN = "CLOUDSDK_AUTH_ACCESS_TOKEN"  # noqa: S105 - a name
LOOPBACK = frozenset({"127.0.0.1", "localhost"})
TIMEOUT = urllib3.Timeout(connect=5.0, read=20.0)


class Credentials:
    """The access token of the application default credentials, renewed by one thread at a time."""

    def __init__(self) -> None:
        import google.auth
        import google.auth.transport.urllib3

        self._request: Any = google.auth.transport.urllib3.Request(urllib3.PoolManager())  # type: ignore[no-untyped-call]
        credentials, _ = google.auth.default(scopes=[SCOPE], request=self._request)
        self._credentials: Any = credentials
        self._lock = threading.Lock()

    def header(self) -> dict[str, str]:
        """The Authorization header of a call."""
        with self._lock:
            if not self._credentials.valid:
                self._credentials.refresh(self._request)
            return {"Authorization": f"Bearer {self._credentials.token}"}


class FixedToken:
    """An access token that whoever started the application got for it."""

    def __init__(self, token: str) -> None:
        self._token = token

    def header(self) -> dict[str, str]:
        """The Authorization header of a call."""
        return {"Authorization": f"Bearer {self._token}"}


def _credentials_for(endpoint: str) -> Credentials | FixedToken | None:
    """A token must never travel in the clear: without TLS it goes to this machine's own addresses only."""
    if endpoint.startswith("https://"):
        return Credentials()
    token = os.environ.get(ACCESS_TOKEN)
    local = urllib3.util.parse_url(endpoint).host in LOOPBACK
    return FixedToken(token) if token and local else None


class Kms:
    """Cloud KMS at one endpoint; safe to use from many threads."""

    def __init__(
        self,
        endpoint: str,
        connections: int,
        pace: Pace,
        sleep: Callable[[float], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._http = urllib3.PoolManager(maxsize=connections, block=True, retries=False)
        self._pace = pace
        self._ended = threading.Event()
        # Unless a test says otherwise: whoever sleeps until the next try is woken by the end.
        self._sleep = sleep or self._ended.wait
        self._clock = clock
        self._answered_at = clock()
        self._credentials = _credentials_for(endpoint)
        self.calls = 0
        self._counting = threading.Lock()

    def decrypt(self, key: str, ciphertext: bytes) -> bytes:
        """The plaintext of a ciphertext without associated data.

        Raises Rejection `dek-refused` or `kek-destroyed` if KMS will never decrypt this ciphertext; RunError `kms-denied`,
        `kms-key` or `kms-key-disabled` if the key cannot be used, `service-disabled` or `billing-disabled` if
        the project does not have the service, `kms-unavailable` if KMS cannot be reached or stays busy.
        """
        body = json.dumps(
            {
                "ciphertext": base64.b64encode(ciphertext).decode(),
                "ciphertextCrc32c": str(crc32c(ciphertext)),
            }
        )
        since = self._clock()
        failed = delays = 0
        while True:
            answer = self._attempt(f"{self._endpoint}/v1/{key}:decrypt", body)
            if isinstance(answer, bytes):
                return answer
            # One call may be turned away again and again while others are answered: only silence counts.
            if answer == EXHAUSTED:
                self._check_patience(key, since)
                # KMS has answered, so that a fault before is over.
                failed = 0
            else:
                failed += 1
            if failed == ATTEMPTS:
                what = "no access token could be got" if answer == NO_TOKEN else "Cloud KMS did not answer"
                raise RunError("kms-unavailable", f"{what} {ATTEMPTS} times for {key}")
            # Doubled up to the longest delay, which ten doublings reach.
            longest = min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2 ** min(delays, 10))
            delays += 1
            self._sleep(random.uniform(0, longest))  # noqa: S311 - spreads retries, guards nothing

    def end(self) -> None:
        """Lets no call wait or be repeated any more: the run has failed."""
        self._ended.set()
        self._pace.end()

    def _check_patience(self, key: str, since: float) -> None:
        if self._clock() - max(self._answered_at, since) < QUOTA_PATIENCE_SECONDS:
            return
        raise RunError(
            "kms-unavailable",
            f"the quota of Cloud KMS has let no call for {key} through for {QUOTA_PATIENCE_SECONDS:.0f} s: "
            "ask for more quota in this region or lower reseal:kmsCallsPerSecond",
        )

    def _attempt(self, url: str, body: str) -> bytes | str:
        """One call, in its turn; the status if it is to be repeated."""
        self._pace.wait()
        if self._ended.is_set():
            raise RunError("kms-unavailable", "the run has failed")
        headers = {"Content-Type": "application/json"}
        if self._credentials is not None:
            # Only now: a token may run out while its call waits for its turn.
            try:
                headers |= self._credentials.header()
            except GoogleAuthError:
                return NO_TOKEN
        with self._counting:
            self.calls += 1
        try:
            response = self._http.request("POST", url, body=body, headers=headers, timeout=TIMEOUT)
        except urllib3.exceptions.HTTPError:
            return "UNREACHABLE"
        if response.status == 200:
            plaintext = _plaintext(response.data)
            if plaintext is None:
                return "DAMAGED"
            self._answered()
            return plaintext
        status = _status(response.status, response.data)
        if status == EXHAUSTED:
            self._pace.throttled(_retry_after(response.headers, response.data))
        if status == REJECTED:
            # What was damaged on the way to KMS is an invalid argument too, but only that once.
            if _names_checksum(response.data):
                return "DAMAGED"
            self._answered()
            raise Rejection("dek-refused")
        if status == "FAILED_PRECONDITION" and _names_destroyed(response.data):
            self._answered()
            raise Rejection("kek-destroyed")
        if status in DENIED:
            _check_project(response.data)
            name = url.removesuffix(":decrypt").partition("/v1/")[2]
            sentence = _sentence(response.data) if status in TOLD else ""
            told = f": {sentence}" if sentence else ""
            raise RunError(DENIED[status], f"Cloud KMS answered {status} for {name}{told}")
        return status

    def _answered(self) -> None:
        self._answered_at = self._clock()
        self._pace.answered()


def _plaintext(data: bytes) -> bytes | None:
    """The decrypted bytes, or None if they were damaged on the way."""
    try:
        answer: dict[str, Any] = json.loads(data)
        plaintext = base64.b64decode(answer.get("plaintext", ""), validate=True)
        intact = int(answer["plaintextCrc32c"]) == crc32c(plaintext)
    except (ValueError, KeyError, TypeError):
        return None
    return plaintext if intact else None


def _status(code: int, data: bytes) -> str:
    """The canonical status of an error response."""
    try:
        return str(json.loads(data)["error"]["status"])
    except (ValueError, KeyError, TypeError):
        return STATUS_OF_HTTP.get(code, "UNKNOWN")


def _names_checksum(data: bytes) -> bool:
    """Whether an error is about a checksum: the request was damaged, and is to be sent again.

    https://cloud.google.com/kms/docs/data-integrity-guidelines
    """
    return DAMAGED_WORDS.search(_sentence(data)) is not None


def _names_destroyed(data: bytes) -> bool:
    """Whether an error is about a key version that is gone for good."""
    return DESTROYED_WORDS.search(_sentence(data)) is not None


def _sentence(data: bytes) -> str:
    """What an error response says; nothing where it has no message."""
    try:
        return str(json.loads(data)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return ""


def _check_project(data: bytes) -> None:
    """Raises RunError for a fault of the project, with Google's sentence: it names service and project."""
    try:
        error = json.loads(data)["error"]
        reasons = [detail.get("reason") for detail in error.get("details", [])]
        message = str(error["message"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return
    for reason in reasons:
        if reason in PROJECT_FAULTS:
            raise RunError(PROJECT_FAULTS[reason], message)


def _retry_after(headers: Mapping[str, str], data: bytes) -> float:
    """Seconds that KMS asks its callers to wait; 0 where it does not say.

    RetryInfo among the details (https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto),
    else the header Retry-After in seconds (RFC 9110, section 10.2.3).
    """
    try:
        delays = [detail.get("retryDelay") for detail in json.loads(data)["error"].get("details", [])]
    except (ValueError, KeyError, TypeError, AttributeError):
        delays = []
    text = next((delay for delay in delays if delay), headers.get("Retry-After", "0"))
    try:
        return float(text.removesuffix("s"))
    except ValueError:
        return 0.0
