"""Cloud KMS Decrypt over REST, checksums both ways.

https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys/decrypt
Runs in tasks only: urllib3 and google-auth come from the bundle.
"""

import base64
import json
import os
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import urllib3

from reseal.crc32c import crc32c
from reseal.errors import RunError
from reseal.reasons import Rejection

SCOPE = "https://www.googleapis.com/auth/cloudkms"
# The data key cannot be unwrapped, however often KMS is asked.
REJECTED = frozenset({"INVALID_ARGUMENT", "FAILED_PRECONDITION"})
# No data key can be unwrapped: the run stops until somebody has changed a setting or a permission.
DENIED = {"PERMISSION_DENIED": "kms-denied", "UNAUTHENTICATED": "kms-denied", "NOT_FOUND": "kms-key"}
STATUS_OF_HTTP = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
}
# Exponential backoff with full jitter: two minutes at the most.
# https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
ATTEMPTS = 12
FIRST_DELAY_SECONDS = 0.2
LONGEST_DELAY_SECONDS = 20.0
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
        before_call: Callable[[], None],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._http = urllib3.PoolManager(maxsize=connections, block=True, retries=False)
        self._before_call = before_call
        self._sleep = sleep
        self._credentials = _credentials_for(endpoint)
        self.calls = 0
        self._counting = threading.Lock()

    def decrypt(self, key: str, ciphertext: bytes) -> bytes:
        """The plaintext of a ciphertext without associated data.

        Raises Rejection `dek-refused` if KMS will never decrypt this ciphertext; RunError `kms-denied` or
        `kms-key` if it would decrypt none, `kms-unavailable` if it cannot be reached or stays busy.
        """
        body = json.dumps(
            {
                "ciphertext": base64.b64encode(ciphertext).decode(),
                "ciphertextCrc32c": str(crc32c(ciphertext)),
            }
        )
        for attempt in range(ATTEMPTS):
            plaintext = self._attempt(f"{self._endpoint}/v1/{key}:decrypt", body)
            if plaintext is not None:
                return plaintext
            if attempt == ATTEMPTS - 1:
                break
            longest = min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2**attempt)
            self._sleep(random.uniform(0, longest))  # noqa: S311 - spreads retries, guards nothing
        raise RunError("kms-unavailable", f"Cloud KMS did not answer {ATTEMPTS} times for {key}")

    def _attempt(self, url: str, body: str) -> bytes | None:
        """One call; None if it is to be repeated."""
        headers = {"Content-Type": "application/json"}
        if self._credentials is not None:
            headers |= self._credentials.header()
        self._before_call()
        with self._counting:
            self.calls += 1
        try:
            response = self._http.request("POST", url, body=body, headers=headers, timeout=TIMEOUT)
        except urllib3.exceptions.HTTPError:
            return None
        if response.status == 200:
            return _plaintext(response.data)
        status = _status(response.status, response.data)
        if status in REJECTED:
            raise Rejection("dek-refused")
        if status in DENIED:
            name = url.removesuffix(":decrypt").partition("/v1/")[2]
            raise RunError(DENIED[status], f"Cloud KMS answered {status} for {name}")
        return None


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
