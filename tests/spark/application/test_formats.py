"""Opening and sealing against vectors that official Tink and PyCA cryptography wrote."""

import base64
import binascii
import json
import os
import random
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from reseal import check_vector
from reseal.arguments import SourceFormat
from reseal.columns import Slices, decode_all, decode_valid
from reseal.crc32c import crc32c
from reseal.encoding import decode_base64, decode_dek
from reseal.formats import open_texts, prepare
from reseal.opening import Prepared
from reseal.reasons import Reason, Rejection

FIXTURES = Path(__file__).parents[3] / "tests" / "fixtures"
VECTORS = FIXTURES / "envelope.json"
VALUES = FIXTURES / "values.json"


def packed(texts: list[bytes]) -> Slices:
    bounds = np.cumsum([0, *map(len, texts)])
    return Slices(b"".join(texts), bounds[:-1], bounds[1:])


@pytest.mark.parametrize(
    "vector", [one for path in (VECTORS, VALUES) for one in json.loads(path.read_text())["vectors"]]
)
def test_vector(vector: dict[str, str]) -> None:
    assert check_vector.passes(vector)


def test_the_runner_counts_what_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    every = json.loads(VECTORS.read_text())["vectors"]
    opened = next(vector for vector in every if "plaintext" in vector)
    wrong = {**opened, "plaintext": "another"}
    path = tmp_path / "vectors.json"
    path.write_text(json.dumps({"vectors": [opened, wrong]}))
    assert check_vector.main(str(path)) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "1 passed, 1 failed"


def test_crc32c_check_value() -> None:
    # RFC 3720 B.4, and the check value of the Castagnoli polynomial.
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "dek-refused"),
        ("abc", "encoding"),
        ("QQ", "encoding"),
        ("QR==", "encoding"),
        ("QQ==\n", "encoding"),
        ("Q Q=", "encoding"),
        ("-_==", "encoding"),
        ("é", "encoding"),
        ("\u0660\u0660", "encoding"),
    ],
)
def test_dek_texts_rejected(text: str, reason: str) -> None:
    with pytest.raises(Rejection) as caught:
        decode_dek(text)
    assert caught.value.reason == reason


def test_dek_texts() -> None:
    assert decode_dek("00fF") == b"\x00\xff"
    assert decode_dek("QQ==") == b"A"
    # Valid base64 too, but hex comes first.
    assert decode_dek("abcd") == b"\xab\xcd"


def test_the_column_decoder_agrees_with_the_row_decoder() -> None:
    source = random.Random(7)
    letters = b"AQgw/+=z9_. \xc3"
    for _ in range(300):
        texts = []
        for _ in range(source.randrange(1, 8)):
            text = binascii.b2a_base64(source.randbytes(source.randrange(7)), newline=False)
            if source.random() < 0.3:
                text = bytes(source.choices(letters, k=source.choice((1, 3, 4, 4, 8))))
            texts.append(text)
        expected = {}
        for row, text in enumerate(texts):
            try:
                expected[row] = decode_base64(text)
            except Rejection:
                continue
        decoded, valid = decode_valid(packed(texts))
        assert {row: decoded[at] for at, row in enumerate(valid.tolist())} == expected
        assert (decode_all(packed(texts)) is None) == (len(expected) < len(texts))


def b64(data: bytes) -> bytes:
    return base64.b64encode(data)


def gcm(key: bytes, plain: bytes) -> bytes:
    iv = os.urandom(12)
    return iv + AESGCM(key).encrypt(iv, plain, None)


def test_rejected_rows_do_not_affect_their_neighbours() -> None:
    key, other = os.urandom(32), os.urandom(32)
    good = gcm(key, "größe@x".encode())
    rows: list[tuple[bytes, int, bytes | str]] = [
        (b64(good), 0, "größe@x".encode()),
        (b"%%%%", 0, "encoding"),
        (b64(good[:20]), 0, "truncated"),
        (b64(good), 1, "authentication"),
        (b64(gcm(key, b"\xff\xfe")), 0, "plaintext-not-utf8"),
        (b64(gcm(key, b"\xc3")), 0, "plaintext-not-utf8"),
        (b64(gcm(key, b"\xa4")), 0, "plaintext-not-utf8"),
        (b"%%%%", 2, "dek-refused"),
        (b64(gcm(key, b"")), 0, b""),
        (b"%%%%", 3, "key-length"),
        (b64(good), 0, "größe@x".encode()),
    ]
    keys = [prepare("gcm", key), prepare("gcm", other), Reason("dek-refused"), prepare("gcm", b"short")]
    opened = open_texts(
        "gcm",
        packed([row[0] for row in rows]),
        keys,
        np.array([row[1] for row in rows]),
        unauthenticated="reject",
    )
    got: dict[int, bytes | str] = dict(zip(opened.rows.tolist(), opened.plain, strict=True))
    got |= opened.rejected
    assert got == {at: row[2] for at, row in enumerate(rows)}


def test_dotted_texts_of_gcm_and_cbc_side_by_side() -> None:
    key = os.urandom(16)
    sealed = gcm(key, b"one")
    texts = [
        b64(sealed[:12]) + b"." + b64(sealed[12:]),
        b"." + b64(sealed[12:]),
        b64(sealed[:12]) + b"." + b64(sealed[12:20]),
        b64(bytes(16)) + b".",
        b64(bytes(16)) + b"." + b64(bytes(15)),
        b64(sealed),
        b"a.b.c",
        b64(sealed[:12]) + b".****",
        b64(sealed[:12]) + b"." + b64(sealed[12:]),
        b"",
    ]
    opened = open_texts(
        "dotted",
        packed(texts),
        [prepare("dotted", key)],
        np.zeros(len(texts), np.int64),
        unauthenticated="accept",
    )
    assert dict(zip(opened.rows.tolist(), opened.plain, strict=True)) == {0: b"one", 8: b"one"}
    assert opened.rejected == {
        1: "iv-length",
        2: "truncated",
        3: "block-length",
        4: "block-length",
        5: "encoding",
        6: "encoding",
        7: "encoding",
        9: "encoding",
    }


@pytest.mark.parametrize("source_format", ["gcm", "dotted", "tink", "tink-envelope"])
def test_every_row_is_rejected(source_format: SourceFormat) -> None:
    texts = packed([b"!", b"!!"])
    keys: list[Prepared] = [Reason("dek-refused")]
    opened = open_texts(source_format, texts, keys, np.zeros(2, np.int64), unauthenticated="accept")
    assert opened.rejected == {0: "dek-refused", 1: "dek-refused"}
    assert opened.plain == []
