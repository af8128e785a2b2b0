"""Runs this package's own code over a file of test vectors: python -m reseal.vectors FILE.

The vectors were written by official Tink and PyCA cryptography (tests/fixtures/envelope.json).
"""

import base64
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from reseal.batch import prepare
from reseal.columns import Slices
from reseal.errors import Refusal
from reseal.formats import envelope_key, open_batch
from reseal.keysets import Aead, aes_gcm, parse_keyset


def _source(vector: dict[str, Any]) -> bytes:
    """What the cipher text of a source vector opens to."""
    text = str(vector["cipher_text"]).encode()
    if vector["format"] == "tink-envelope":
        wrapped = envelope_key(text)
        key = aes_gcm(bytes.fromhex(vector["kek"])).decrypt(wrapped[:12], wrapped[12:], None)
    elif vector["format"] == "tink":
        key = base64.b64decode(vector["keyset"])
    else:
        key = bytes.fromhex(vector["key"])
    texts = Slices(text, np.array([0]), np.array([len(text)]))
    opened = open_batch(vector["format"], texts, [prepare(vector["format"], key)], np.array([0]))
    if opened.refused:
        raise Refusal(opened.refused[0])
    return opened.plain[0]


def _sealed(vector: dict[str, Any]) -> bytes:
    """What a value in BigQuery's AEAD format opens to."""
    aad = str(vector["aad"]).encode()
    keyset = Aead(parse_keyset(base64.b64decode(vector["keyset"])))
    if "row_keyset_sealed" in vector:
        row = keyset.open(base64.b64decode(vector["row_keyset_sealed"]), aad)
        keyset = Aead(parse_keyset(row))
    return keyset.open(base64.b64decode(vector["ciphertext"]), aad)


def passes(vector: dict[str, Any]) -> bool:
    """Whether a vector gives its plaintext, or is refused for its reason."""
    try:
        plain = _sealed(vector) if "ciphertext" in vector else _source(vector)
    except Refusal as refusal:
        return vector.get("reason") == refusal.reason
    return vector.get("plaintext") == plain.decode()


def main(path: str) -> int:
    """Prints what failed and the count of both."""
    vectors = json.loads(Path(path).read_text())["vectors"]
    failed = [at for at, vector in enumerate(vectors) if not passes(vector)]
    for at in failed:
        vector = vectors[at]
        sys.stdout.write(f"vector {at}: {vector['kind']} {vector.get('format', '')} failed\n")
    sys.stdout.write(f"{len(vectors) - len(failed)} passed, {len(failed)} failed\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
