"""Many runs on one local Spark, for tests with a KMS of their own: python -m support.many_runs FOLDER

Each line of the input orders a run, as JSON: `rows` and `deks` of its table, whether the first key is `hot`
(nine rows in ten), the material of both `keks`, the `endpoint` of the KMS, and `changes` to the application's
arguments. The application's lines are followed by one that counts how many of a sample of its staged rows
official Tink opens.
"""

import base64
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from reseal.app import Run
from reseal.arguments import parse
from support.local_spark import local_spark
from support.tables import World, arguments, read_back, wrap, write_tables_beside_users

SAMPLE = 40


def make_table(folder: Path, world: World, order: dict[str, Any]) -> None:
    """Writes the ordered table. All rows of a key have the same cipher text, so that it is made quickly."""
    deks, texts = [], []
    for number in range(order["deks"]):
        key, iv = os.urandom(32), os.urandom(12)
        deks.append(base64.b64encode(wrap(world.source_kek, key)).decode())
        texts.append(base64.b64encode(iv + AESGCM(key).encrypt(iv, b"u%d@x" % number, None)).decode())
    ids = np.arange(order["rows"])
    picks = ids % order["deks"]
    if order["hot"]:
        picks = np.where(ids % 10, 0, 1 + ids // 10 % (order["deks"] - 1))
    columns = {
        "id": pa.array(ids),
        "cipher_text": pa.array(texts).take(pa.array(picks)),
        "dek": pa.array(deks).take(pa.array(picks)),
        "resealed_from": pa.nulls(order["rows"], pa.binary()),
    }
    (folder / "users").mkdir(parents=True)
    # Tasks share a file by its row groups.
    pq.write_table(pa.table(columns), folder / "users" / "part-0.parquet", row_group_size=100_000)
    write_tables_beside_users(folder, world)
    np.save(folder.parent / "picks.npy", picks)


def opened(folder: Path, world: World, keying: str) -> int:
    """How many rows of a sample of the staged ones open to their value."""
    table = pq.read_table(folder / "out", columns=["id", "bq_encryption_key", "bq_encrypted_email"])
    rows = table.take(pa.array(np.linspace(0, len(table) - 1, SAMPLE, dtype=np.int64))).to_pylist()
    picks = np.load(folder / "picks.npy")
    return sum(read_back(world, row, keying) == f"u{picks[row['id']]}@x" for row in rows)


def main(work: Path) -> None:
    spark = local_spark()
    for number, line in enumerate(sys.stdin):
        order = json.loads(line)
        world = World(*(base64.b64decode(material) for material in order["keks"]))
        folder = work / str(number)
        make_table(folder / "in", world, order)
        parsed = parse(arguments(folder, order["endpoint"], **order["changes"]))
        Run(spark, parsed).run()
        print(json.dumps({"opened": opened(folder, world, parsed.keying)}), flush=True)  # noqa: T201
        shutil.rmtree(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
