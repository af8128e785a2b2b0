"""The four source formats: where the IVs and the ciphertexts lie in a column of cipher texts.

Faults are looked for in the order of precedence that jobs/contract/reasons.ts gives.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from reseal.arguments import SourceFormat, Unauthenticated
from reseal.columns import Ints, Slices, decode_valid
from reseal.encoding import decode_base64
from reseal.keysets import (
    IV_BYTES,
    PREFIX_BYTES,
    TAG_BYTES,
    VERSION,
    Aead,
    aes_gcm,
    parse_aes_gcm_key,
    parse_keyset,
)
from reseal.opening import BLOCK_BYTES, DataKey, Decrypt, Mask, Opened, Opening, Prepared, mask_of
from reseal.reasons import Reason, Rejection

# Tink's KmsEnvelopeAead starts with the length of the wrapped key, big-endian.
# https://developers.google.com/tink/wire-format
LENGTH_BYTES = 4
DOT = ord(".")


def prepare(source_format: SourceFormat, key: bytes) -> Prepared:
    """Prepares an unwrapped data key; the reason is `key-length` or `unknown-key`."""
    try:
        if source_format == "tink":
            ciphers = Aead(parse_keyset(key)).ciphers()
            return DataKey(None, {key_id: cipher.decrypt for key_id, cipher in ciphers.items()}, b"")
        raw = parse_aes_gcm_key(key) if source_format == "tink-envelope" else key
        return DataKey(aes_gcm(raw).decrypt, {}, raw)
    except Rejection as rejection:
        return rejection.reason


def open_texts(
    source_format: SourceFormat,
    texts: Slices,
    keys: list[Prepared],
    codes: Ints,
    rejected: dict[int, Reason] | None = None,
    *,
    unauthenticated: Unauthenticated,
) -> Opened:
    """Opens cipher texts; `codes[row]` is the position of the row's data key in `keys`.

    The rows in `rejected` have no data key and are left out. Values without a tag are opened or rejected.
    """
    opening = Opening(texts, keys, codes, unauthenticated)
    opening.exclude(rejected or {})
    opening.reject_keys()
    OPEN[source_format](opening)
    return opening.opened()


def envelope_key(text: bytes) -> bytes:
    """The wrapped data key inside a `tink-envelope`. Raises Rejection `encoding` or `truncated`."""
    data = decode_base64(text)
    if len(data) < LENGTH_BYTES:
        raise Rejection("truncated")
    end = LENGTH_BYTES + int.from_bytes(data[:LENGTH_BYTES], "big")
    if end == LENGTH_BYTES or len(data) < end + IV_BYTES + TAG_BYTES:
        raise Rejection("truncated")
    return data[LENGTH_BYTES:end]


def _gcm(opening: Opening) -> None:
    """Iv | ct | tag"""
    decoded = opening.decode()
    whole = decoded.lengths() >= IV_BYTES + TAG_BYTES
    opening.keep(whole, Reason("truncated"))
    _open_raw(opening, decoded.take(np.flatnonzero(whole)))


def _open_raw(opening: Opening, sealed: Slices) -> None:
    opening.gcm(_decrypts(opening), *_cut_iv(sealed))


def _cut_iv(sealed: Slices) -> tuple[Slices, Slices]:
    """Cuts the IVs from the ciphertexts that follow them."""
    bodies = sealed.starts + IV_BYTES
    return Slices(sealed.data, sealed.starts, bodies), Slices(sealed.data, bodies, sealed.ends)


def _decrypts(opening: Opening) -> list[Decrypt]:
    """The `decrypt` of each remaining row's data key."""
    methods = [key.decrypt if isinstance(key, DataKey) else None for key in opening.keys]
    return [methods[code] for code in opening.codes[opening.rows].tolist()]


def _tink(opening: Opening) -> None:
    """0x01 | key id | iv | ct | tag"""
    decoded = opening.decode()
    whole = decoded.lengths() >= PREFIX_BYTES + IV_BYTES + TAG_BYTES
    opening.keep(whole, Reason("truncated"))
    decoded = decoded.take(np.flatnonzero(whole))
    octets = np.frombuffer(decoded.data, np.uint8)
    versioned = octets[decoded.starts] == VERSION
    opening.keep(versioned, Reason("version"))
    decoded = decoded.take(np.flatnonzero(versioned))
    ids = _big_endian(octets, decoded.starts + 1).tolist()
    found = [opening.key(row).by_id.get(key) for row, key in zip(opening.rows.tolist(), ids, strict=True)]
    known = np.array([decrypt is not None for decrypt in found], np.bool_)
    opening.keep(known, Reason("unknown-key"))
    decoded = decoded.take(np.flatnonzero(known))
    decrypts = [decrypt for decrypt in found if decrypt is not None]
    opening.gcm(decrypts, *_cut_iv(Slices(decoded.data, decoded.starts + PREFIX_BYTES, decoded.ends)))


def _tink_envelope(opening: Opening) -> None:
    """Length | wrapped key | iv | ct | tag; rows of another structure have no data key and are out."""
    decoded = opening.decode()
    lengths = _big_endian(np.frombuffer(decoded.data, np.uint8), decoded.starts)
    payload = decoded.starts + LENGTH_BYTES + lengths
    _open_raw(opening, Slices(decoded.data, payload, decoded.ends))


def _dotted(opening: Opening) -> None:
    """Iv '.' ct; the length of the IV tells AES-GCM from AES-CBC."""
    iv, sealed = _halves(opening)
    sizes, lengths = iv.lengths(), sealed.lengths()
    gcm = sizes == IV_BYTES
    cbc = sizes == BLOCK_BYTES
    checks: list[tuple[Mask, Reason]] = [
        (gcm | cbc, Reason("iv-length")),
        # Not even tried: what padding tells of a made-up cipher text is told to nobody.
        (gcm | (opening.unauthenticated == "accept"), Reason("unauthenticated")),
        (~gcm | (lengths >= TAG_BYTES), Reason("truncated")),
        (~cbc | ((lengths > 0) & (lengths % BLOCK_BYTES == 0)), Reason("block-length")),
    ]
    left = np.arange(len(sizes))
    for mask, reason in checks:
        opening.keep(mask[left], reason)
        left = left[mask[left]]
    rows = opening.rows
    for row, at in zip(rows[cbc[left]].tolist(), left[cbc[left]].tolist(), strict=True):
        opening.cbc(row, iv[at], sealed[at])
    at_gcm = left[gcm[left]]
    opening.rows = rows[gcm[left]]
    opening.gcm(_decrypts(opening), iv.take(at_gcm), sealed.take(at_gcm))


def _halves(opening: Opening) -> tuple[Slices, Slices]:
    """The texts on both sides of the dot, decoded as one buffer."""
    texts = opening.texts.take(opening.rows)
    ends = np.cumsum(texts.lengths())
    dots = np.flatnonzero(np.frombuffer(texts.packed(), np.uint8) == DOT)
    owners = np.searchsorted(ends, dots, side="right")
    single = np.bincount(owners, minlength=len(texts)) == 1
    opening.keep(single, Reason("encoding"))
    texts = texts.take(np.flatnonzero(single))
    before = (dots - (ends - np.diff(ends, prepend=0))[owners])[single[owners]]
    sizes = np.stack([before, texts.lengths() - 1 - before], axis=1).ravel()
    bounds = np.cumsum(sizes)
    halves = Slices(texts.packed().replace(b".", b""), bounds - sizes, bounds)
    decoded, valid = decode_valid(halves)
    both = mask_of(len(halves), valid).reshape(-1, 2)
    opening.keep(both.all(axis=1), Reason("encoding"))
    place = (np.cumsum(both) - 1).reshape(-1, 2)[both.all(axis=1)]
    return decoded.take(place[:, 0]), decoded.take(place[:, 1])


def _big_endian(octets: npt.NDArray[np.uint8], at: Ints) -> Ints:
    """The unsigned 32-bit numbers that start at the given positions."""
    value = octets[at].astype(np.int64)
    for offset in range(1, 4):
        value = value << 8 | octets[at + offset]
    return value


OPEN: dict[SourceFormat, Callable[[Opening], None]] = {
    "gcm": _gcm,
    "dotted": _dotted,
    "tink": _tink,
    "tink-envelope": _tink_envelope,
}
