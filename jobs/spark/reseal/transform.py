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
from reseal.envelopes import structure
from reseal.errors import Reason
from reseal.secret import Secret
from reseal.storage import STAGING
from reseal.unwrap import KEYSET_NAME

if TYPE_CHECKING:
    from reseal.batch import Opened
    from reseal.columns import Ints
    from reseal.keyring import Fate, Keyring, Keys, Name
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
    fates: "Broadcast[dict[Name, Fate]] | None"

    def schema(self) -> StructType:
        """The staging columns that `batches` makes; the others are the same in every row."""
        names = ["id", "bq_encrypted_email", "resealed_from", "reason", "dek_fingerprint"]
        names += ["decrypted_email"] if self.store_plaintext else []
        names += ["bq_encryption_key"] if self.keying == "row" else []
        return StructType([column for column in STAGING if column.name in names])

    def columns(self) -> list[str]:
        """The columns that `batches` takes."""
        joined = ["key_sealed", "key_reason"] if self.fates is None else []
        # There the data key is another than the dek.
        dek = ["dek"] if self.source_format == "tink-envelope" else []
        return ["id", "cipher_text", "token", "key", *joined, *dek]

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

        keys = keyring.keys(batch)
        texts = slices(batch.column("cipher_text"))
        without = {row: structure(texts[row]) for row in np.flatnonzero(keys.codes < 0).tolist()}
        opened = open_batch(self.source_format, texts, keys.prepared, keys.codes, without)
        ids = batch.column("id").to_numpy()[opened.rows]
        return self._staging(batch, keys, opened, sealer.seal(ids, opened.plain))

    def _staging(self, batch: Any, keys: "Keys", opened: "Opened", sealed: "Sealed") -> Any:
        """One record of the staging table for each row, sealed or refused."""
        from reseal.columns import equal_parts, slices

        made = {}
        if self.store_plaintext:
            made["decrypted_email"] = pa.array([value.decode() for value in opened.plain], pa.string())
        if self.keying == "row":
            made["bq_encryption_key"] = sealed.keys
        made["bq_encrypted_email"] = sealed.values
        if opened.refused:
            places = _places(opened.rows, batch.num_rows)
            made = {name: values.take(places) for name, values in made.items()}
        columns = {"id": batch.column("id"), **made}
        tokens = unhexlify(slices(batch.column("token")).packed())
        columns["resealed_from"] = equal_parts(tokens, TOKEN_BYTES)
        columns["reason"], columns["dek_fingerprint"] = self._refusals(batch, keys, opened.refused)
        return pa.RecordBatch.from_pydict(columns)

    def _refusals(self, batch: Any, keys: "Keys", refused: dict[int, Reason]) -> tuple[Any, Any]:
        """The reasons, and the fingerprints of the deks (first 16 hex digits of SHA-256)."""
        if not refused:
            nothing = pa.nulls(batch.num_rows, pa.string())
            return nothing, nothing
        reasons = np.full(batch.num_rows, None, object)
        fingerprints = np.full(batch.num_rows, None, object)
        envelope = self.source_format == "tink-envelope"
        for row, reason in refused.items():
            dek = batch.column("dek")[row].as_py() if envelope else keys.dek(row)
            reasons[row] = reason
            fingerprints[row] = sha256(dek.encode()).hexdigest()[:16]
        return pa.array(reasons, pa.string()), pa.array(fingerprints, pa.string())


def _places(rows: "Ints", total: int) -> Any:
    """For each row of a batch its place among the opened `rows`; null for the refused."""
    places = np.zeros(total, np.int64)
    places[rows] = np.arange(len(rows))
    refused = np.ones(total, np.bool_)
    refused[rows] = False
    return pa.array(places, mask=refused)
