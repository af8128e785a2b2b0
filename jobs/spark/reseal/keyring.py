"""The tasks' side of the data keys: prepared once a worker, by the text of the dek."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from reseal.arguments import SourceFormat
from reseal.batch import Prepared, prepare
from reseal.columns import Ints
from reseal.errors import Reason
from reseal.sessionkey import SessionKey

# A data key's fate as the unwrapping left it: sealed under the session key, or why there is none.
Fate = tuple[bytes | None, Reason | None]
# Prepared keys held at once by a worker, some 2 KB each.
CAPACITY = 20_000


class Keyring:
    """Prepared data keys. In the join plan the fates come with the rows, else from the broadcast table."""

    def __init__(
        self, source_format: SourceFormat, session: SessionKey, fates: Mapping[str, Fate] | None
    ) -> None:
        self._format = source_format
        self._session = session
        self._fates = fates
        self._prepared: dict[str, Prepared] = {}

    def keys(self, batch: Any) -> tuple[list[Prepared], Ints]:
        """The batch's distinct data keys, and for each row the position of its own.

        An envelope in which there is none has position -1.
        """
        name = "wrapped" if self._format == "tink-envelope" else "dek"
        encoded = batch.column(name).dictionary_encode()
        codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        # Arrow makes the texts of an array all at once, to_pylist one by one.
        deks: list[str] = encoded.dictionary.to_numpy(zero_copy_only=False).tolist()
        fates = self._fates if self._fates is not None else _joined(batch, deks, codes)
        if len(self._prepared) + len(deks) > CAPACITY:
            self._prepared.clear()
        return [self._key(dek, fates) for dek in deks], codes

    def _key(self, dek: str, fates: Mapping[str, Fate]) -> Prepared:
        found = self._prepared.get(dek)
        if found is None:
            sealed, reason = fates[dek]
            if sealed is not None:
                found = prepare(self._format, self._session.open(sealed, dek.encode()))
            elif reason is not None:
                found = reason
            else:
                raise AssertionError("a data key has neither bytes nor a reason")
            self._prepared[dek] = found
        return found


def _joined(batch: Any, deks: list[str], codes: Ints) -> dict[str, Fate]:
    """The fates that a join put beside the rows: of each dek the first row's."""
    used, first = np.unique(codes, return_index=True)
    rows = pa.array(first[used >= 0])
    sealed = batch.column("key_sealed").take(rows).to_pylist()
    reasons = batch.column("key_reason").take(rows).to_pylist()
    return dict(zip(deks, zip(sealed, reasons, strict=True), strict=True))
