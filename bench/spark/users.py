"""The benchmark's tables: each row a 27-byte value in the `gcm` format under one of 1,000 data keys."""

import base64
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from support.tables import World, world_of, wrap, write_tables_beside_users

DEKS = 1000
FILE_ROWS = 500_000


def make_tables(folder: Path, rows: int, world: World) -> None:
    """Writes users, users_rejected and keysets: version 1 is of AES-GCM, version 2 of AES-SIV."""
    keys = [os.urandom(32) for _ in range(DEKS)]
    ciphers = [AESGCM(key).encrypt for key in keys]
    deks = pa.array([base64.b64encode(wrap(world.source_kek, key)).decode() for key in keys])
    (folder / "users").mkdir(parents=True)
    for start in range(0, rows, FILE_ROWS):
        count = min(FILE_ROWS, rows - start)
        picks = [pick % DEKS for pick in memoryview(os.urandom(4 * count)).cast("I")]
        ivs = os.urandom(12 * count)
        texts = []
        for row, pick in enumerate(picks):
            iv = ivs[12 * row : 12 * row + 12]
            sealed = ciphers[pick](iv, b"user%013d@x.example" % (start + row), None)
            texts.append(base64.b64encode(iv + sealed).decode())
        table = pa.table(
            {
                "id": pa.array(range(start, start + count), pa.int64()),
                "cipher_text": texts,
                "dek": pa.DictionaryArray.from_arrays(pa.array(picks, pa.int32()), deks).cast(pa.string()),
                "resealed_from": pa.nulls(count, pa.binary()),
            }
        )
        pq.write_table(table, folder / "users" / f"part-{start}.parquet")
    write_tables_beside_users(folder, world, keysets=[world_of("deterministic").keyset()])
