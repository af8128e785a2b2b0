"""Re-encrypts rows, from source columns to staging columns; a function for Spark's mapInArrow."""

from binascii import unhexlify
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyspark import Broadcast
from pyspark.sql.types import StructType

from reseal.arguments import IdType, Keying, SourceFormat, Unauthenticated
from reseal.bundle import activate
from reseal.envelopes import envelope_fault
from reseal.reasons import Reason
from reseal.row_ids import texts
from reseal.secret import Secret
from reseal.storage import staging
from reseal.unwrapping import KEYSET_NAME

if TYPE_CHECKING:
    from reseal.columns import Ints
    from reseal.opening import Opened
    from reseal.prepared_keys import KeyColumn, Name, PreparedKeys, Unwrapped
    from reseal.sealing import Sealed

# The size of a SHA-256 digest.
TOKEN_BYTES = 32


@dataclass(frozen=True)
class Transform:
    """Travels in the closure of the sealing tasks, which is the only way by which secrets reach them."""

    id_type: IdType
    source_format: SourceFormat
    unauthenticated: Unauthenticated
    keying: Keying
    store_plaintext: bool
    session: Secret
    # The first-level keyset under the session key.
    keyset: bytes
    # The data keys; None in the join plan, where rows bring their keys.
    unwrapped: "Broadcast[dict[Name, Unwrapped]] | None"
    # The name of the field whose values these are.
    field: str
    # What the field's values have to match.
    value_pattern: str | None = None

    def schema(self) -> StructType:
        """The staging columns that `apply` produces; all others are constants, which Spark adds."""
        names = ["id", "bq_encrypted_email", "resealed_from", "reason", "dek_fingerprint"]
        names += ["unauthenticated"] if self.source_format == "dotted" else []
        names += ["decrypted_email"] if self.store_plaintext else []
        names += ["bq_encryption_key"] if self.keying == "row" else []
        return StructType([column for column in staging(self.id_type) if column.name in names])

    def columns(self) -> list[str]:
        """The columns that `apply` needs."""
        joined = ["key_sealed", "key_reason"] if self.unwrapped is None else []
        # An envelope's data key is not its dek, whose fingerprint is reported for a rejected row.
        dek = ["dek"] if self.source_format == "tink-envelope" else []
        return ["id", "cipher_text", "token", "key", *joined, *dek]

    def apply(self, record_batches: Iterable[Any]) -> Iterable[Any]:
        """Re-encrypts record batches of the columns that `columns` names."""
        activate()
        from reseal.keysets import parse_keyset
        from reseal.prepared_keys import PreparedKeys
        from reseal.sealing import sealer
        from reseal.session_key import SessionKey
        from reseal.value_pattern import ValuePattern

        session = SessionKey(self.session)
        seal = sealer(self.keying, parse_keyset(session.open(self.keyset, KEYSET_NAME)))
        unwrapped = None if self.unwrapped is None else self.unwrapped.value
        prepared = PreparedKeys(self.source_format, session, unwrapped)
        pattern = None if self.value_pattern is None else ValuePattern(self.value_pattern)
        for record_batch in record_batches:
            if record_batch.num_rows:
                opened, keys = self._open(record_batch, prepared)
                opened = opened if pattern is None else pattern.keep(opened)
                yield self._staging(
                    record_batch, keys, opened, seal(self._aads(record_batch, opened), opened.plain)
                )

    def _aads(self, source: Any, opened: "Opened") -> list[bytes]:
        """What each opened value is bound to."""
        if self.keying == "deterministic":
            return [self.field.encode()] * len(opened.plain)
        return texts(source.column("id").take(pa.array(opened.rows)))

    def _open(self, source: Any, prepared: "PreparedKeys") -> "tuple[Opened, KeyColumn]":
        from reseal.columns import slices
        from reseal.formats import open_texts

        keys = prepared.column(source)
        texts = slices(source.column("cipher_text"))
        keyless = {row: envelope_fault(texts[row]) for row in np.flatnonzero(keys.codes < 0).tolist()}
        opened = open_texts(
            self.source_format,
            texts,
            keys.prepared,
            keys.codes,
            keyless,
            unauthenticated=self.unauthenticated,
        )
        return opened, keys

    def _staging(self, source: Any, keys: "KeyColumn", opened: "Opened", sealed: "Sealed") -> Any:
        """The rows of the staging table, one for each source row, sealed or rejected."""
        from reseal.columns import equal_parts, slices

        made = {}
        if self.store_plaintext:
            made["decrypted_email"] = pa.array([value.decode() for value in opened.plain], pa.string())
        if self.keying == "row":
            made["bq_encryption_key"] = sealed.keys
        made["bq_encrypted_email"] = sealed.values
        if opened.rejected:
            places = _places(opened.rows, source.num_rows)
            made = {name: values.take(places) for name, values in made.items()}
        columns = {"id": source.column("id"), **made}
        tokens = unhexlify(slices(source.column("token")).packed())
        columns["resealed_from"] = equal_parts(tokens, TOKEN_BYTES)
        columns["reason"], fingerprints = self._rejections(source, keys, opened.rejected)
        # Spark goes by the order of the columns.
        if self.source_format == "dotted":
            columns["unauthenticated"] = _true_at(opened.unauthenticated, source.num_rows)
        columns["dek_fingerprint"] = fingerprints
        return pa.RecordBatch.from_pydict(columns)

    def _rejections(self, source: Any, keys: "KeyColumn", rejected: dict[int, Reason]) -> tuple[Any, Any]:
        """The reasons, and the fingerprints of the deks (first 16 hex digits of SHA-256)."""
        if not rejected:
            nothing = pa.nulls(source.num_rows, pa.string())
            return nothing, nothing
        reasons = np.full(source.num_rows, None, object)
        fingerprints = np.full(source.num_rows, None, object)
        envelope = self.source_format == "tink-envelope"
        for row, reason in rejected.items():
            dek = source.column("dek")[row].as_py() if envelope else keys.dek(row)
            reasons[row] = reason
            fingerprints[row] = sha256(dek.encode()).hexdigest()[:16]
        return pa.array(reasons, pa.string()), pa.array(fingerprints, pa.string())


def _true_at(rows: set[int], total: int) -> Any:
    """TRUE in some rows, null in all others."""
    others = np.ones(total, np.bool_)
    others[list(rows)] = False
    return pa.array(np.ones(total, np.bool_), mask=others)


def _places(rows: "Ints", total: int) -> Any:
    """For each of `total` rows its place among the opened `rows`; null for a rejected row."""
    places = np.zeros(total, np.int64)
    places[rows] = np.arange(len(rows))
    rejected = np.ones(total, np.bool_)
    rejected[rows] = False
    return pa.array(places, mask=rejected)
