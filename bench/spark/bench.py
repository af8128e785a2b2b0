"""CPU time a row of the application, of a plain copy, and of the usual way in Java.

usage: bench.py [--rows 1000000 5000000] [--rounds 1] [--only NAME…] [--work FOLDER]

Each variant runs as a process of its own on local[2] at two table sizes; what start-up, compilation and the
KMS calls cost is the same at both, so the difference divided by the further rows is the marginal cost of a
row. Whole-machine CPU seconds come from /proc/stat: Java's garbage collector, Python's workers and the
kernel's part are all in them, and so is whatever else the machine does: keep it quiet. Where the kernel
lets this process make a control group, the CPU time of the variant's own processes stands beside it.
"""

import argparse
import base64
import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pyspark
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.fake_kms import FakeKms
from tests.tables import World, arguments, wrap

HERE = Path(__file__).parent
APPLICATION = HERE.parents[1] / "jobs" / "spark"
TINK = "com.google.crypto.tink:tink:1.18.0"
DEKS = 1000
FILE_ROWS = 500_000
CONF = ["--master", "local[2]", "--driver-memory", "4g", "--conf", "spark.ui.enabled=false"]
VARIANTS = ("shared", "row", "copy", "java")


def make_tables(folder: Path, rows: int, world: World) -> None:
    """Users with a 27-byte value a row, cipher text in the `gcm` format, 1,000 data keys at random."""
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
    wrapped = wrap(world.bigquery_kek, world.keyset())
    (folder / "keysets").mkdir()
    pq.write_table(
        pa.table({"version": pa.array([1], pa.int64()), "wrapped": [wrapped]}), folder / "keysets/k.parquet"
    )
    (folder / "users_rejected").mkdir()


def build_java(work: Path) -> list[str]:
    """Compiles Usual.java against Spark's own jars and Tink; the classpath to run it with."""
    jars = work / "jars"
    if not jars.exists():
        command = ["mvn", "-q", "-B", "dependency:copy", f"-Dartifact={TINK}", f"-DoutputDirectory={jars}"]
        subprocess.run(command, check=True)
    spark = Path(pyspark.__file__).parent / "jars"
    classes = work / "classes"
    classes.mkdir(exist_ok=True)
    classpath = f"{spark}/*:{jars}/*"
    subprocess.run(["javac", "-cp", classpath, "-d", str(classes), str(HERE / "Usual.java")], check=True)
    jar = work / "usual.jar"
    subprocess.run(["jar", "cf", str(jar), "-C", str(classes), "."], check=True)
    return [str(jar), *map(str, sorted(jars.glob("*.jar")))]


@dataclass
class Cost:
    """CPU seconds of the whole machine, and of the variant's own processes (0 where nothing counts them)."""

    machine: float
    own: float


def machine_seconds() -> float:
    """User, nice, system, irq, softirq (proc(5)): not idle, not waiting, not another guest's."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    busy = fields[0] + fields[1] + fields[2] + fields[5] + fields[6]
    return busy / os.sysconf("SC_CLK_TCK")


class Group:
    """A control group for one command and all its descendants (cgroups(7), version 1 or 2)."""

    def __init__(self) -> None:
        self._place: Path | None = None
        for parent in (Path("/sys/fs/cgroup/cpuacct"), Path("/sys/fs/cgroup")):
            place = parent / f"reseal-bench-{os.getpid()}"
            try:
                place.mkdir()
            except OSError:
                continue
            if (place / "cgroup.procs").exists():
                self._place = place
                return
            place.rmdir()

    def enter(self) -> None:
        """Puts the calling process in; its children follow."""
        if self._place is not None:
            (self._place / "cgroup.procs").write_text(str(os.getpid()))

    def seconds(self) -> float:
        """CPU time so far."""
        if self._place is None:
            return 0
        usage = self._place / "cpuacct.usage"
        if usage.exists():
            return int(usage.read_text()) / 1e9
        return int((self._place / "cpu.stat").read_text().split()[1]) / 1e6

    def close(self) -> None:
        """Removes the group; a process that is still ending keeps it, empty, until the machine restarts."""
        if self._place is not None:
            with suppress(OSError):
                self._place.rmdir()


def measure(command: list[str], env: dict[str, str], group: Group) -> Cost:
    """Runs a command to its end."""
    machine, own = machine_seconds(), group.seconds()
    done = subprocess.run(
        command,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=group.enter,
    )
    if done.returncode != 0:
        raise SystemExit(f"{command[:4]} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return Cost(machine_seconds() - machine, group.seconds() - own)


def command(variant: str, folder: Path, kms: FakeKms, world: World, jars: list[str]) -> list[str]:
    """How a variant is started."""
    if variant in ("shared", "row"):
        return [
            sys.executable,
            str(APPLICATION / "main.py"),
            *arguments(folder, kms.endpoint, keying=variant),
        ]
    if variant == "copy":
        return [sys.executable, str(HERE / "copy_rows.py"), str(folder / "in" / "users"), str(folder / "out")]
    submit = str(Path(pyspark.__file__).parent / "bin" / "spark-submit")
    # The KEK itself: what KMS calls cost is no part of the comparison.
    keys = [base64.b64encode(key).decode() for key in (world.source_kek, world.keyset())]
    paths = [str(folder / "in" / "users"), str(folder / "out")]
    return [submit, *CONF, "--jars", ",".join(jars[1:]), "--class", "Usual", jars[0], *paths, *keys]


def main() -> None:
    """Measures and prints one JSON line for each run, then the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, nargs=2, default=[1_000_000, 5_000_000])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--work", type=Path, default=HERE.parents[1] / ".reseal" / "bench-spark")
    options = parser.parse_args()
    work: Path = options.work
    work.mkdir(parents=True, exist_ok=True)
    jars = build_java(work) if "java" in options.only else []
    world = World()
    kms = FakeKms(world.kms_keys())
    folders = {rows: work / str(rows) for rows in options.rows}
    for rows, folder in folders.items():
        shutil.rmtree(folder, ignore_errors=True)
        make_tables(folder / "in", rows, world)
    env = {"PYSPARK_SUBMIT_ARGS": " ".join([*CONF, "pyspark-shell"])}
    group = Group()
    margins: dict[str, list[Cost]] = {variant: [] for variant in options.only}
    small, large = options.rows
    for number in range(options.rounds):
        for variant in options.only:
            costs = []
            for rows, folder in folders.items():
                shutil.rmtree(folder / "out", ignore_errors=True)
                cost = measure(command(variant, folder, kms, world, jars), env, group)
                costs.append(cost)
                line = {"round": number, "variant": variant, "rows": rows, **vars(cost)}
                sys.stdout.write(json.dumps(line) + "\n")
                sys.stdout.flush()
            scale = 1e6 / (large - small)
            first, second = costs
            margin = Cost((second.machine - first.machine) * scale, (second.own - first.own) * scale)
            margins[variant].append(margin)
    sys.stdout.write("\nmarginal CPU µs a row (least of the rounds)   whole machine   own processes\n")
    for variant, found in margins.items():
        machine, own = min(cost.machine for cost in found), min(cost.own for cost in found)
        sys.stdout.write(f"{variant:44} {machine:14.2f} {own:15.2f}\n")
    group.close()
    for folder in folders.values():
        shutil.rmtree(folder)
    kms.close()


if __name__ == "__main__":
    main()
