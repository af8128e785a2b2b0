"""Keysets and sealed values, written here and read by official Tink."""

import io
import os

import pytest
import tink
from cryptography.exceptions import InvalidTag
from tink import aead, cleartext_keyset_handle
from tink.proto import tink_pb2

from reseal.keysets import Aead, Keyset, parse_aes_gcm_key, parse_keyset, serialize_one_key
from reseal.reasons import Rejection
from reseal.sealing import RowSealer, SharedSealer
from reseal.secret import Secret
from reseal.session_key import SessionKey
from support.tables import World

IDS = [b"1", b"-5", b"9007199254740993", "größe'".encode(), b""]
VALUES = [b"a@x", "größe@x".encode(), b"", b"b" * 3000, b"\n"]


def test_shared_keying_is_read_by_tink(world: World) -> None:
    sealed = SharedSealer(Aead(parse_keyset(world.keyset()))).seal(IDS, VALUES)
    values = sealed.values.to_pylist()
    primitive = world.handle.primitive(aead.Aead)
    assert [primitive.decrypt(v, i) for v, i in zip(values, IDS, strict=True)] == VALUES
    assert sealed.keys is None


def test_row_keying_is_read_by_tink(world: World) -> None:
    sealed = RowSealer(Aead(parse_keyset(world.keyset()))).seal(IDS, VALUES)
    keys, values = sealed.keys.to_pylist(), sealed.values.to_pylist()
    first = world.handle.primitive(aead.Aead)
    materials = set()
    for row_id, key, value, plain in zip(IDS, keys, values, VALUES, strict=True):
        keyset = first.decrypt(key, row_id)
        handle = cleartext_keyset_handle.read(tink.BinaryKeysetReader(keyset))
        assert handle.primitive(aead.Aead).decrypt(value, row_id) == plain
        info = tink_pb2.Keyset.FromString(keyset)
        assert len(info.key) == 1
        assert info.primary_key_id == info.key[0].key_id >= 2**28
        materials.add(info.key[0].key_data.value)
    assert len(materials) == len(IDS), "every row has a key of its own"


def test_nothing_random_is_used_twice(world: World) -> None:
    sealer = RowSealer(Aead(parse_keyset(world.keyset())))
    ivs = set()
    for _ in range(3):
        sealed = sealer.seal([b"1"] * 500, [b"x"] * 500)
        for part in (sealed.values, sealed.keys):
            ivs |= {value[5:17] for value in part.to_pylist()}
    assert len(ivs) == 3 * 2 * 500


def test_one_key_keyset_as_tink_writes_it() -> None:
    key = os.urandom(32)
    parsed = tink_pb2.Keyset.FromString(serialize_one_key(0xFFFFFFFF, key))
    assert parsed.key[0].key_data.type_url == "type.googleapis.com/google.crypto.tink.AesGcmKey"
    assert parsed.key[0].status == tink_pb2.ENABLED
    assert parsed.key[0].output_prefix_type == tink_pb2.TINK
    assert parsed.key[0].key_data.key_material_type == tink_pb2.KeyData.SYMMETRIC
    assert parse_keyset(parsed.SerializeToString()).keys[0].aes == key


@pytest.mark.parametrize("data", [b"", b"\x08", b"\xff\xff\xff", b"\x12\x05abc", b"\x08\x01", b"\x10\x01"])
def test_what_is_no_keyset(data: bytes) -> None:
    with pytest.raises(Rejection) as caught:
        parse_keyset(data)
    assert caught.value.reason == "unknown-key"


@pytest.mark.parametrize("data", [b"", b"\x1a", b"\x1a\x05abc", b"\x08\x00", b"\x18\x01"])
def test_what_is_no_aes_gcm_key(data: bytes) -> None:
    with pytest.raises(Rejection) as caught:
        parse_aes_gcm_key(data)
    assert caught.value.reason == "key-length"


def test_disabled_and_raw_keys_open_nothing(world: World) -> None:
    for change in ({"status": tink_pb2.DISABLED}, {"output_prefix_type": tink_pb2.RAW}):
        keyset = tink_pb2.Keyset.FromString(world.keyset())
        for name, value in change.items():
            setattr(keyset.key[0], name, value)
        with pytest.raises(Rejection) as caught:
            Aead(parse_keyset(keyset.SerializeToString()))
        assert caught.value.reason == "unknown-key"


def test_keys_are_never_printed() -> None:
    buffer = io.StringIO()
    parsed = parse_keyset(serialize_one_key(2**28, b"k" * 32))
    print(Secret(b"k" * 32), parsed, parsed.keys, Keyset(1, ()), file=buffer)
    assert "kkk" not in buffer.getvalue()


def test_session_key_binds_a_key_to_its_name() -> None:
    session = SessionKey(Secret(os.urandom(32)))
    sealed = session.seal(b"data key", b"its dek")
    assert session.open(sealed, b"its dek") == b"data key"
    with pytest.raises(InvalidTag):
        session.open(sealed, b"another")
