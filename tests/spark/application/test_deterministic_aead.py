"""Deterministic AEAD, written here and read by official Tink, and the other way round."""

import os

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from tink import daead
from tink.proto import aes_siv_pb2, tink_pb2

from reseal.deterministic_aead import DeterministicAead
from reseal.keysets import parse_keyset
from reseal.reasons import Rejection
from reseal.sealing import DeterministicSealer
from support.tables import World, world_of

AADS = [b"email", b"phone", "größe'".encode(), b"", b"email"]
VALUES = [b"a@x", "größe@x".encode(), b"", b"b" * 3000, b"\n"]


@pytest.fixture
def world() -> World:
    return world_of("deterministic")


def deterministic_aead(world: World) -> DeterministicAead:
    return DeterministicAead(parse_keyset(world.keyset()))


def test_sealed_here_and_by_tink_the_bytes_are_the_same(world: World) -> None:
    sealed = DeterministicSealer(deterministic_aead(world)).seal(AADS, VALUES)
    primitive = world.handle.primitive(daead.DeterministicAead)
    by_tink = [primitive.encrypt_deterministically(v, a) for v, a in zip(VALUES, AADS, strict=True)]
    assert sealed.values.to_pylist() == by_tink
    assert sealed.keys is None
    opened = [primitive.decrypt_deterministically(v, a) for v, a in zip(by_tink, AADS, strict=True)]
    assert opened == VALUES
    assert [deterministic_aead(world).open(v, a) for v, a in zip(by_tink, AADS, strict=True)] == VALUES


def test_other_fields_and_other_values_have_other_bytes(world: World) -> None:
    sealer = DeterministicSealer(deterministic_aead(world))
    fields = [b"email", b"phone", b"email", b"email"]
    values = sealer.seal(fields, [b"a@x", b"a@x", b"b@x", b"a@x"]).values.to_pylist()
    assert values[0] == values[3]
    assert len(set(values)) == 3
    with pytest.raises(Rejection) as caught:
        deterministic_aead(world).open(values[0], b"phone")
    assert caught.value.reason == "authentication"


def test_no_values(world: World) -> None:
    assert DeterministicSealer(deterministic_aead(world)).seal([], []).values.to_pylist() == []


def test_the_vector_of_rfc_5297_a1() -> None:
    key = "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"
    aad = "101112131415161718191a1b1c1d1e1f2021222324252627"
    sealed = "85632d07c6e8f37f950acd320a2ecc9340c02b9690c4dc04daef7f6afe5c"
    cipher = AESSIV(bytes.fromhex(key))
    plain = bytes.fromhex("112233445566778899aabbccddee")
    assert cipher.encrypt(plain, [bytes.fromhex(aad)]).hex() == sealed


def test_every_key_opens_and_the_primary_seals(world: World) -> None:
    older = tink_pb2.Keyset.FromString(world.keyset())
    newer = tink_pb2.Keyset.FromString(world_of("deterministic").keyset())
    newer.key.append(older.key[0])
    both = DeterministicAead(parse_keyset(newer.SerializeToString()))
    sealed = DeterministicSealer(deterministic_aead(world)).seal([b"email"], [b"a@x"]).values[0].as_py()
    assert both.open(sealed, b"email") == b"a@x"
    by_newer = DeterministicSealer(both).seal([b"email"], [b"a@x"]).values[0].as_py()
    assert int.from_bytes(by_newer[1:5], "big") == newer.primary_key_id
    assert by_newer != sealed


def test_what_cannot_be_opened(world: World) -> None:
    sealed = DeterministicSealer(deterministic_aead(world)).seal([b"email"], [b""]).values[0].as_py()
    assert len(sealed) == 21
    faults = {
        "truncated": sealed[:-1],
        "version": b"\0" + sealed[1:],
        "unknown-key": sealed[:1] + bytes(4) + sealed[5:],
        "authentication": sealed[:-1] + bytes([sealed[-1] ^ 1]),
    }
    for reason, ciphertext in faults.items():
        with pytest.raises(Rejection) as caught:
            deterministic_aead(world).open(ciphertext, b"email")
        assert caught.value.reason == reason


def keyset_with(world: World, key: bytes | None = None, **changes: object) -> bytes:
    keyset = tink_pb2.Keyset.FromString(world.keyset())
    for name, value in changes.items():
        setattr(keyset.key[0], name, value)
    if key is not None:
        keyset.key[0].key_data.value = aes_siv_pb2.AesSivKey(key_value=key).SerializeToString()
    return bytes(keyset.SerializeToString())


def test_what_is_no_key_for_it(world: World) -> None:
    keysets = {
        "unknown-key": [
            World().keyset(),
            keyset_with(world, status=tink_pb2.DISABLED),
            keyset_with(world, output_prefix_type=tink_pb2.RAW),
            keyset_with(world, b""),
        ],
        # Tink takes no other length, though RFC 5297 has keys of 32 and 48 bytes.
        "key-length": [keyset_with(world, os.urandom(size)) for size in (32, 48, 63, 65)],
    }
    for reason, cases in keysets.items():
        for data in cases:
            with pytest.raises(Rejection) as caught:
                DeterministicAead(parse_keyset(data))
            assert caught.value.reason == reason
    foreign = parse_keyset(keyset_with(world, status=tink_pb2.ENABLED).replace(b"AesSivKey", b"AesEaxKey"))
    assert (foreign.keys[0].aes, foreign.keys[0].siv) == (None, None)
