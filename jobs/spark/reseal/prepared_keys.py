"""Data keys in the sealing tasks: each is opened under the session key and prepared once a worker."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from reseal.arguments import SourceFormat
from reseal.columns import Ints, objects
from reseal.formats import prepare
from reseal.opening import Prepared
from reseal.reasons import Reason
from reseal.session_key import SessionKey

# The dek, and either the data key under the session key or the reason why there is none.
Unwrapped = tuple[str, bytes | None, Reason | None]
# What a row refers to its data key by: its number or, in the join plan, the text of the dek.
Name = int | str
# Prepared keys that a worker holds, some 2 KB each.
CAPACITY = 20_000


@dataclass(frozen=True, repr=False)
class KeyColumn:
    """The data keys of a record batch: the distinct ones, and for each row the position of its own.

    The position is -1 for an envelope that holds no data key.
    """

    prepared: list[Prepared]
    codes: Ints
    names: list[Name]
    unwrapped: Mapping[Name, Unwrapped]

    def dek(self, row: int) -> str:
        """The text of a row's dek; in `tink-envelope` that of the data key inside."""
        return self.unwrapped[self.names[self.codes[row]]][0]


class PreparedKeys:
    """A worker's prepared data keys. `unwrapped` is None in the join plan, where rows bring their keys."""

    def __init__(
        self, source_format: SourceFormat, session: SessionKey, unwrapped: Mapping[Name, Unwrapped] | None
    ) -> None:
        self._format = source_format
        self._session = session
        self._unwrapped = unwrapped
        self._prepared: dict[Name, Prepared] = {}

    def column(self, record_batch: Any) -> KeyColumn:
        """The data keys of a record batch's rows."""
        encoded = record_batch.column("key").dictionary_encode()
        codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        names: list[Name] = objects(encoded.dictionary)
        unwrapped = self._unwrapped if self._unwrapped is not None else _joined(record_batch, names, codes)
        if len(self._prepared) + len(names) > CAPACITY:
            self._prepared.clear()
        return KeyColumn([self._key(name, unwrapped) for name in names], codes, names, unwrapped)

    def _key(self, name: Name, unwrapped: Mapping[Name, Unwrapped]) -> Prepared:
        found = self._prepared.get(name)
        if found is None:
            dek, sealed, reason = unwrapped[name]
            if sealed is not None:
                found = prepare(self._format, self._session.open(sealed, dek.encode()))
            elif reason is not None:
                found = reason
            else:
                raise AssertionError("a data key has neither bytes nor a reason")
            self._prepared[name] = found
        return found


def _joined(record_batch: Any, deks: list[Any], codes: Ints) -> dict[Name, Unwrapped]:
    """The data keys that a join put beside the rows, each taken from the first row that has it."""
    used, first = np.unique(codes, return_index=True)
    rows = pa.array(first[used >= 0])
    sealed = record_batch.column("key_sealed").take(rows).to_pylist()
    reasons = record_batch.column("key_reason").take(rows).to_pylist()
    return dict(zip(deks, zip(deks, sealed, reasons, strict=True), strict=True))
