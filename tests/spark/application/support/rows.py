"""Rows of the users table in the `gcm` format, and one run of the application over them."""

import base64
import hashlib
import os
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.padding import PKCS7
from pyspark.sql import SparkSession

from reseal.app import Run
from reseal.arguments import parse
from support.fake_kms import FakeKms
from support.tables import Row, World, arguments, staged, wrap


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def gcm(key: bytes, plain: str) -> str:
    iv = os.urandom(12)
    return b64(iv + AESGCM(key).encrypt(iv, plain.encode(), None))


def cbc(key: bytes, plain: str) -> str:
    """The `dotted` format without a tag."""
    iv, padder = os.urandom(16), PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    sealed = encryptor.update(padder.update(plain.encode()) + padder.finalize()) + encryptor.finalize()
    return f"{b64(iv)}.{b64(sealed)}"


def user(world: World, row_id: int, email: str, key: bytes | None = None, dek: str | None = None) -> Row:
    key = key or os.urandom(32)
    return {"id": row_id, "cipher_text": gcm(key, email), "dek": dek or b64(wrap(world.source_kek, key))}


def token(row: Row) -> bytes:
    """The compare-and-set token, resealed_from."""
    return hashlib.sha256(f"{row['cipher_text']}\n{row['dek'] or ''}".encode()).digest()


def run(spark: SparkSession, folder: Path, kms: FakeKms, **changes: str) -> list[Row]:
    """Runs the application over `folder`; returns the staged rows."""
    Run(spark, parse(arguments(folder, kms.endpoint, **changes))).run()
    return staged(folder)
