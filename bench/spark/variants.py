"""The variants that are compared, and how each is started."""

import base64
import sys
from pathlib import Path

import pyspark

from compile_java import compile_java
from fetch_jars import fetch
from reseal.storage import RANDOM_COLUMNS
from support.fake_kms import FakeKms
from support.tables import World, arguments

HERE = Path(__file__).parent
APPLICATION = HERE.parents[1] / "jobs" / "spark"
TINK = ("com.google.crypto.tink", "tink", "1.18.0")
# The heap has its full size from the start, since its growth would be counted as the cost of rows.
HEAP = "-Xms2g -XX:+AlwaysPreTouch"
CONF = ["--master", "local[2]", "--driver-memory", "2g", "--driver-java-options", HEAP]
CONF += ["--conf", "spark.ui.enabled=false"]
# The settings with which the application writes its files (reseal/storage.py).
PLAIN_FILES = [
    "--conf",
    "spark.sql.parquet.compression.codec=uncompressed",
    *(
        part
        for column in RANDOM_COLUMNS
        for part in ("--conf", f"spark.hadoop.parquet.enable.dictionary#{column}=false")
    ),
]
KEYINGS = ("shared", "row", "deterministic")
VARIANTS = {
    "shared": "the application, shared keying",
    "row": "the application, row keying",
    "deterministic": "the application, deterministic keying",
    "copy": "a plain copy with the staging schema",
    "java": "the usual way: Java, Tink; cipher_text and dek in staging",
    "java-staging": "Java, Tink, writing the application's own staging rows",
}


def build_java(work: Path) -> list[str]:
    """Compiles Usual.java against Spark's own jars and Tink; returns the jars to run it with."""
    jars = work / "jars"
    jars.mkdir()
    fetch(["-dependency", *TINK, "-notransitive", "-confs", "master"], jars)
    libraries = sorted(jars.glob("*.jar"))
    jar = work / "usual.jar"
    compile_java(HERE / "Usual.java", jar, libraries)
    return [str(jar), *map(str, libraries)]


def command(variant: str, folder: Path, kms: FakeKms, world: World, jars: list[str]) -> list[str]:
    """The command that runs a variant."""
    if variant in KEYINGS:
        return [
            sys.executable,
            str(APPLICATION / "main.py"),
            *arguments(
                folder,
                kms.endpoint,
                keying=variant,
                keyset_version="2" if variant == "deterministic" else "1",
            ),
        ]
    paths = [str(folder / "in" / "users"), str(folder / "out")]
    if variant == "copy":
        return [sys.executable, str(HERE / "copy_rows.py"), *paths]
    submit = [str(Path(pyspark.__file__).parent / "bin" / "spark-submit"), *CONF]
    rows = "usual"
    if variant == "java-staging":
        submit += PLAIN_FILES
        rows = "staging"
    # The KEK itself, so that KMS calls are no part of the comparison. It belongs to this benchmark alone.
    keys = [base64.b64encode(key).decode() for key in (world.source_kek, world.keyset())]
    return [*submit, "--jars", ",".join(jars[1:]), "--class", "Usual", jars[0], *paths, *keys, rows]
