"""What this package makes of inputs: JSON lines in, the outcome of each as a line out.

tests/fuzz/outcomes.ts says the same of the TypeScript code. Texts of a source format are opened many at once,
as a record batch is.
"""

import base64
import hashlib
import json
import sys
from typing import Any

import numpy as np

from reseal.columns import Slices
from reseal.encoding import decode_dek
from reseal.envelopes import envelope_fault
from reseal.formats import envelope_key, open_texts, prepare
from reseal.keysets import Aead, parse_keyset
from reseal.reasons import Reason, Rejection
from reseal.value_pattern import ValuePattern, pattern_fault

RECORD_BATCH = 50


def shown(value: bytes) -> str:
    return f"opened {hashlib.sha256(value).hexdigest()[:16]}"


def packed(texts: list[bytes]) -> Slices:
    bounds = np.cumsum([0, *map(len, texts)])
    return Slices(b"".join(texts), bounds[:-1], bounds[1:])


def sources(inputs: list[Any]) -> list[str]:
    """The outcomes of texts that have format and `unauthenticated` in common."""
    source_format = inputs[0]["format"]
    texts = [entry["cipher_text"].encode() for entry in inputs]
    keyless: dict[int, Reason] = {}
    if source_format == "tink-envelope":
        for row, text in enumerate(texts):
            try:
                envelope_key(text)
            except Rejection:
                keyless[row] = envelope_fault(text)
    names = [entry["key"] for entry in inputs]
    distinct = sorted(set(names))
    keys = [prepare(source_format, bytes.fromhex(name)) for name in distinct]
    codes = np.array([-1 if row in keyless else distinct.index(name) for row, name in enumerate(names)])
    opened = open_texts(
        source_format, packed(texts), keys, codes, keyless, unauthenticated=inputs[0]["unauthenticated"]
    )
    outcomes: dict[int, str] = dict(opened.rejected)
    outcomes |= zip(opened.rows.tolist(), map(shown, opened.plain), strict=True)
    return [outcomes[row] for row in range(len(inputs))]


def single(entry: Any) -> str:
    """The outcome of any other input."""
    if entry["kind"] == "pattern":
        fault = pattern_fault(entry["pattern"])
        if fault is not None:
            return f"no pattern: {fault}"
        pattern = ValuePattern(entry["pattern"])
        return "".join("1" if pattern.matches(value.encode()) else "0" for value in entry["values"])
    try:
        if entry["kind"] == "dek":
            return shown(decode_dek(entry["text"]))
        keyset = Aead(parse_keyset(base64.b64decode(entry["keyset"])))
        return shown(keyset.open(base64.b64decode(entry["ciphertext"]), entry["aad"].encode()))
    except Rejection as rejection:
        return rejection.reason


def main() -> None:
    inputs = [json.loads(line) for line in sys.stdin]
    at = 0
    while at < len(inputs):
        entry = inputs[at]
        if entry["kind"] != "source":
            outcomes = [single(entry)]
        else:
            alike = [entry]
            for other in inputs[at + 1 : at + RECORD_BATCH]:
                if any(other.get(name) != entry[name] for name in ("kind", "format", "unauthenticated")):
                    break
                alike.append(other)
            outcomes = sources(alike)
        sys.stdout.writelines(f"{outcome}\n" for outcome in outcomes)
        at += len(outcomes)


if __name__ == "__main__":
    main()
