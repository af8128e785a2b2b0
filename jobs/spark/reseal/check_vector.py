"""Runs this package's own code over a file of test vectors: python -m reseal.check_vector FILE.

The vectors were written by official Tink and PyCA cryptography (tests/fixtures/envelope.json).
"""

import base64
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from reseal.columns import Slices
from reseal.formats import envelope_key, open_texts, prepare
from reseal.keysets import Aead, aes_gcm, parse_keyset
from reseal.reasons import Rejection
from reseal.value_pattern import ValuePattern


def _source(vector: dict[str, Any]) -> bytes:
    """The value of a cipher text in a source format."""
    text = str(vector["cipher_text"]).encode()
    if vector["format"] == "tink-envelope":
        wrapped = envelope_key(text)
        key = aes_gcm(bytes.fromhex(vector["kek"])).decrypt(wrapped[:12], wrapped[12:], None)
    elif vector["format"] == "tink":
        key = base64.b64decode(vector["keyset"])
    else:
        key = bytes.fromhex(vector["key"])
    texts = Slices(text, np.array([0]), np.array([len(text)]))
    keys = [prepare(vector["format"], key)]
    unauthenticated = vector.get("unauthenticated", "accept")
    opened = open_texts(vector["format"], texts, keys, np.array([0]), unauthenticated=unauthenticated)
    if "value_pattern" in vector:
        opened = ValuePattern(vector["value_pattern"]).keep(opened)
    if opened.rejected:
        raise Rejection(opened.rejected[0])
    return opened.plain[0]


def _sealed(vector: dict[str, Any]) -> bytes:
    """The value of a ciphertext in BigQuery's AEAD format."""
    aad = str(vector["aad"]).encode()
    keyset = Aead(parse_keyset(base64.b64decode(vector["keyset"])))
    if "row_keyset_sealed" in vector:
        row = keyset.open(base64.b64decode(vector["row_keyset_sealed"]), aad)
        keyset = Aead(parse_keyset(row))
    return keyset.open(base64.b64decode(vector["ciphertext"]), aad)


def passes(vector: dict[str, Any]) -> bool:
    """Whether a vector opens to its plaintext or is rejected for its reason, as the file says."""
    try:
        plain = _sealed(vector) if "ciphertext" in vector else _source(vector)
    except Rejection as rejection:
        return vector.get("reason") == rejection.reason
    return vector.get("plaintext") == plain.decode()


def main(path: str) -> int:
    """Prints the vectors that failed, and how many passed and failed."""
    vectors = json.loads(Path(path).read_text())["vectors"]
    failed = [at for at, vector in enumerate(vectors) if not passes(vector)]
    for at in failed:
        vector = vectors[at]
        sys.stdout.write(f"vector {at}: {vector['kind']} {vector.get('format', '')} failed\n")
    sys.stdout.write(f"{len(vectors) - len(failed)} passed, {len(failed)} failed\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
