"""A batch's column of texts or bytes, and base64 decoded for a whole batch at once.

One call of the interpreter a row is what this application's time goes into, so whatever can be done for a
batch in one stroke is done here, on the column's own buffer.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from reseal.encoding import decode_base64
from reseal.errors import Refusal

Ints = npt.NDArray[np.int64]

Octets = npt.NDArray[np.uint8]

ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
PAD = ord("=")
# The six bits of each character.
_SEXTET = np.full(256, 64, np.uint8)
_SEXTET[np.frombuffer(ALPHABET, np.uint8)] = np.arange(64)


def _pairs() -> npt.NDArray[np.uint16]:
    """The twelve bits of each pair of characters, the first in the low byte; INVALID for other pairs."""
    first, second = _SEXTET.astype(np.uint16), _SEXTET.astype(np.uint16)[:, None]
    return np.where((first < 64) & (second < 64), first << 6 | second, INVALID).astype(np.uint16).ravel()


INVALID = 0xFFFF
_PAIRS = _pairs()


@dataclass(frozen=True)
class Slices:
    """Byte strings inside one buffer: the i-th is `data[starts[i]:ends[i]]`."""

    data: bytes
    starts: Ints
    ends: Ints

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, row: int) -> bytes:
        return self.data[self.starts[row] : self.ends[row]]

    def lengths(self) -> Ints:
        """Of each string, in bytes."""
        return self.ends - self.starts

    def take(self, rows: Ints) -> "Slices":
        """Some of the strings, over the same buffer."""
        return Slices(self.data, self.starts[rows], self.ends[rows])

    def packed(self) -> bytes:
        """All strings one after another, without what lies between them."""
        if bool((self.starts[1:] == self.ends[:-1]).all()):
            return self.data[self.starts[0] : self.ends[-1]] if len(self) else b""
        data = self.data
        return b"".join([data[a:b] for a, b in zip(self.starts.tolist(), self.ends.tolist(), strict=True)])


def slices(column: Any) -> Slices:
    """The strings of an Arrow string or binary array; a null is an empty one."""
    _, offsets, data = column.buffers()
    first = column.offset
    bounds = np.frombuffer(offsets, np.int32)[first : first + len(column) + 1].astype(np.int64)
    return Slices(b"" if data is None else data.to_pybytes(), bounds[:-1], bounds[1:])


def cut(rows: Octets) -> list[bytes]:
    """The rows of a matrix as byte strings, without a slice of the interpreter's for each."""
    width = rows.shape[1]
    pieces: list[bytes] = np.ascontiguousarray(rows).view(np.dtype((np.void, width))).ravel().tolist()
    return pieces


def binary_array(data: bytes, lengths: Ints, valid: npt.NDArray[np.bool_] | None) -> Any:
    """An Arrow binary array over strings that stand one after another; null where not valid."""
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    bitmap = None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little"))
    return pa.Array.from_buffers(
        pa.binary(), len(lengths), [bitmap, pa.py_buffer(offsets), pa.py_buffer(data)]
    )


def decode_all(texts: Slices) -> Slices | None:
    """Canonical base64 decoded; None where any of the texts is not (`decode_valid` says which)."""
    packed, lengths = texts.packed(), texts.lengths()
    if bool((lengths & 3).any()):
        return None
    ends = np.cumsum(lengths)
    pads = np.zeros(len(lengths), np.int64)
    written = packed.count(b"=")
    if written:
        letters = np.frombuffer(packed, np.uint8)
        last = (letters[ends - 1] == PAD) & (lengths > 0)
        both = last & (letters[ends - 2] == PAD)
        pads = last.astype(np.int64) + both
        # RFC 4648 §3.5: the bits behind the last byte are zero.
        one, two = ends[last & ~both], ends[both]
        loose = bool((_SEXTET[letters[one - 2]] & 3).any() or (_SEXTET[letters[two - 3]] & 15).any())
        if loose or int(pads.sum()) != written:
            return None
        packed = packed.replace(b"=", b"A")
    data = _unpacked(packed)
    starts = (ends - lengths) // 4 * 3
    return None if data is None else Slices(data, starts, ends // 4 * 3 - pads)


def _unpacked(text: bytes) -> bytes | None:
    """Base64 without padding, four characters to three bytes; None if one is not of the alphabet."""
    pairs = np.take(_PAIRS, np.frombuffer(text, "<u2"))
    if pairs.size and int(pairs.max()) == INVALID:
        return None
    high, low = pairs[0::2], pairs[1::2]
    data = np.empty((len(high), 3), np.uint8)
    data[:, 0] = high >> 4
    data[:, 1] = high << 4 | low >> 8
    data[:, 2] = low
    return data.tobytes()


def decode_valid(texts: Slices) -> tuple[Slices, Ints]:
    """The texts that are canonical base64, decoded, and their positions."""
    decoded = decode_all(texts)
    if decoded is not None:
        return decoded, np.arange(len(texts))
    valid = np.array([row for row in range(len(texts)) if _is_base64(texts[row])], np.int64)
    decoded = decode_all(texts.take(valid))
    if decoded is None:
        raise AssertionError("the two base64 decoders disagree")
    return decoded, valid


def _is_base64(text: bytes) -> bool:
    try:
        decode_base64(text)
    except Refusal:
        return False
    return True
