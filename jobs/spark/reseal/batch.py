"""A batch of cipher texts on its way to plaintexts."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from reseal.arguments import SourceFormat
from reseal.columns import Ints, Slices, decode_valid
from reseal.errors import Reason, Refusal
from reseal.keysets import Aead, aes_gcm, parse_aes_gcm_key, parse_keyset

Decrypt = Callable[[bytes, bytes, bytes | None], bytes]
Mask = npt.NDArray[np.bool_]

BLOCK_BYTES = 16


@dataclass(frozen=True, repr=False)
class DataKey:
    """An unwrapped data key, prepared once for many rows."""

    # AES-GCM under the key; of the `tink` format, by key id.
    decrypt: Decrypt | None
    by_id: dict[int, Decrypt]
    # For AES-CBC.
    raw: bytes


# A data key, or why there is none.
Prepared = DataKey | Reason


def _decrypts(keyset: bytes) -> dict[int, Decrypt]:
    return {key: cipher.decrypt for key, cipher in Aead(parse_keyset(keyset)).ciphers().items()}


def prepare(source_format: SourceFormat, key: bytes) -> Prepared:
    """Prepares an unwrapped data key; the reason is `key-length` or `unknown-key`."""
    try:
        if source_format == "tink":
            return DataKey(None, _decrypts(key), b"")
        raw = parse_aes_gcm_key(key) if source_format == "tink-envelope" else key
        return DataKey(aes_gcm(raw).decrypt, {}, raw)
    except Refusal as refusal:
        return refusal.reason


@dataclass
class Opened:
    """A batch as it opened: `plain[i]` is the value of row `rows[i]`; the other rows are in `refused`."""

    rows: Ints
    plain: list[bytes]
    refused: dict[int, Reason]


class Batch:
    """Every step takes the rows that it refuses out of `rows`, those still to be opened."""

    def __init__(self, texts: Slices, keys: list[Prepared], codes: Ints) -> None:
        self.texts = texts
        self.keys = keys
        self.codes = codes
        self.rows: Ints = np.arange(len(texts))
        self.refused: dict[int, Reason] = {}
        self._plain = [b""] * len(texts)

    def exclude(self, refused: dict[int, Reason]) -> None:
        """Takes out rows that were refused before."""
        if refused:
            self.refused |= refused
            self.rows = np.setdiff1d(self.rows, np.array(list(refused), np.int64), assume_unique=True)

    def refuse_keys(self) -> None:
        """A data key's refusal comes before anything that is wrong with a cipher text."""
        for code, key in enumerate(self.keys):
            if not isinstance(key, DataKey):
                self.keep(self.codes[self.rows] != code, key)

    def keep(self, mask: Mask, reason: Reason) -> None:
        """Refuses the remaining rows where the mask is false."""
        if not bool(mask.all()):
            self.refused |= dict.fromkeys(self.rows[~mask].tolist(), reason)
            self.rows = self.rows[mask]

    def decode(self) -> Slices:
        """The remaining rows' texts from base64."""
        texts = self.texts.take(self.rows)
        decoded, valid = decode_valid(texts)
        self.keep(mask_of(len(texts), valid), "encoding")
        return decoded

    def key(self, row: int) -> DataKey:
        """The data key of a remaining row."""
        key = self.keys[self.codes[row]]
        if not isinstance(key, DataKey):
            raise TypeError("a refused key's rows are out by now")
        return key

    def gcm(self, decrypts: list[Decrypt], ivs: Slices, bodies: Slices) -> None:
        """Opens the remaining rows; a body is ciphertext and tag."""
        nonces, sealed = ivs.pieces(), bodies.pieces()
        rows = self.rows.tolist()
        try:
            opened = [
                decrypt(iv, body, None) for decrypt, iv, body in zip(decrypts, nonces, sealed, strict=True)
            ]
        except InvalidTag:
            # Some row is not authentic: once more, one by one.
            opened = []
            for row, decrypt, iv, body in zip(rows, decrypts, nonces, sealed, strict=True):
                try:
                    opened.append(decrypt(iv, body, None))
                except InvalidTag:
                    opened.append(b"")
                    self.refused[row] = "authentication"
        if len(rows) == len(self._plain):
            self._plain = opened
        else:
            for row, value in zip(rows, opened, strict=True):
                self._plain[row] = value

    def cbc(self, row: int, iv: bytes, body: bytes) -> None:
        """Opens one row of AES-CBC with PKCS#7 padding (RFC 5652 §6.3)."""
        decryptor = Cipher(algorithms.AES(self.key(row).raw), modes.CBC(iv)).decryptor()
        unpadder = PKCS7(BLOCK_BYTES * 8).unpadder()
        try:
            padded = decryptor.update(body) + decryptor.finalize()
            self._plain[row] = unpadder.update(padded) + unpadder.finalize()
        except ValueError:
            self.refused[row] = "padding"

    def opened(self) -> Opened:
        """What opened, strict UTF-8 every one of them."""
        plain = self._plain
        try:
            # One decoder over all rows: a character cut off at a row's end does not go on with a NUL.
            b"\0".join(plain).decode()
        except UnicodeDecodeError:
            for row, value in enumerate(plain):
                if not _is_utf8(value):
                    self.refused[row] = "plaintext-not-utf8"
        if not self.refused:
            return Opened(np.arange(len(plain)), plain, self.refused)
        rows = [row for row in range(len(plain)) if row not in self.refused]
        return Opened(np.array(rows, np.int64), [plain[row] for row in rows], self.refused)


def mask_of(length: int, positions: Ints) -> Mask:
    """True at the positions."""
    mask = np.zeros(length, np.bool_)
    mask[positions] = True
    return mask


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
