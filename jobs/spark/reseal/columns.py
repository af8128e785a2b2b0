"""Columns of texts or bytes of a record batch, and their base64 decoded all at once.

Interpreting Python for every single row would dominate the cost of a run. What can be done for a whole record
batch in one call is therefore done here, on the column's own buffer.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pybase64 import b64decode

from reseal.encoding import decode_base64
from reseal.reasons import Rejection

Ints = npt.NDArray[np.int64]
Octets = npt.NDArray[np.uint8]

PAD = ord("=")
# The base64 letter for six zero bits.
ZERO = ord("A")


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

    def pieces(self) -> list[bytes]:
        """The strings as objects. They must stand in the buffer in order; there may be gaps between them."""
        if not len(self):
            return []
        bounds = np.stack([self.starts, self.ends], axis=1).ravel()
        # Arrow knows no gaps: every gap is given to it as a string, and left out again.
        return objects(_binary(bounds, self.data).take(pa.array(np.arange(0, len(bounds) - 1, 2))))

    def lengths(self) -> Ints:
        """Of each string, in bytes."""
        return self.ends - self.starts

    def take(self, rows: Ints) -> "Slices":
        """Some of the strings, over the same buffer."""
        return Slices(self.data, self.starts[rows], self.ends[rows])

    def packed(self) -> bytes:
        """All strings one after another, without the gaps."""
        if bool((self.starts[1:] == self.ends[:-1]).all()):
            return self.data[self.starts[0] : self.ends[-1]] if len(self) else b""
        return b"".join(self.pieces())


def slices(column: Any) -> Slices:
    """The strings of an Arrow string or binary array; a null is an empty one."""
    _, offsets, data = column.buffers()
    first = column.offset
    bounds = np.frombuffer(offsets, np.int32)[first : first + len(column) + 1].astype(np.int64)
    return Slices(b"" if data is None else data.to_pybytes(), bounds[:-1], bounds[1:])


def cut(rows: Octets) -> list[bytes]:
    """The rows of a matrix as byte strings, made by numpy at once: slicing them one by one is slower."""
    width = rows.shape[1]
    pieces: list[bytes] = np.ascontiguousarray(rows).view(np.dtype((np.void, width))).ravel().tolist()
    return pieces


def objects(array: Any) -> list[Any]:
    """An Arrow array's values, by way of numpy: to_pylist makes them one by one, which is slower."""
    values: list[Any] = array.to_numpy(zero_copy_only=False).tolist()
    return values


def equal_parts(data: Any, width: int) -> Any:
    """An Arrow binary array of strings of equal width that stand one after another."""
    buffer = pa.py_buffer(data)
    return _binary(np.arange(0, buffer.size + 1, width), buffer)


def _binary(bounds: Ints, data: Any) -> Any:
    offsets = pa.py_buffer(bounds.astype(np.int32))
    return pa.Array.from_buffers(pa.binary(), len(bounds) - 1, [None, offsets, pa.py_buffer(data)])


def decode_all(texts: Slices) -> Slices | None:
    """Canonical base64 decoded; None where any of the texts is not (`decode_valid` says which).

    They are decoded as one text: padding is replaced by zero bits, whose bytes are left out of the results.
    """
    text, lengths = texts.packed(), texts.lengths()
    if bool((lengths & 3).any()):
        return None
    ends = np.cumsum(lengths)
    if not text:
        return Slices(text, ends, ends)
    letters = np.frombuffer(bytearray(text), np.uint8)
    last = (lengths > 0) & (letters[ends - 1] == PAD)
    both = last & (letters[ends - 2] == PAD)
    letters[ends[last] - 1] = ZERO
    letters[ends[both] - 2] = ZERO
    try:
        data = b64decode(letters.data, validate=True)
    except ValueError:
        return None
    bounds = ends // 4 * 3
    octets = np.frombuffer(data, np.uint8)
    # RFC 4648 §3.5: in canonical base64 the bits after the last byte are zero.
    if bool(octets[bounds[last] - 1].any() or octets[bounds[both] - 2].any()):
        return None
    return Slices(data, bounds - lengths // 4 * 3, bounds - last - both)


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
    except Rejection:
        return False
    return True
