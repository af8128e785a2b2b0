"""The `tink-envelope` format, in which each cipher text brings its own wrapped data key."""

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from reseal.bundle import activate
from reseal.reasons import Reason, Rejection


def envelope_keys(record_batches: Iterable[Any]) -> Iterable[Any]:
    """Adds `wrapped`, the data key inside each envelope in hex; null where the envelope is malformed."""
    activate()
    from reseal.columns import slices
    from reseal.formats import envelope_key

    for record_batch in record_batches:
        texts = slices(record_batch.column("cipher_text"))
        wrapped: list[str | None] = []
        for row in range(len(texts)):
            try:
                wrapped.append(envelope_key(texts[row]).hex())
            except Rejection:
                wrapped.append(None)
        columns = [*record_batch.columns, pa.array(wrapped, pa.string())]
        yield pa.RecordBatch.from_arrays(columns, names=[*record_batch.schema.names, "wrapped"])


def envelope_fault(text: bytes) -> Reason:
    """Why an envelope holds no data key."""
    from reseal.formats import envelope_key

    try:
        envelope_key(text)
    except Rejection as rejection:
        return rejection.reason
    raise AssertionError("a well-formed envelope had no data key")
