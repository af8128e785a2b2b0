"""Strict decoding of canonical base64 (RFC 4648 §4, §3.5) and hexadecimal."""

import binascii
import re

from reseal.reasons import Rejection

HEX = re.compile(r"(?:[0-9a-fA-F]{2})+", re.ASCII)


def decode_base64(text: str | bytes) -> bytes:
    """Padded base64 of the standard alphabet with no stray bits. Raises Rejection `encoding`.

    The decoder skips characters that it does not know, so its result is encoded again and compared.
    """
    try:
        data = binascii.a2b_base64(text)
        written = text.encode("ascii") if isinstance(text, str) else text
    except ValueError:
        raise Rejection("encoding") from None
    if binascii.b2a_base64(data, newline=False) != written:
        raise Rejection("encoding")
    return data


def decode_dek(text: str) -> bytes:
    """The wrapped data key of a dek column: hex if all its characters are hex digits, base64 otherwise.

    Raises Rejection `encoding`, or `dek-refused` for an empty text, which Cloud KMS would not accept.
    """
    data = bytes.fromhex(text) if HEX.fullmatch(text) else decode_base64(text)
    if not data:
        raise Rejection("dek-refused")
    return data
