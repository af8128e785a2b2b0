"""The whole application on a local Spark, its output read by official Tink."""

import base64
import hashlib
import json
import os
from datetime import datetime, timezone
from pathlib import Path

import pytest
import tink
from pyspark.sql import SparkSession, functions
from tink import aead
from tink.proto import aes_gcm_pb2

from reseal import data_keys
from reseal.errors import RunError
from support.fake_kms import FakeKms, failure
from support.rows import b64, cbc, gcm, run, token, user
from support.tables import (
    FIELD,
    SAMPLES,
    SOURCE_KEK,
    Row,
    World,
    read_back,
    sample,
    staged,
    world_of,
    wrap,
    write_input,
    write_runs,
)

# Up to so many data keys are broadcast; with 0 every run takes the join plan.
PLANS = pytest.mark.parametrize("few", ["200000", "0"], ids=["broadcast", "join"])


def said(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]


# Every pair of sample, keying and plan occurs once, and deterministic keying once.
@pytest.mark.parametrize(
    ("name", "source_format", "keying", "few"),
    [
        ("small", "gcm", "row", "200000"),
        ("small", "gcm", "shared", "0"),
        ("medium", "dotted", "row", "0"),
        ("medium", "dotted", "shared", "200000"),
        ("small", "gcm", "deterministic", "0"),
    ],
)
def test_samples(
    spark: SparkSession,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    source_format: str,
    keying: str,
    few: str,
) -> None:
    world, users, expected = sample(name)
    world.handle = world_of(keying).handle
    kms = FakeKms(world.kms_keys())
    write_input(tmp_path / "in", world, users)
    rows = run(spark, tmp_path, kms, source_format=source_format, keying=keying, broadcast_deks=few)
    sources = {row["id"]: row for row in users}
    for row in rows:
        source = sources.pop(row["id"])
        assert row["resealed_from"] == token(source)
        assert (row["run_id"], row["attempt"], row["field"]) == ("test-run", "test-attempt", "email")
        assert row["cipher_text"] is row["dek"] is row["decrypted_email"] is None
        if row["reason"] is None:
            assert read_back(world, row, keying) == expected[row["id"]]["email"]
            assert row["dek_fingerprint"] is None
            assert keying == "row" or row["bq_encryption_key"] is None, "the merge puts it in"
        else:
            assert row["reason"] == expected[row["id"]]["refused"]
            assert row["dek_fingerprint"] == hashlib.sha256(source["dek"].encode()).hexdigest()[:16]
            assert row["bq_encryption_key"] is row["bq_encrypted_email"] is None
    assert not sources
    distinct = {row["dek"] for row in users}
    assert kms.decrypts(SOURCE_KEK) <= len(distinct)
    assert set(kms.calls.values()) == {1}
    last = said(capsys)[-1]
    assert last["reseal"] == "counts"
    assert last["kms_calls"] == kms.decrypts(SOURCE_KEK)
    assert last["distinct_deks"] == len(distinct)
    about = json.loads((SAMPLES / name / "about.json").read_text())
    assert (last["selected"], last["staged"]) == (about["rows"], about["sealable"])
    assert sum(last["rejected"].values()) == about["refused"]  # type: ignore[attr-defined]
    kms.close()


def test_data_keys_of_one_number_take_the_join(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_keys, "number", lambda _: functions.lit(7))
    world = World()
    kms = FakeKms(world.kms_keys())
    users = [user(world, n, f"u{n}@x") for n in range(5)]
    write_input(tmp_path / "in", world, users)
    rows = run(spark, tmp_path, kms)
    assert {row["id"]: read_back(world, row, "row") for row in rows} == {n: f"u{n}@x" for n in range(5)}
    assert kms.decrypts(SOURCE_KEK) == len(users)
    kms.close()


@pytest.mark.parametrize("keying", ["row", "shared", "deterministic"])
def test_no_row_can_be_opened(spark: SparkSession, tmp_path: Path, keying: str) -> None:
    world = world_of(keying)
    kms = FakeKms(world.kms_keys())
    dek = b64(wrap(world.source_kek, os.urandom(32)))
    write_input(tmp_path / "in", world, [{"id": n, "cipher_text": "?", "dek": dek} for n in range(3)])
    rows = run(spark, tmp_path, kms, keying=keying, store_plaintext="true")
    assert [row["reason"] for row in rows] == ["encoding"] * 3
    made = ("decrypted_email", "bq_encryption_key", "bq_encrypted_email")
    assert {row[column] for row in rows for column in made} == {None}
    kms.close()


def tink_rows(world: World, count: int) -> tuple[list[Row], list[Row]]:
    """Rows in the formats `tink` and `tink-envelope`, written by official Tink."""
    envelope, plain = [], []
    for n in range(count):
        other = World()
        sealed = other.handle.primitive(aead.Aead).encrypt(f"u{n}@x".encode(), b"")
        plain.append(
            {"id": n, "cipher_text": b64(sealed), "dek": wrap(world.source_kek, other.keyset()).hex()}
        )
        remote = _Remote(world)
        sealed = aead.KmsEnvelopeAead(aead.aead_key_templates.AES256_GCM, remote).encrypt(
            f"u{n}@x".encode(), b""
        )
        envelope.append({"id": n, "cipher_text": b64(sealed), "dek": "unused"})
    return plain, envelope


class _Remote(aead.Aead):  # type: ignore[misc]
    """In place of Tink's KMS client."""

    def __init__(self, world: World) -> None:
        self._world = world

    def encrypt(self, plaintext: bytes, associated_data: bytes) -> bytes:
        return wrap(self._world.source_kek, plaintext)

    def decrypt(self, ciphertext: bytes, associated_data: bytes) -> bytes:
        raise NotImplementedError


@PLANS
@pytest.mark.parametrize("source_format", ["tink", "tink-envelope"])
def test_what_tink_wrote(
    spark: SparkSession, tmp_path: Path, world: World, kms: FakeKms, source_format: str, few: str
) -> None:
    plain, envelope = tink_rows(world, 200)
    users = plain if source_format == "tink" else envelope
    whole = users[0]["cipher_text"]
    raw = base64.b64decode(whole)
    users += [
        {"id": 1000, "cipher_text": "not base64", "dek": users[0]["dek"]},
        {"id": 1001, "cipher_text": b64(raw[:20]), "dek": users[0]["dek"]},
        {"id": 1002, "cipher_text": b64(raw[:-1] + bytes([raw[-1] ^ 1])), "dek": users[0]["dek"]},
    ]
    if source_format == "tink":
        users.append({"id": 1003, "cipher_text": b64(b"\x00" + raw[1:]), "dek": users[0]["dek"]})
        users.append({"id": 1004, "cipher_text": b64(raw[:1] + bytes(4) + raw[5:]), "dek": users[0]["dek"]})
        users.append({"id": 1005, "cipher_text": whole, "dek": b64(wrap(world.source_kek, b"no keyset"))})
    else:
        key = aes_gcm_pb2.AesGcmKey(key_value=bytes(15)).SerializeToString()
        wrapped = wrap(world.source_kek, key)
        users.append(
            {
                "id": 1006,
                "cipher_text": b64(len(wrapped).to_bytes(4, "big") + wrapped + bytes(40)),
                "dek": "a",
            }
        )
    write_input(tmp_path / "in", world, users)
    rows = run(spark, tmp_path, kms, source_format=source_format, broadcast_deks=few)
    reasons = {row["id"]: row["reason"] for row in rows if row["reason"]}
    expected = {1000: "encoding", 1001: "truncated", 1002: "authentication"}
    expected |= (
        {1003: "version", 1004: "unknown-key", 1005: "unknown-key"}
        if source_format == "tink"
        else {1006: "key-length"}
    )
    assert reasons == expected
    opened = {row["id"]: read_back(world, row, "row") for row in rows if row["reason"] is None}
    assert opened == {n: f"u{n}@x" for n in range(200)}
    assert set(kms.calls.values()) == {1}
    assert kms.decrypts(SOURCE_KEK) == 201


def test_modes_and_cutoff(spark: SparkSession, tmp_path: Path, world: World, kms: FakeKms) -> None:
    users = [user(world, n, f"u{n}@x") for n in range(10)]
    users[1]["resealed_from"] = token(users[1])  # done
    users[2]["resealed_from"] = b"0" * 32  # changed since
    users[7] |= {"bq_encrypted_email": b"sealed", "bq_encryption_key": None}  # shredded
    users.append(user(world, 10, "u10@x") | {"resealed_from": b"0" * 32})  # rejected earlier, then another was sealed
    email = {"field": "email", "source_format": "gcm", "reason": "encoding"}
    rejected = [
        {**email, "id": 1, "rejected_from": token(users[1])},  # sealed since
        {**email, "id": 3, "rejected_from": token(users[3])},
        {**email, "id": 3, "rejected_from": token(users[3])},
        {**email, "id": 4, "source_format": "tink", "rejected_from": token(users[4])},
        {**email, "id": 5, "field": "phone", "rejected_from": token(users[5])},
        {**email, "id": 6, "rejected_from": b"0" * 32},
        {**email, "id": 0, "reason": "dek-refused", "rejected_from": token(users[0])},
        {**email, "id": 8, "reason": "unauthenticated", "rejected_from": token(users[8])},
        {
            **email,
            "id": 9,
            "reason": "value-pattern",
            "value_pattern": "a+",
            "rejected_from": token(users[9]),
        },
        {**email, "id": 10, "rejected_from": token(users[10])},
    ]
    write_input(tmp_path / "in", world, users, rejected)

    def ids(**changes: str) -> list[int]:
        return sorted(row["id"] for row in run(spark, tmp_path, kms, **changes))

    def pattern(text: str) -> str:
        return json.dumps([{**FIELD, "valuePattern": text}])

    # What a setting may have hidden is taken again once the setting is another.
    assert ids(mode="pending", fields=pattern("a+"), unauthenticated="reject") == [0, 2, 4, 5, 6, 10]
    assert ids(mode="pending", fields=pattern("a*")) == [0, 2, 4, 5, 6, 8, 9, 10]
    assert ids(mode="pending", unauthenticated="reject") == [0, 2, 4, 5, 6, 9, 10]
    assert ids(mode="rejected") == [0, 3, 8, 9, 10]
    assert ids(mode="all") == [*range(7), 8, 9, 10]
    assert ids(mode="pending", id_cutoff="4") == [0, 2, 4]
    assert ids(mode="all", id_from="2", id_cutoff="4") == [2, 3, 4]


def test_stale_values(spark: SparkSession, tmp_path: Path, world: World, kms: FakeKms) -> None:
    users = [user(world, n, f"u{n}@x") for n in range(9)]
    # A run is told by the very microsecond of its merge.
    moments = [datetime(2026, 1, 2, 3, 4, 5, n, tzinfo=timezone.utc) for n in range(7)]
    for n, moment in enumerate(moments):
        users[n] |= {"resealed_from": token(users[n]), "resealed_at": moment}
    users[7] |= {"resealed_from": b"0" * 32, "resealed_at": moments[1]}  # changed since: pending
    run_of = {"keying": "row", "source_format": "gcm", "keyset_version": 1}
    write_input(tmp_path / "in", world, users)
    write_runs(
        tmp_path / "in",
        [
            {**run_of, "resealed_at": moments[0]},
            {**run_of, "resealed_at": moments[0], "keyset_version": 2},
            {**run_of, "resealed_at": moments[1], "keyset_version": 2},
            {**run_of, "resealed_at": moments[2], "keying": "shared"},
            {**run_of, "resealed_at": moments[3], "source_format": "tink"},
            # In row keying the merge seals the keysets of older versions anew: their values are not selected.
            {**run_of, "resealed_at": moments[6], "keyset_version": 0},
            {**run_of, "resealed_at": None},
        ],
    )
    stale = run(spark, tmp_path, kms, mode="stale")
    assert sorted(row["id"] for row in stale) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("source_format", ["gcm", "tink-envelope"])
def test_waves(spark: SparkSession, tmp_path: Path, world: World, kms: FakeKms, source_format: str) -> None:
    keys = [os.urandom(32) for _ in range(6)]
    deks = [b64(wrap(world.source_kek, key)) for key in keys]
    users = [user(world, n, f"u{n}@x", keys[n % 6], deks[n % 6]) for n in range(18)]
    decides = "dek"
    if source_format == "tink-envelope":
        users, decides = tink_rows(world, 18)[1], "cipher_text"
    write_input(tmp_path / "in", world, users)
    numbers = {row["id"]: int(hashlib.sha256(row[decides].encode()).hexdigest()[:8], 16) for row in users}
    for wave in range(3):
        changes = {"source_format": source_format, "wave": str(wave), "waves": "3"}
        rows = run(spark, tmp_path, kms, **changes)
        assert sorted(row["id"] for row in rows) == [n for n in sorted(numbers) if numbers[n] % 3 == wave]


def test_values_without_a_tag_and_those_of_another_pattern(
    spark: SparkSession, tmp_path: Path, world: World, kms: FakeKms
) -> None:
    key = os.urandom(32)
    dek = b64(wrap(world.source_kek, key))
    users = []
    for number, text in enumerate(["ada@example.com", "mallory", "bob@example.com", "eve"]):
        sealed = base64.b64decode(gcm(key, text))
        cipher_text = f"{b64(sealed[:12])}.{b64(sealed[12:])}" if number < 2 else cbc(key, text)
        users.append({"id": number, "cipher_text": cipher_text, "dek": dek})
    write_input(tmp_path / "in", world, users)

    def outcome(**changes: str) -> dict[int, tuple[str | None, bool | None]]:
        rows = run(spark, tmp_path, kms, source_format="dotted", **changes)
        return {row["id"]: (row["reason"], row["unauthenticated"]) for row in rows}

    fields = json.dumps([{**FIELD, "valuePattern": "[a-z]+@[a-z.]+"}])
    assert outcome() == {0: (None, None), 1: (None, None), 2: (None, True), 3: (None, True)}
    assert outcome(fields=fields, store_plaintext="true") == {
        0: (None, None),
        1: ("value-pattern", None),
        2: (None, True),
        3: ("value-pattern", None),
    }
    assert outcome(fields=fields, unauthenticated="reject", broadcast_deks="0") == {
        0: (None, None),
        1: ("value-pattern", None),
        2: ("unauthenticated", None),
        3: ("unauthenticated", None),
    }
    with pytest.raises(RunError) as caught:
        outcome(fields=json.dumps([{**FIELD, "valuePattern": "(?=a)"}]))
    assert caught.value.code == "value-pattern"


def test_nothing_to_do(
    spark: SparkSession, tmp_path: Path, world: World, kms: FakeKms, capsys: pytest.CaptureFixture[str]
) -> None:
    write_input(tmp_path / "in", world, [user(world, 1, "u@x")])
    assert run(spark, tmp_path, kms, id_cutoff="0") == []
    assert said(capsys)[-1] == {
        "reseal": "counts",
        "selected": 0,
        "staged": 0,
        "rejected": {},
        "kms_calls": 0,
        "distinct_deks": 0,
    }
    assert kms.decrypts(SOURCE_KEK) == 0


def test_wide_ids_repeated_ids_and_no_dek(
    spark: SparkSession, tmp_path: Path, world: World, kms: FakeKms
) -> None:
    users = [user(world, n, f"u{n}@x") for n in (-(2**63), -1, 2**53 + 1, 2**63 - 1, 2**63 - 1)]
    users += [{"id": 5, "cipher_text": users[0]["cipher_text"], "dek": None}]
    users += [{"id": 6, "cipher_text": None, "dek": "never read"}]
    write_input(tmp_path / "in", world, users)
    rows = run(spark, tmp_path, kms)
    rejected = [row for row in rows if row["reason"]]
    assert [(row["id"], row["reason"]) for row in rejected] == [(5, "dek-refused")]
    assert rejected[0]["resealed_from"] == token(users[5])
    opened = sorted((row["id"], read_back(world, row, "row")) for row in rows if not row["reason"])
    assert opened == sorted((row["id"], f"u{row['id']}@x") for row in users[:5])


def test_equal_values_of_a_field_are_equal_in_deterministic_keying(
    spark: SparkSession, tmp_path: Path, kms: FakeKms
) -> None:
    world = world_of("deterministic")
    kms.keys = world.kms_keys()
    users = []
    for n, value in enumerate(["a@x", "b@x", "a@x", ""]):
        key = os.urandom(32)
        other = {"phone_cipher_text": gcm(key, value), "phone_resealed_from": None}
        users.append(user(world, n, value, key) | other)
    write_input(tmp_path / "in", world, users)
    phone = {"name": "phone", "cipherText": "phone_cipher_text", "resealedFrom": "phone_resealed_from"}
    fields = json.dumps([FIELD, {**FIELD, **phone}])
    rows = run(spark, tmp_path, kms, keying="deterministic", fields=fields)
    sealed = {(row["field"], row["id"]): row["bq_encrypted_email"] for row in rows}
    assert sealed["email", 0] == sealed["email", 2]
    assert len(set(sealed.values())) == 6, "three values, each of two fields"
    assert [read_back(world, row, "deterministic") for row in sorted(rows, key=lambda row: row["id"])] == [
        *("a@x", "a@x", "b@x", "b@x", "a@x", "a@x", "", "")
    ]
    assert run(spark, tmp_path, kms, keying="deterministic", fields=fields, run_id="another-run")
    assert {row["bq_encrypted_email"] for row in staged(tmp_path)} == set(sealed.values()), "and in every run"


@pytest.mark.parametrize("keying", ["row", "shared", "deterministic"])
def test_a_keyset_of_the_type_of_another_keying(
    spark: SparkSession, tmp_path: Path, kms: FakeKms, keying: str
) -> None:
    world = world_of("row" if keying == "deterministic" else "deterministic")
    kms.keys = world.kms_keys()
    write_input(tmp_path / "in", world, [user(world, 1, "u@x")])
    with pytest.raises(RunError) as caught:
        run(spark, tmp_path, kms, keying=keying)
    assert caught.value.code == "keyset-type"
    types = ["DETERMINISTIC_AEAD_AES_SIV_CMAC_256", "AEAD_AES_GCM_256"]
    found, needed = reversed(types) if keying == "deterministic" else types
    assert caught.value.message == (
        f"the first-level keyset is of the type {found}; the keying {keying} needs {needed}"
    )
    assert kms.decrypts(SOURCE_KEK) == 0


@PLANS
def test_several_fields_share_their_keys(
    spark: SparkSession, tmp_path: Path, world: World, kms: FakeKms, few: str
) -> None:
    users = []
    for n in range(100):
        key = os.urandom(32)
        row = user(world, n, f"u{n}@x", key)
        row["phone_cipher_text"] = gcm(key, f"+{n}") if n % 2 else None
        users.append(row)
    write_input(tmp_path / "in", world, users)
    phone = {
        **FIELD,
        "name": "phone",
        "cipherText": "phone_cipher_text",
        "resealedFrom": "phone_resealed_from",
    }
    for row in users:
        row["phone_resealed_from"] = None
    fields = json.dumps([FIELD, phone])
    rows = run(spark, tmp_path, kms, fields=fields, store_plaintext="true", broadcast_deks=few)
    opened = {(row["field"], row["id"]): read_back(world, row, "row") for row in rows}
    assert opened == {("email", n): f"u{n}@x" for n in range(100)} | {
        ("phone", n): f"+{n}" for n in range(1, 100, 2)
    }
    assert opened == {(row["field"], row["id"]): row["decrypted_email"] for row in rows}
    assert kms.decrypts(SOURCE_KEK) == 100


@PLANS
def test_a_denied_key_fails_the_run(
    spark: SparkSession, tmp_path: Path, world: World, kms: FakeKms, few: str
) -> None:
    write_input(tmp_path / "in", world, [user(world, n, "u@x") for n in range(500)])
    kms.fault = lambda call: failure(403, "PERMISSION_DENIED") if call > 100 else None
    with pytest.raises(RunError) as caught:
        run(spark, tmp_path, kms, broadcast_deks=few)
    assert caught.value.code == "kms-denied"
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "out.scratch").exists()
    # No thread goes on asking and no task is tried again.
    assert kms.decrypts(SOURCE_KEK) <= 100


def test_no_such_keyset(spark: SparkSession, tmp_path: Path, world: World, kms: FakeKms) -> None:
    write_input(tmp_path / "in", world, [user(world, 1, "u@x")])
    with pytest.raises(RunError) as caught:
        run(spark, tmp_path, kms, keyset_version="9")
    assert caught.value.code == "keyset"


def test_a_keyset_that_cannot_seal(spark: SparkSession, tmp_path: Path, world: World, kms: FakeKms) -> None:
    template = aead.aead_key_templates.AES256_EAX
    world.handle = tink.new_keyset_handle(template)
    write_input(tmp_path / "in", world, [user(world, 1, "u@x")])
    with pytest.raises(RunError) as caught:
        run(spark, tmp_path, kms)
    assert (caught.value.code, "unknown-key" in caught.value.message) == ("keyset", True)
