"""Envelopes of the `tink-envelope` format: each brings its wrapped data key itself."""

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from reseal.bundle import activate
from reseal.errors import Reason, Refusal


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


def structure(text: bytes) -> Reason:
    """Why no data key was found inside an envelope."""
    from reseal.formats import envelope_key

    try:
        envelope_key(text)
    except Refusal as refusal:
        return refusal.reason
    raise AssertionError("an envelope without a fault has no data key")
