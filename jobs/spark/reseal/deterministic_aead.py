"""Tink's deterministic AEAD, which is BigQuery's: 0x01 | key id, big-endian | SIV | ciphertext.

AES-SIV as RFC 5297 defines it, with one component of associated data (also where that is empty).
https://developers.google.com/tink/wire-format#deterministic_aead
"""

from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from reseal.keysets import Key, TinkPrimitive
from reseal.reasons import Rejection

# DETERMINISTIC_AEAD_AES_SIV_CMAC_256: two AES-256 keys, of S2V and of CTR (RFC 5297 section 2.2).
KEY_BYTES = 64
# The synthetic IV, which is the tag too (RFC 5297 section 2.6).
SIV_BYTES = 16


class DeterministicAead(TinkPrimitive[AESSIV]):
    """AES-SIV: behind the prefix stand the synthetic IV and the ciphertext."""

    overhead_bytes = SIV_BYTES

    @staticmethod
    def _cipher(key: Key) -> AESSIV | None:
        return None if key.siv is None else _aes_siv(key.siv)

    def _decrypt(self, cipher: AESSIV, sealed: bytes, aad: bytes) -> bytes:
        return cipher.decrypt(sealed, [aad])


def _aes_siv(key: bytes) -> AESSIV:
    if len(key) != KEY_BYTES:
        raise Rejection("key-length")
    return AESSIV(key)
