"""The four source formats: where in a batch of cipher texts the IVs and the bodies lie.

Refusals are found in the order that jobs/envelope/reasons.ts gives.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from reseal.arguments import SourceFormat
from reseal.batch import BLOCK_BYTES, Batch, DataKey, Decrypt, Mask, Opened, Prepared, mask_of
from reseal.columns import Ints, Slices, decode_valid
from reseal.encoding import decode_base64
from reseal.errors import Reason, Refusal
from reseal.keysets import IV_BYTES, PREFIX_BYTES, TAG_BYTES, VERSION

# Tink's KmsEnvelopeAead starts with the wrapped key's length, big-endian.
LENGTH_BYTES = 4
DOT = ord(".")


def open_batch(
    source_format: SourceFormat,
    texts: Slices,
    keys: list[Prepared],
    codes: Ints,
    refused: dict[int, Reason] | None = None,
) -> Opened:
    """Opens cipher texts; `codes[row]` says which of the `keys` a row has.

    Rows in `refused` were found to have none.
    """
    batch = Batch(texts, keys, codes)
    batch.exclude(refused or {})
    batch.refuse_keys()
    LOCATE[source_format](batch)
    return batch.opened()


def envelope_key(text: bytes) -> bytes:
    """The wrapped data key inside a `tink-envelope`. Raises Refusal `encoding` or `truncated`."""
    data = decode_base64(text)
    if len(data) < LENGTH_BYTES:
        raise Refusal("truncated")
    end = LENGTH_BYTES + int.from_bytes(data[:LENGTH_BYTES], "big")
    if end == LENGTH_BYTES or len(data) < end + IV_BYTES + TAG_BYTES:
        raise Refusal("truncated")
    return data[LENGTH_BYTES:end]


def _gcm(batch: Batch) -> None:
    """Iv | ct | tag"""
    decoded = batch.decode()
    whole = decoded.lengths() >= IV_BYTES + TAG_BYTES
    batch.keep(whole, "truncated")
    _open_raw(batch, decoded.take(np.flatnonzero(whole)))


def _open_raw(batch: Batch, sealed: Slices) -> None:
    batch.gcm(_decrypts(batch), *_cut_iv(sealed))


def _cut_iv(sealed: Slices) -> tuple[Slices, Slices]:
    """The IV, and what it was used for."""
    bodies = sealed.starts + IV_BYTES
    return Slices(sealed.data, sealed.starts, bodies), Slices(sealed.data, bodies, sealed.ends)


def _decrypts(batch: Batch) -> list[Decrypt]:
    """The decrypting method of each remaining row's key."""
    methods = [key.decrypt if isinstance(key, DataKey) else None for key in batch.keys]
    return [methods[code] for code in batch.codes[batch.rows].tolist()]


def _tink(batch: Batch) -> None:
    """0x01 | key id | iv | ct | tag"""
    decoded = batch.decode()
    whole = decoded.lengths() >= PREFIX_BYTES + IV_BYTES + TAG_BYTES
    batch.keep(whole, "truncated")
    decoded = decoded.take(np.flatnonzero(whole))
    octets = np.frombuffer(decoded.data, np.uint8)
    versioned = octets[decoded.starts] == VERSION
    batch.keep(versioned, "version")
    decoded = decoded.take(np.flatnonzero(versioned))
    ids = _big_endian(octets, decoded.starts + 1).tolist()
    found = [batch.key(row).by_id.get(key) for row, key in zip(batch.rows.tolist(), ids, strict=True)]
    known = np.array([decrypt is not None for decrypt in found], np.bool_)
    batch.keep(known, "unknown-key")
    decoded = decoded.take(np.flatnonzero(known))
    decrypts = [decrypt for decrypt in found if decrypt is not None]
    batch.gcm(decrypts, *_cut_iv(Slices(decoded.data, decoded.starts + PREFIX_BYTES, decoded.ends)))


def _tink_envelope(batch: Batch) -> None:
    """Length | wrapped key | iv | ct | tag; rows of another structure have no data key to begin with."""
    decoded = batch.decode()
    lengths = _big_endian(np.frombuffer(decoded.data, np.uint8), decoded.starts)
    payload = decoded.starts + LENGTH_BYTES + lengths
    _open_raw(batch, Slices(decoded.data, payload, decoded.ends))


def _dotted(batch: Batch) -> None:
    """Iv '.' ct, the IV's length telling GCM from CBC."""
    iv, sealed = _halves(batch)
    sizes, lengths = iv.lengths(), sealed.lengths()
    gcm = sizes == IV_BYTES
    cbc = sizes == BLOCK_BYTES
    checks: list[tuple[Mask, Reason]] = [
        (gcm | cbc, "iv-length"),
        (~gcm | (lengths >= TAG_BYTES), "truncated"),
        (~cbc | ((lengths > 0) & (lengths % BLOCK_BYTES == 0)), "block-length"),
    ]
    left = np.arange(len(sizes))
    for mask, reason in checks:
        batch.keep(mask[left], reason)
        left = left[mask[left]]
    rows = batch.rows
    for row, at in zip(rows[cbc[left]].tolist(), left[cbc[left]].tolist(), strict=True):
        batch.cbc(row, iv[at], sealed[at])
    at_gcm = left[gcm[left]]
    batch.rows = rows[gcm[left]]
    batch.gcm(_decrypts(batch), iv.take(at_gcm), sealed.take(at_gcm))


def _halves(batch: Batch) -> tuple[Slices, Slices]:
    """Both sides of the one dot, decoded, in one buffer."""
    texts = batch.texts.take(batch.rows)
    ends = np.cumsum(texts.lengths())
    dots = np.flatnonzero(np.frombuffer(texts.packed(), np.uint8) == DOT)
    owners = np.searchsorted(ends, dots, side="right")
    single = np.bincount(owners, minlength=len(texts)) == 1
    batch.keep(single, "encoding")
    texts = texts.take(np.flatnonzero(single))
    before = (dots - (ends - np.diff(ends, prepend=0))[owners])[single[owners]]
    sizes = np.stack([before, texts.lengths() - 1 - before], axis=1).ravel()
    bounds = np.cumsum(sizes)
    halves = Slices(texts.packed().replace(b".", b""), bounds - sizes, bounds)
    decoded, valid = decode_valid(halves)
    both = mask_of(len(halves), valid).reshape(-1, 2)
    batch.keep(both.all(axis=1), "encoding")
    place = (np.cumsum(both) - 1).reshape(-1, 2)[both.all(axis=1)]
    return decoded.take(place[:, 0]), decoded.take(place[:, 1])


def _big_endian(octets: npt.NDArray[np.uint8], at: Ints) -> Ints:
    """The unsigned 32-bit numbers that start at the given places."""
    value = octets[at].astype(np.int64)
    for offset in range(1, 4):
        value = value << 8 | octets[at + offset]
    return value


LOCATE: dict[SourceFormat, Callable[[Batch], None]] = {
    "gcm": _gcm,
    "dotted": _dotted,
    "tink": _tink,
    "tink-envelope": _tink_envelope,
}
