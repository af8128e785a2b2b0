"""Opens the cipher texts of a record batch, step by step, and keeps account of the rows that it rejects."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from reseal.arguments import Unauthenticated
from reseal.columns import Ints, Slices, decode_valid
from reseal.reasons import Reason

Decrypt = Callable[[bytes, bytes, bytes | None], bytes]
Mask = npt.NDArray[np.bool_]

# AES's block, and with it CBC's IV (NIST SP 800-38A §5.3).
BLOCK_BYTES = 16


@dataclass(frozen=True, repr=False)
class DataKey:
    """An unwrapped data key, prepared once for many rows."""

    # AES-GCM under the key; None in the `tink` format, whose keysets hold several keys.
    decrypt: Decrypt | None
    # The keys of a `tink` keyset by their ids.
    by_id: dict[int, Decrypt]
    # The key itself, for AES-CBC.
    raw: bytes


# A data key, or why there is none.
Prepared = DataKey | Reason


@dataclass
class Opened:
    """The outcome: `plain[i]` is the value of row `rows[i]`; every other row is in `rejected`."""

    rows: Ints
    plain: list[bytes]
    rejected: dict[int, Reason]
    # The rows among them that nothing but their padding proves: AES-CBC has no tag.
    unauthenticated: set[int]


class Opening:
    """The rows of one record batch on their way to plaintexts.

    `rows` are those still to be opened; every step takes out the rows that it rejects.
    """

    def __init__(
        self, texts: Slices, keys: list[Prepared], codes: Ints, unauthenticated: Unauthenticated
    ) -> None:
        self.unauthenticated = unauthenticated
        self.texts = texts
        self.keys = keys
        self.codes = codes
        self.rows: Ints = np.arange(len(texts))
        self.rejected: dict[int, Reason] = {}
        self._unauthenticated: set[int] = set()
        self._plain = [b""] * len(texts)

    def exclude(self, rejected: dict[int, Reason]) -> None:
        """Takes out rows that were rejected before."""
        if rejected:
            self.rejected |= rejected
            self.rows = np.setdiff1d(self.rows, np.array(list(rejected), np.int64), assume_unique=True)

    def reject_keys(self) -> None:
        """Rejects the rows without a usable data key: its reason precedes any fault of a cipher text."""
        for code, key in enumerate(self.keys):
            if not isinstance(key, DataKey):
                self.keep(self.codes[self.rows] != code, key)

    def keep(self, mask: Mask, reason: Reason) -> None:
        """Rejects the remaining rows where the mask is false."""
        if not bool(mask.all()):
            self.rejected |= dict.fromkeys(self.rows[~mask].tolist(), reason)
            self.rows = self.rows[mask]

    def decode(self) -> Slices:
        """Decodes the remaining rows' texts from base64."""
        texts = self.texts.take(self.rows)
        decoded, valid = decode_valid(texts)
        self.keep(mask_of(len(texts), valid), Reason("encoding"))
        return decoded

    def key(self, row: int) -> DataKey:
        """The data key of a remaining row."""
        key = self.keys[self.codes[row]]
        if not isinstance(key, DataKey):
            raise TypeError("the rows of a rejected key are taken out first")
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
            # Handling the exception row by row would slow down the usual case, in which every row is
            # authentic; so the rows are opened a second time instead.
            opened = []
            for row, decrypt, iv, body in zip(rows, decrypts, nonces, sealed, strict=True):
                try:
                    opened.append(decrypt(iv, body, None))
                except InvalidTag:
                    opened.append(b"")
                    self.rejected[row] = Reason("authentication")
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
            self.rejected[row] = Reason("padding")
            return
        self._unauthenticated.add(row)

    def opened(self) -> Opened:
        """The outcome; every plaintext is valid UTF-8."""
        plain = self._plain
        try:
            # One call for all rows. The separator keeps a character that is cut off at the end of one row
            # from being completed by the next.
            b"\0".join(plain).decode()
        except UnicodeDecodeError:
            for row, value in enumerate(plain):
                if not _is_utf8(value):
                    self.rejected[row] = Reason("plaintext-not-utf8")
        if not self.rejected:
            return Opened(np.arange(len(plain)), plain, {}, self._unauthenticated)
        rows = [row for row in range(len(plain)) if row not in self.rejected]
        unauthenticated = self._unauthenticated - self.rejected.keys()
        return Opened(np.array(rows, np.int64), [plain[row] for row in rows], self.rejected, unauthenticated)


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
