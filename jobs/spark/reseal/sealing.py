"""Seals the values of a record batch in BigQuery's AEAD format.

The AAD is the text of the id; in deterministic keying, where equal values have to be equal, the field's name.

https://cloud.google.com/bigquery/docs/aead-encryption-concepts
The IVs, keys and prefixes of a whole record batch are one numpy matrix each: no Python runs for a single row.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from reseal.arguments import Keying
from reseal.columns import Octets, cut, equal_parts
from reseal.deterministic_aead import DeterministicAead
from reseal.keysets import IV_BYTES, PREFIX_BYTES, VERSION, Aead, Keyset, serialize_one_key

HEADER_BYTES = PREFIX_BYTES + IV_BYTES
KEY_BYTES = 32
# From here up an id as a varint always has five bytes, which keeps the layout of the keysets fixed.
MIN_KEY_ID = 2**28


@dataclass(frozen=True)
class Sealed:
    """The sealed values of a record batch, as Arrow binary arrays."""

    values: Any
    # The sealed row keysets; None in other keyings, where the merge puts in the wrapped first-level keyset.
    keys: Any


# Seals values under their AADs, of which there are as many.
Seal = Callable[[list[bytes], list[bytes]], Sealed]


def _headers(prefixes: Octets, rows: int) -> Octets:
    """Prefix and fresh random IV for each row."""
    headers = np.empty((rows, HEADER_BYTES), np.uint8)
    headers[:, :PREFIX_BYTES] = prefixes
    headers[:, PREFIX_BYTES:] = np.frombuffer(os.urandom(rows * IV_BYTES), np.uint8).reshape(rows, IV_BYTES)
    return headers


def _joined(headers: Octets, sealed: list[bytes]) -> Any:
    """Header and ciphertext of each row."""
    separator = pa.scalar(b"", pa.binary())
    parts = equal_parts(headers, HEADER_BYTES), pa.array(sealed, pa.binary())
    return pc.binary_join_element_wise(*parts, separator)


class SharedSealer:
    """Shared keying: values are sealed by the primary key of the first-level keyset."""

    def __init__(self, keyset: Aead) -> None:
        prefix, self._cipher = keyset.primary()
        self._prefix = np.frombuffer(prefix, np.uint8)

    def seal(self, aads: list[bytes], plain: list[bytes]) -> Sealed:
        """Seals values under the texts of their ids."""
        headers = _headers(self._prefix, len(plain))
        sealed = list(map(self._cipher.encrypt, cut(headers[:, PREFIX_BYTES:]), plain, aads))
        return Sealed(_joined(headers, sealed), None)


class DeterministicSealer:
    """Deterministic keying: equal values of a field are equal ciphertexts under the primary AES-SIV key."""

    def __init__(self, keyset: DeterministicAead) -> None:
        prefix, self._cipher = keyset.primary()
        self._prefix = pa.scalar(prefix, pa.binary())

    def seal(self, aads: list[bytes], plain: list[bytes]) -> Sealed:
        """Seals values under their field's name."""
        sealed = list(map(self._cipher.encrypt, plain, ([aad] for aad in aads)))
        separator = pa.scalar(b"", pa.binary())
        values = pc.binary_join_element_wise(self._prefix, pa.array(sealed, pa.binary()), separator)
        return Sealed(values, None)


class RowSealer:
    """Row keying: each value is sealed by a fresh key, whose keyset the first-level primary key seals."""

    def __init__(self, keyset: Aead) -> None:
        prefix, self._cipher = keyset.primary()
        self._prefix = np.frombuffer(prefix, np.uint8)
        marked = bytes([0xA5]) * KEY_BYTES
        keyset_bytes = serialize_one_key(MIN_KEY_ID, marked)
        varint = serialize_one_key(MIN_KEY_ID, b"")[1:6]
        self._template = np.frombuffer(keyset_bytes, np.uint8)
        self._key_at = keyset_bytes.index(marked)
        self._ids_at = (keyset_bytes.index(varint), keyset_bytes.rindex(varint))

    def seal(self, aads: list[bytes], plain: list[bytes]) -> Sealed:
        """Seals values under the texts of their ids."""
        rows = len(plain)
        key_ids = _key_ids(rows)
        keysets = self._keysets(key_ids)
        prefixes = np.empty((rows, PREFIX_BYTES), np.uint8)
        prefixes[:, 0] = VERSION
        prefixes[:, 1:] = key_ids.astype(">u4").view(np.uint8).reshape(rows, 4)
        value_headers, key_headers = _headers(prefixes, rows), _headers(self._prefix, rows)
        row_keys = cut(keysets[:, self._key_at : self._key_at + KEY_BYTES])
        inputs = zip(row_keys, cut(value_headers[:, PREFIX_BYTES:]), plain, aads, strict=True)
        values = [AESGCM(key).encrypt(iv, value, aad) for key, iv, value, aad in inputs]
        keys = list(map(self._cipher.encrypt, cut(key_headers[:, PREFIX_BYTES:]), cut(keysets), aads))
        return Sealed(_joined(value_headers, values), _joined(key_headers, keys))

    def _keysets(self, key_ids: npt.NDArray[np.uint32]) -> Octets:
        """A serialised one-key keyset for each row; they differ in nothing but the key and its id."""
        rows = len(key_ids)
        keysets = np.tile(self._template, (rows, 1))
        keys = np.frombuffer(os.urandom(rows * KEY_BYTES), np.uint8).reshape(rows, KEY_BYTES)
        keysets[:, self._key_at : self._key_at + KEY_BYTES] = keys
        for byte in range(5):
            # A base-128 varint, least significant group first (protobuf encoding, "Base 128 Varints").
            group = (key_ids >> np.uint32(7 * byte) & np.uint32(0x7F)).astype(np.uint8)
            for at in self._ids_at:
                keysets[:, at + byte] = group | 0x80 if byte < 4 else group
        return keysets


def _key_ids(rows: int) -> npt.NDArray[np.uint32]:
    """Random key ids of [2^28, 2^32)."""
    ids = np.frombuffer(os.urandom(rows * 4), np.uint32)
    return np.where(ids < MIN_KEY_ID, ids | np.uint32(2**31), ids)


def sealer(keying: Keying, keyset: Keyset) -> Seal:
    """The function that seals in a keying. Raises Rejection `unknown-key` or `key-length`."""
    if keying == "deterministic":
        return DeterministicSealer(DeterministicAead(keyset)).seal
    aead = Aead(keyset)
    return SharedSealer(aead).seal if keying == "shared" else RowSealer(aead).seal
