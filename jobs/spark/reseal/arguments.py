"""The command line of the batch: the seven arguments of the daily batch, and Reseal's own."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

Keying = Literal["row", "shared", "deterministic"]
Unauthenticated = Literal["accept", "reject"]
SourceFormat = Literal["gcm", "dotted", "tink", "tink-envelope"]
Mode = Literal["pending", "rejected", "stale", "all"]
Storage = Literal["bigquery", "parquet"]
IdType = Literal["INT64", "STRING", "NUMERIC", "BOOL", "DATE", "DATETIME", "TIMESTAMP"]

# Up to this many distinct data keys are broadcast, so that rows are never shuffled. At some 250 bytes a key
# that is 50 MB in each Python worker; with more keys, rows and keys meet in a shuffle join.
BROADCAST_DEKS = 200_000


@dataclass(frozen=True)
class Field:
    """The columns of the source table that belong to one value of a row (jobs/contract/fields.ts)."""

    name: str
    cipher_text: str
    dek: str
    key: str
    sealed: str
    resealed_at: str
    resealed_from: str
    # What the whole of a value has to match, as a pattern of RE2; None for any text.
    value_pattern: str | None = None


@dataclass(frozen=True)
class Arguments:
    """What one run is to do."""

    project: str
    dataset: str
    source: str
    staging: str
    bucket: str
    run_id: str
    attempt: str
    snapshot_millis: int
    mode: Mode
    # The bounds of the ids, as reseal/row_ids.py reads them.
    id_from: str
    id_cutoff: str
    wave: int
    waves: int
    id_column: str
    id_type: IdType
    fields: tuple[Field, ...]
    rejected: str
    keysets: str
    runs: str
    keyset_version: int
    source_format: SourceFormat
    unauthenticated: Unauthenticated
    keying: Keying
    store_plaintext: bool
    source_kek: str
    bigquery_kek: str
    kms_calls_per_second: float
    kms_endpoint: str
    storage: Storage
    input: str
    output: str
    broadcast_deks: int
    # What the source table is partitioned by; None where the stack does not say it.
    partition_column: str | None = None


def _fields(text: str) -> tuple[Field, ...]:
    columns = {"name": "name", "cipher_text": "cipherText", "dek": "dek", "key": "key", "sealed": "sealed"}
    columns |= {"resealed_at": "resealedAt", "resealed_from": "resealedFrom"}
    fields = tuple(
        Field(**{name: str(entry[key]) for name, key in columns.items()}, value_pattern=entry["valuePattern"])
        for entry in json.loads(text)
    )
    if not fields:
        raise argparse.ArgumentTypeError("at least one field is needed")
    return fields


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"true or false, not {text}")
    return text == "true"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="reseal", allow_abbrev=False)
    # The daily batch's seven. Two are accepted and not used: the location follows from the tables, and the
    # plan has turned the row limit into --id-from and --id-cutoff, so that every engine takes the same rows.
    parser.add_argument("--project-id", dest="project", required=True)
    parser.add_argument("--bigquery-location")
    parser.add_argument("--dataset-id", dest="dataset", required=True)
    parser.add_argument("--source-table", dest="source", required=True)
    parser.add_argument("--destination-table", dest="staging", required=True)
    parser.add_argument("--google-cloud-bucket", dest="bucket", required=True)
    parser.add_argument("--read-limit-rows", type=int, default=0)
    # Reseal's own, as jobs/contract/batch.ts writes them.
    parser.add_argument("--run-id", required=True)
    parser.add_argument("--attempt", required=True)
    parser.add_argument("--snapshot-millis", type=int, required=True)
    parser.add_argument("--mode", choices=("pending", "rejected", "stale", "all"), required=True)
    parser.add_argument("--id-from", default="")
    parser.add_argument("--id-cutoff", default="")
    parser.add_argument("--wave", type=int, default=0)
    parser.add_argument("--waves", type=int, default=1)
    parser.add_argument("--id-column", default="id")
    types = ("INT64", "STRING", "NUMERIC", "BOOL", "DATE", "DATETIME", "TIMESTAMP")
    parser.add_argument("--id-type", choices=types, default="INT64")
    parser.add_argument("--fields", type=_fields, required=True)
    parser.add_argument("--rejected-table", dest="rejected", required=True)
    parser.add_argument("--keysets-table", dest="keysets", required=True)
    parser.add_argument("--runs-table", dest="runs", default="runs")
    parser.add_argument("--partition-column")
    parser.add_argument("--keyset-version", type=int, required=True)
    formats = ("gcm", "dotted", "tink", "tink-envelope")
    parser.add_argument("--source-format", choices=formats, required=True)
    parser.add_argument("--unauthenticated", choices=("accept", "reject"), required=True)
    keyings = ("row", "shared", "deterministic")
    parser.add_argument("--keying", choices=keyings, required=True)
    parser.add_argument("--store-plaintext", type=_boolean, default=False)
    parser.add_argument("--source-kek", required=True)
    parser.add_argument("--bigquery-kek", required=True)
    parser.add_argument("--kms-calls-per-second", type=float, required=True)
    parser.add_argument("--kms-endpoint", default="https://cloudkms.googleapis.com")
    parser.add_argument("--storage", choices=("bigquery", "parquet"), default="bigquery")
    parser.add_argument("--input", default="")
    parser.add_argument("--output", default="")
    parser.add_argument("--broadcast-deks", type=int, default=BROADCAST_DEKS)
    return parser


def parse(argv: Sequence[str]) -> Arguments:
    """Reads the arguments; exits with status 2 and a usage line if they are not valid."""
    parser = _parser()
    values = vars(parser.parse_args(argv))
    if values["storage"] == "parquet" and not (values["input"] and values["output"]):
        parser.error("--storage=parquet needs --input and --output")
    if not values["kms_calls_per_second"] > 0:
        parser.error("--kms-calls-per-second must be above 0")
    known = Arguments.__dataclass_fields__
    return Arguments(**cast(dict[str, object], {k: v for k, v in values.items() if k in known}))  # type: ignore[arg-type]
