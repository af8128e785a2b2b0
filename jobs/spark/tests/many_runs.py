"""Many runs on one local Spark, for tests that have a KMS of their own: python -m tests.many_runs FOLDER

A line of the input is a run, as JSON: `rows` and `deks` of its table, whether the first key is `hot` (nine
rows in ten), the material of both `keks`, the `endpoint` of the KMS, and `changes` to the application's
arguments. After what the run says comes a line with how many staged rows of a sample official Tink opens.
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
from pyspark.sql import SparkSession

from reseal.app import Run
from reseal.arguments import parse
from tests.tables import World, arguments, read_back, wrap, write_keysets

SAMPLE = 40


def make_table(folder: Path, world: World, order: dict[str, Any]) -> None:
    """Users under the ordered keys; all rows of a key have the same cipher text, which is quickly made."""
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
    for name in ("users", "users_rejected"):
        (folder / name).mkdir(parents=True)
    # Row groups are what the tasks share between them.
    pq.write_table(pa.table(columns), folder / "users" / "part-0.parquet", row_group_size=100_000)
    write_keysets(folder, world)
    np.save(folder.parent / "picks.npy", picks)


def opened(folder: Path, world: World, keying: str) -> int:
    """How many rows of a sample of the staged ones open to their value."""
    table = pq.read_table(folder / "out", columns=["id", "bq_encryption_key", "bq_encrypted_email"])
    rows = table.take(pa.array(np.linspace(0, len(table) - 1, SAMPLE, dtype=np.int64))).to_pylist()
    picks = np.load(folder / "picks.npy")
    return sum(read_back(world, row, keying) == f"u{picks[row['id']]}@x" for row in rows)


def main(work: Path) -> None:
    builder = SparkSession.builder.master("local[2,4]").config("spark.ui.enabled", "false")
    spark = builder.config("spark.sql.shuffle.partitions", "4").getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
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
