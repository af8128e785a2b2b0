"""How a key travels from the task that unwraps it to the tasks that use it: sealed under the session key."""

import os

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from reseal.secret import Secret

# NIST SP 800-38D §5.2.1.1.
IV_BYTES = 12


class SessionKey:
    """AES-256-GCM under the key that the driver made for this run; `iv | ct | tag`."""

    def __init__(self, key: Secret) -> None:
        self._cipher = AESGCM(key.value)

    def seal(self, key: bytes, name: bytes) -> bytes:
        """Seals a key. `name` is bound to it as the AAD, so that no other key can take its place."""
        iv = os.urandom(IV_BYTES)
        return iv + self._cipher.encrypt(iv, key, name)

    def open(self, sealed: bytes, name: bytes) -> bytes:
        """Opens a key that was sealed under the same name."""
        return self._cipher.decrypt(sealed[:IV_BYTES], sealed[IV_BYTES:], name)
