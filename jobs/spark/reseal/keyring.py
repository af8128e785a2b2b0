"""The tasks' side of the data keys: prepared once a worker."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from reseal.arguments import SourceFormat
from reseal.batch import Prepared, prepare
from reseal.columns import Ints, objects
from reseal.errors import Reason
from reseal.sessionkey import SessionKey

# A data key's fate as the unwrapping left it: its dek, the key under the session key or why there is none.
Fate = tuple[str, bytes | None, Reason | None]
# What rows know their data key by: its number; in the join plan the text of the dek.
Name = int | str
# Prepared keys held at once by a worker, some 2 KB each.
CAPACITY = 20_000


@dataclass(frozen=True, repr=False)
class Keys:
    """A batch's distinct data keys, and for each row the position of its own.

    An envelope in which there is no data key has position -1.
    """

    prepared: list[Prepared]
    codes: Ints
    names: list[Name]
    fates: Mapping[Name, Fate]

    def dek(self, row: int) -> str:
        """The text of a row's dek; in `tink-envelope` of the data key inside."""
        return self.fates[self.names[self.codes[row]]][0]


class Keyring:
    """Prepared data keys. In the join plan the fates come with the rows, else from the broadcast table."""

    def __init__(
        self, source_format: SourceFormat, session: SessionKey, fates: Mapping[Name, Fate] | None
    ) -> None:
        self._format = source_format
        self._session = session
        self._fates = fates
        self._prepared: dict[Name, Prepared] = {}

    def keys(self, batch: Any) -> Keys:
        """The data keys of a batch's rows."""
        encoded = batch.column("key").dictionary_encode()
        codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        names: list[Name] = objects(encoded.dictionary)
        fates = self._fates if self._fates is not None else _joined(batch, names, codes)
        if len(self._prepared) + len(names) > CAPACITY:
            self._prepared.clear()
        return Keys([self._key(name, fates) for name in names], codes, names, fates)

    def _key(self, name: Name, fates: Mapping[Name, Fate]) -> Prepared:
        found = self._prepared.get(name)
        if found is None:
            dek, sealed, reason = fates[name]
            if sealed is not None:
                found = prepare(self._format, self._session.open(sealed, dek.encode()))
            elif reason is not None:
                found = reason
            else:
                raise AssertionError("a data key has neither bytes nor a reason")
            self._prepared[name] = found
        return found


def _joined(batch: Any, deks: list[Any], codes: Ints) -> dict[Name, Fate]:
    """The fates that a join put beside the rows: of each dek the first row's."""
    used, first = np.unique(codes, return_index=True)
    rows = pa.array(first[used >= 0])
    sealed = batch.column("key_sealed").take(rows).to_pylist()
    reasons = batch.column("key_reason").take(rows).to_pylist()
    return dict(zip(deks, zip(deks, sealed, reasons, strict=True), strict=True))
