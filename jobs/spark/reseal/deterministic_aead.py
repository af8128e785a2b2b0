"""Tink's deterministic AEAD, which is BigQuery's: 0x01 | key id, big-endian | SIV | ciphertext.

AES-SIV as RFC 5297 defines it, with one component of associated data (also where that is empty).
https://developers.google.com/tink/wire-format#deterministic_aead
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from reseal.keysets import PREFIX_BYTES, VERSION, Keyset, tink_prefix
from reseal.reasons import Rejection

# DETERMINISTIC_AEAD_AES_SIV_CMAC_256: two AES-256 keys, of S2V and of CTR (RFC 5297 section 2.2).
KEY_BYTES = 64
# The synthetic IV, which is the tag too (RFC 5297 section 2.6).
SIV_BYTES = 16


class DeterministicAead:
    """Seals and opens with a keyset. Raises Rejection `unknown-key` without a usable key, `key-length`."""

    def __init__(self, keyset: Keyset) -> None:
        self._primary_id = keyset.primary_id
        self._ciphers = {
            key.id: _aes_siv(key.siv)
            for key in keyset.keys
            if key.enabled and key.tink_prefix and key.siv is not None
        }
        if not self._ciphers:
            raise Rejection("unknown-key")

    def primary(self) -> tuple[bytes, AESSIV]:
        """Prefix and cipher of the key that seals. Raises Rejection `unknown-key`."""
        if self._primary_id not in self._ciphers:
            raise Rejection("unknown-key")
        return tink_prefix(self._primary_id), self._ciphers[self._primary_id]

    def open(self, ciphertext: bytes, aad: bytes) -> bytes:
        """Opens a ciphertext. Raises Rejection `truncated`, `version`, `unknown-key` or `authentication`,
        checked in this order.
        """
        if len(ciphertext) < PREFIX_BYTES + SIV_BYTES:
            raise Rejection("truncated")
        if ciphertext[0] != VERSION:
            raise Rejection("version")
        cipher = self._ciphers.get(int.from_bytes(ciphertext[1:PREFIX_BYTES], "big"))
        if cipher is None:
            raise Rejection("unknown-key")
        try:
            return cipher.decrypt(ciphertext[PREFIX_BYTES:], [aad])
        except InvalidTag:
            raise Rejection("authentication") from None


def _aes_siv(key: bytes) -> AESSIV:
    if len(key) != KEY_BYTES:
        raise Rejection("key-length")
    return AESSIV(key)
