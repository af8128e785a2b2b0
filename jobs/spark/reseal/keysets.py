"""The part of google.crypto.tink.Keyset that BigQuery's AEAD functions use, and Tink's AEAD wire format.

Field numbers and enum values: proto/tink.proto, proto/aes_gcm.proto and proto/aes_siv.proto of the Tink
project.
https://developers.google.com/tink/wire-format
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from reseal.reasons import Rejection

AES_GCM_TYPE_URL = b"type.googleapis.com/google.crypto.tink.AesGcmKey"
AES_SIV_TYPE_URL = b"type.googleapis.com/google.crypto.tink.AesSivKey"
ENABLED = 1
PREFIX_TINK = 1
SYMMETRIC = 1
VERSION = 1
PREFIX_BYTES = 5
IV_BYTES = 12
TAG_BYTES = 16


@dataclass(frozen=True, repr=False)
class Key:
    """One key: an AES-GCM key has `aes`, an AES-SIV key `siv`, a key of another type neither."""

    id: int
    aes: bytes | None
    siv: bytes | None
    enabled: bool
    tink_prefix: bool


@dataclass(frozen=True, repr=False)
class Keyset:
    """The keys that open, and the id of the primary key, which seals."""

    primary_id: int
    keys: tuple[Key, ...]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            # A number of more bits loses them, as a uint32 does.
            return value & 0xFFFFFFFF, at
        shift += 7
    raise ValueError("varint")


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message that hold numbers or bytes; those of fixed width are skipped.

    A field of another type than a message's own is skipped by whoever reads it, as an unknown one is. Raises
    ValueError or IndexError for malformed bytes, and for groups, which no message of Tink has.

    https://protobuf.dev/programming-guides/encoding/
    """
    at = 0
    while at < len(data):
        start = at
        tag, at = _varint(data, at)
        # A tag is a uint32.
        if at - start > 5 or (at - start == 5 and data[at - 1] > 0x0F):
            raise ValueError("tag")
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _varint(data, at)
        elif wire == 2:
            value, at = _varint(data, at)
            at += value
        elif wire in (1, 5):
            at += 8 if wire == 1 else 4
        else:
            raise ValueError("wire type")
        if number == 0 or at > len(data):
            raise ValueError("field")
        if wire == 0:
            yield number, value
        elif wire == 2:
            yield number, data[at - value : at]


def parse_aes_gcm_key(data: bytes) -> bytes:
    """The key_value (field 3) of a serialised AesGcmKey. Raises Rejection `key-length`."""
    key = _key_value(data, 3)
    if key is None:
        raise Rejection("key-length")
    return key


def _key_value(data: bytes, field: int) -> bytes | None:
    """The bytes of a field; None if there are none, or the message is malformed."""
    key: bytes | None = None
    try:
        for number, value in _fields(data):
            if number == field and isinstance(value, bytes):
                key = value
    except (ValueError, IndexError):
        return None
    return key


def _parse_key_data(data: bytes) -> tuple[bytes, bytes]:
    """The type's URL and the serialised key."""
    type_url = material = b""
    for number, value in _fields(data):
        if isinstance(value, bytes):
            if number == 1:
                type_url = value
            elif number == 2:
                material = value
    return type_url, material


def _parse_key(data: bytes) -> Key:
    type_url = material = b""
    status = key_id = prefix = 0
    for number, value in _fields(data):
        if isinstance(value, bytes):
            if number == 1:
                type_url, material = _parse_key_data(value)
        elif number == 2:
            status = value
        elif number == 3:
            key_id = value
        elif number == 4:
            prefix = value
    aes = parse_aes_gcm_key(material) if type_url == AES_GCM_TYPE_URL else None
    # AesSivKey.key_value is field 2.
    siv = _key_value(material, 2) if type_url == AES_SIV_TYPE_URL else None
    return Key(key_id, aes, siv, status == ENABLED, prefix == PREFIX_TINK)


def parse_keyset(data: bytes) -> Keyset:
    """Reads a serialised Keyset. Raises Rejection `unknown-key` if it is malformed or holds no key."""
    primary = 0
    keys: list[Key] = []
    try:
        for number, value in _fields(data):
            if number == 1 and isinstance(value, int):
                primary = value
            elif number == 2 and isinstance(value, bytes):
                keys.append(_parse_key(value))
    except (ValueError, IndexError):
        raise Rejection("unknown-key") from None
    if not keys:
        raise Rejection("unknown-key")
    return Keyset(primary, tuple(keys))


def _varint_bytes(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _message(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint_bytes(len(data)) + data


def _scalar(number: int, value: int) -> bytes:
    return bytes([number << 3]) + _varint_bytes(value)


def serialize_one_key(key_id: int, aes: bytes) -> bytes:
    """A Keyset whose only key, and so its primary, is an enabled AES-GCM key with the TINK prefix."""
    data = _message(1, AES_GCM_TYPE_URL) + _message(2, _message(3, aes)) + _scalar(3, SYMMETRIC)
    key = _message(1, data) + _scalar(2, ENABLED) + _scalar(3, key_id) + _scalar(4, PREFIX_TINK)
    return _scalar(1, key_id) + _message(2, key)


def tink_prefix(key_id: int) -> bytes:
    """The five bytes before a ciphertext of the key: the version and the id, big-endian."""
    return bytes([VERSION]) + key_id.to_bytes(4, "big")


def aes_gcm(key: bytes) -> AESGCM:
    """The cipher of a key. Raises Rejection `key-length` unless the key has 16, 24 or 32 bytes."""
    if len(key) not in (16, 24, 32):
        raise Rejection("key-length")
    return AESGCM(key)


Cipher = TypeVar("Cipher")


class TinkPrimitive(ABC, Generic[Cipher]):
    """A keyset's ciphers behind Tink's prefix: seals and opens with them.

    Raises Rejection `unknown-key` without a usable key, `key-length`.
    """

    # What a ciphertext has beside prefix and value.
    overhead_bytes: int

    def __init__(self, keyset: Keyset) -> None:
        self._primary_id = keyset.primary_id
        self._ciphers = {
            key.id: cipher
            for key in keyset.keys
            if key.enabled and key.tink_prefix and (cipher := self._cipher(key)) is not None
        }
        if not self._ciphers:
            raise Rejection("unknown-key")

    @staticmethod
    @abstractmethod
    def _cipher(key: Key) -> Cipher | None:
        """The cipher of a key, None for one of another type. Raises Rejection `key-length`."""

    @abstractmethod
    def _decrypt(self, cipher: Cipher, sealed: bytes, aad: bytes) -> bytes:
        """Opens what stands behind the prefix. Raises InvalidTag."""

    def primary(self) -> tuple[bytes, Cipher]:
        """Prefix and cipher of the key that seals. Raises Rejection `unknown-key`."""
        if self._primary_id not in self._ciphers:
            raise Rejection("unknown-key")
        return tink_prefix(self._primary_id), self._ciphers[self._primary_id]

    def ciphers(self) -> dict[int, Cipher]:
        """The keys that open, by id."""
        return self._ciphers

    def open(self, ciphertext: bytes, aad: bytes) -> bytes:
        """Opens a ciphertext. Raises Rejection `truncated`, `version`, `unknown-key` or `authentication`,
        checked in this order.
        """
        if len(ciphertext) < PREFIX_BYTES + self.overhead_bytes:
            raise Rejection("truncated")
        if ciphertext[0] != VERSION:
            raise Rejection("version")
        cipher = self._ciphers.get(int.from_bytes(ciphertext[1:PREFIX_BYTES], "big"))
        if cipher is None:
            raise Rejection("unknown-key")
        try:
            return self._decrypt(cipher, ciphertext[PREFIX_BYTES:], aad)
        except InvalidTag:
            raise Rejection("authentication") from None


class Aead(TinkPrimitive[AESGCM]):
    """AES-GCM: behind the prefix stand IV, ciphertext and tag."""

    overhead_bytes = IV_BYTES + TAG_BYTES

    @staticmethod
    def _cipher(key: Key) -> AESGCM | None:
        return None if key.aes is None else aes_gcm(key.aes)

    def _decrypt(self, cipher: AESGCM, sealed: bytes, aad: bytes) -> bytes:
        return cipher.decrypt(sealed[:IV_BYTES], sealed[IV_BYTES:], aad)
