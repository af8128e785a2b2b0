"""The re-encryption of rows: a function for Spark's mapInArrow, from source columns to staging columns."""

from binascii import unhexlify
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyspark import Broadcast
from pyspark.sql.types import StructType

from reseal.arguments import Keying, SourceFormat
from reseal.bundle import activate
from reseal.errors import Reason, Refusal
from reseal.secret import Secret
from reseal.storage import STAGING
from reseal.unwrap import KEYSET_NAME

if TYPE_CHECKING:
    from reseal.batch import Opened
    from reseal.keyring import Fate, Keyring
    from reseal.sealing import RowSealer, Sealed, SharedSealer

# SHA-256.
TOKEN_BYTES = 32


@dataclass(frozen=True)
class Transform:
    """Goes into the closure of the sealing tasks: the only way by which keys reach them."""

    source_format: SourceFormat
    keying: Keying
    store_plaintext: bool
    session: Secret
    # The first-level keyset under the session key.
    keyset: bytes
    # Every data key's fate; None where a join brings them with the rows.
    fates: "Broadcast[dict[str, Fate]] | None"

    def schema(self) -> StructType:
        """The staging columns that `batches` makes; the others are the same in every row."""
        names = ["id", "bq_encrypted_email", "resealed_from", "reason", "dek_fingerprint"]
        names += ["decrypted_email"] if self.store_plaintext else []
        names += ["bq_encryption_key"] if self.keying == "row" else []
        return StructType([column for column in STAGING if column.name in names])

    def columns(self) -> list[str]:
        """The columns that `batches` takes."""
        wrapped = ["wrapped"] if self.source_format == "tink-envelope" else []
        joined = ["key_sealed", "key_reason"] if self.fates is None else []
        return ["id", "cipher_text", "dek", "token", *wrapped, *joined]

    def batches(self, batches: Iterable[Any]) -> Iterable[Any]:
        """Re-encrypts Arrow batches with the columns that `columns` names."""
        activate()
        from reseal.keyring import Keyring
        from reseal.keysets import Aead, parse_keyset
        from reseal.sealing import RowSealer, SharedSealer
        from reseal.sessionkey import SessionKey

        session = SessionKey(self.session)
        keyset = Aead(parse_keyset(session.open(self.keyset, KEYSET_NAME)))
        sealer = SharedSealer(keyset) if self.keying == "shared" else RowSealer(keyset)
        fates = None if self.fates is None else self.fates.value
        keyring = Keyring(self.source_format, session, fates)
        for batch in batches:
            if batch.num_rows:
                yield self._batch(batch, keyring, sealer)

    def _batch(self, batch: Any, keyring: "Keyring", sealer: "RowSealer | SharedSealer") -> Any:
        from reseal.columns import slices
        from reseal.formats import open_batch

        keys, codes = keyring.keys(batch)
        texts = slices(batch.column("cipher_text"))
        without = {row: _structure(texts[row]) for row in np.flatnonzero(codes < 0).tolist()}
        opened = open_batch(self.source_format, texts, keys, codes, without)
        ids = batch.column("id").to_numpy()[opened.rows]
        return self._staging(batch, opened, sealer.seal(ids, opened.plain))

    def _staging(self, batch: Any, opened: "Opened", sealed: "Sealed") -> Any:
        """One record of the staging table for each row, sealed or refused."""
        from reseal.columns import binary_array, slices

        rows = batch.num_rows
        columns = {"id": batch.column("id")}
        if self.store_plaintext:
            plain = np.full(rows, None, object)
            plain[opened.rows] = [value.decode() for value in opened.plain]
            columns["decrypted_email"] = pa.array(plain, pa.string())
        valid = None
        if opened.refused:
            valid = np.zeros(rows, np.bool_)
            valid[opened.rows] = True

        def spread(lengths: Any) -> Any:
            all_lengths = np.zeros(rows, np.int64)
            all_lengths[opened.rows] = lengths
            return all_lengths

        if self.keying == "row":
            columns["bq_encryption_key"] = binary_array(sealed.keys, spread(sealed.key_lengths), valid)
        columns["bq_encrypted_email"] = binary_array(sealed.values, spread(sealed.value_lengths), valid)
        tokens = unhexlify(slices(batch.column("token")).packed())
        columns["resealed_from"] = binary_array(tokens, np.full(rows, TOKEN_BYTES, np.int64), None)
        columns["reason"], columns["dek_fingerprint"] = _refusals(batch, opened.refused)
        return pa.RecordBatch.from_pydict(columns)


def _refusals(batch: Any, refused: dict[int, Reason]) -> tuple[Any, Any]:
    """The reasons, and the fingerprints of the deks (first 16 hex digits of SHA-256)."""
    if not refused:
        nothing = pa.nulls(batch.num_rows, pa.string())
        return nothing, nothing
    reasons = np.full(batch.num_rows, None, object)
    fingerprints = np.full(batch.num_rows, None, object)
    deks = batch.column("dek")
    for row, reason in refused.items():
        reasons[row] = reason
        fingerprints[row] = sha256(deks[row].as_py().encode()).hexdigest()[:16]
    return pa.array(reasons, pa.string()), pa.array(fingerprints, pa.string())


def _structure(text: bytes) -> Reason:
    """Why no data key was found inside an envelope."""
    from reseal.formats import envelope_key

    try:
        envelope_key(text)
    except Refusal as refusal:
        return refusal.reason
    raise AssertionError("an envelope without a fault has no data key")


def envelope_keys(batches: Iterable[Any]) -> Iterable[Any]:
    """Adds `wrapped`, the hex text of the data key inside each `tink-envelope`; null where there is none."""
    activate()
    from reseal.columns import slices
    from reseal.formats import envelope_key

    for batch in batches:
        texts = slices(batch.column("cipher_text"))
        wrapped: list[str | None] = []
        for row in range(len(texts)):
            try:
                wrapped.append(envelope_key(texts[row]).hex())
            except Refusal:
                wrapped.append(None)
        columns = [*batch.columns, pa.array(wrapped, pa.string())]
        yield pa.RecordBatch.from_arrays(columns, names=[*batch.schema.names, "wrapped"])
