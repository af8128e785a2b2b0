"""Strict texts: canonical base64 (RFC 4648 §4, §3.5) and hexadecimal."""

import binascii
import re

from reseal.errors import Refusal

HEX = re.compile(r"(?:[0-9a-fA-F]{2})+", re.ASCII)


def decode_base64(text: str | bytes) -> bytes:
    """Padded base64 of the standard alphabet with no stray bits. Raises Refusal `encoding`.

    The decoder skips what it does not know, so the text is held against its own re-encoding.
    """
    try:
        data = binascii.a2b_base64(text)
        written = text.encode("ascii") if isinstance(text, str) else text
    except ValueError:
        raise Refusal("encoding") from None
    if binascii.b2a_base64(data, newline=False) != written:
        raise Refusal("encoding")
    return data


def decode_dek(text: str) -> bytes:
    """The wrapped data key: hex where the text is nothing else, base64 otherwise.

    Raises Refusal `encoding`, or `dek-refused` for an empty one, which KMS would not take.
    """
    data = bytes.fromhex(text) if HEX.fullmatch(text) else decode_base64(text)
    if not data:
        raise Refusal("dek-refused")
    return data
