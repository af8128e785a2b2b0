"""Writes input folders for --storage=parquet, and reads staged rows back with official Tink."""

import base64
import io
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import tink
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tink import aead, cleartext_keyset_handle, daead

SOURCE_KEK = "projects/p/locations/us-central1/keyRings/app/cryptoKeys/kek"
BIGQUERY_KEK = "projects/p/locations/us-central1/keyRings/bq/cryptoKeys/kek"
SAMPLES = Path(os.environ.get("RESEAL_SAMPLES", Path(__file__).parents[3] / "fixtures" / "samples"))

aead.register()
daead.register()


def wrap(kek: bytes, key: bytes) -> bytes:
    """Wraps a key as the fake Cloud KMS does."""
    iv = os.urandom(12)
    return iv + AESGCM(kek).encrypt(iv, key, None)


@dataclass
class World:
    """The keys of a test: the application's KEK, BigQuery's, and the first-level keyset as Tink made it."""

    source_kek: bytes = field(default_factory=lambda: os.urandom(32))
    bigquery_kek: bytes = field(default_factory=lambda: os.urandom(32))
    handle: Any = field(default_factory=lambda: tink.new_keyset_handle(aead.aead_key_templates.AES256_GCM))

    def keyset(self) -> bytes:
        buffer = io.BytesIO()
        cleartext_keyset_handle.write(tink.BinaryKeysetWriter(buffer), self.handle)
        return buffer.getvalue()

    def kms_keys(self) -> dict[str, bytes]:
        return {SOURCE_KEK: self.source_kek, BIGQUERY_KEK: self.bigquery_kek}


def world_of(keying: str) -> World:
    """A world whose first-level keyset is of the type that the keying needs."""
    if keying != "deterministic":
        return World()
    template = daead.deterministic_aead_key_templates.AES256_SIV
    return World(handle=tink.new_keyset_handle(template))


Row = dict[str, Any]


def write_input(
    folder: Path,
    world: World,
    users: list[Row],
    rejected: list[Row] | None = None,
    id_type: pa.DataType | None = None,
) -> None:
    """Writes users, users_rejected and keysets."""
    names = sorted({name for row in users for name in row} | {"resealed_from"} - {"id"})
    types = {name: pa.binary() if name.endswith(BINARY) else pa.string() for name in names}
    if "resealed_at" in types:
        types["resealed_at"] = pa.timestamp("us", tz="UTC")
    id_type = id_type or pa.int64()
    schema = pa.schema({**types, "id": id_type})
    _write(folder / "users", pa.Table.from_pylist(users, schema))
    write_tables_beside_users(folder, world, rejected or [], id_type)


BINARY = ("resealed_from", "bq_encryption_key", "bq_encrypted_email")

RUNS = pa.schema(
    {
        "keying": pa.string(),
        "source_format": pa.string(),
        "keyset_version": pa.int64(),
        "resealed_at": pa.timestamp("us", tz="UTC"),
    }
)
REJECTED = {
    "field": pa.string(),
    "source_format": pa.string(),
    "reason": pa.string(),
    "value_pattern": pa.string(),
    "rejected_from": pa.binary(),
}


def write_tables_beside_users(
    folder: Path,
    world: World,
    rejected: Sequence[Row] = (),
    id_type: pa.DataType | None = None,
    keysets: Sequence[bytes] = (),
) -> None:
    """Writes users_rejected, and keysets with the world's keyset as version 1 and others behind it."""
    _write(
        folder / "users_rejected",
        pa.Table.from_pylist(list(rejected), pa.schema({"id": id_type or pa.int64(), **REJECTED})),
    )
    wrapped = [wrap(world.bigquery_kek, keyset) for keyset in (world.keyset(), *keysets)]
    versions = pa.array(range(1, len(wrapped) + 1), pa.int64())
    _write(folder / "keysets", pa.table({"version": versions, "wrapped": wrapped}))


def write_runs(folder: Path, runs: Sequence[Row]) -> None:
    """Writes the ledger, which the mode `stale` looks at."""
    _write(folder / "runs", pa.Table.from_pylist(list(runs), RUNS))


def _write(folder: Path, table: pa.Table) -> None:
    folder.mkdir(parents=True)
    half = (table.num_rows + 1) // 2
    for part in range(2):
        pq.write_table(table.slice(part * half, half), folder / f"part-{part}.parquet")


FIELD = {
    "name": "email",
    "cipherText": "cipher_text",
    "dek": "dek",
    "plaintext": "decrypted_email",
    "key": "bq_encryption_key",
    "sealed": "bq_encrypted_email",
    "resealedAt": "resealed_at",
    "resealedFrom": "resealed_from",
    "valuePattern": None,
}


def arguments(folder: Path, endpoint: str, **changes: str) -> list[str]:
    """The batch's arguments for a run on Parquet folders."""
    values = {
        "project-id": "p",
        "bigquery-location": "us-central1",
        "dataset-id": "encryption_poc",
        "source-table": "users",
        "destination-table": "users_temp",
        "google-cloud-bucket": "gs://bucket/temp",
        "read-limit-rows": "0",
        "run-id": "test-run",
        "attempt": "test-attempt",
        "snapshot-millis": "1700000000000",
        "mode": "pending",
        "id-cutoff": str(2**63 - 1),
        "id-column": "id",
        "fields": json.dumps([FIELD]),
        "rejected-table": "users_rejected",
        "keysets-table": "keysets",
        "keyset-version": "1",
        "source-format": "gcm",
        "unauthenticated": "accept",
        "keying": "row",
        "store-plaintext": "false",
        "source-kek": SOURCE_KEK,
        "bigquery-kek": BIGQUERY_KEK,
        "kms-calls-per-second": "5000",
        "kms-endpoint": endpoint,
        "storage": "parquet",
        "input": str(folder / "in"),
        "output": str(folder / "out"),
    }
    values |= {name.replace("_", "-"): value for name, value in changes.items()}
    return [f"--{name}={value}" for name, value in values.items()]


def staged(folder: Path) -> list[Row]:
    """The rows that a run left."""
    rows: list[Row] = pq.read_table(folder / "out").to_pylist()
    return rows


def read_back(world: World, row: Row, keying: str, aad: bytes | None = None) -> str:
    """A staged row's value, opened by official Tink the way BigQuery's AEAD functions do."""
    handle = world.handle
    if keying == "deterministic":
        primitive = handle.primitive(daead.DeterministicAead)
        opened: bytes = primitive.decrypt_deterministically(row["bq_encrypted_email"], row["field"].encode())
        return opened.decode()
    aad = str(row["id"]).encode() if aad is None else aad
    if keying == "row":
        keyset = handle.primitive(aead.Aead).decrypt(row["bq_encryption_key"], aad)
        handle = cleartext_keyset_handle.read(tink.BinaryKeysetReader(keyset))
    value: bytes = handle.primitive(aead.Aead).decrypt(row["bq_encrypted_email"], aad)
    return value.decode()


def sample(name: str) -> tuple[World, list[Row], dict[int, Row]]:
    """A sample's world, users, and what is expected of each id."""
    place = SAMPLES / name
    kek = json.loads((place / "kek.json").read_text())
    users = [json.loads(line) for line in (place / "users.ndjson").read_text().splitlines()]
    expected = [json.loads(line) for line in (place / "expected.ndjson").read_text().splitlines()]
    for row in (*users, *expected):
        row["id"] = int(row["id"])
    world = World(source_kek=base64.b64decode(kek["material_base64"]))
    return world, users, {row["id"]: row for row in expected}
