"""Builds the batch's files: the entry point, the package, and the executors' wheels, byte for byte the same.

usage: make_bundle.py APPLICATION DIST

Archives are stored, not deflated: what a compressor makes differs from one zlib to the next.
"""

import hashlib
import io
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

# The oldest moment that a zip archive can name.
EPOCH = (1980, 1, 1, 0, 0, 0)
# jobs/spark/reseal/bundle.py looks for it.
MARKER = "reseal-wheels.txt"
# Serverless Dataproc runtime 2.3: Python 3.11 on 64-bit x86 Linux.
PLATFORMS = ["manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"]


def sources(application: Path) -> str:
    """What the bundle is made from, as one SHA-256, as jobs/contract/bundle-sources.ts has it of a checkout."""
    names = ["main.py", "requirements.txt"]
    names += [f"reseal/{path.name}" for path in (application / "reseal").glob("*.py")]
    lines = [f"{sha256((application / name).read_bytes())}  {name}\n" for name in sorted(names)]
    return sha256("".join(lines).encode())


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def archive(files: dict[str, bytes], comment: str) -> bytes:
    """A zip archive of files in a fixed order, with fixed times and modes, that ends with a comment."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as target:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            target.writestr(entry, files[name])
        target.comment = comment.encode()
    return buffer.getvalue()


def package(application: Path) -> dict[str, bytes]:
    """The application's own modules."""
    return {f"reseal/{path.name}": path.read_bytes() for path in (application / "reseal").glob("*.py")}


def wheels(requirements: Path) -> dict[str, bytes]:
    """The locked wheels for the runtime, unpacked: Python does not load native modules out of archives."""
    files: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as folder:
        platforms = [option for name in PLATFORMS for option in ("--platform", name)]
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        command += ["--require-hashes", "--only-binary", ":all:", "--no-deps", "--dest", folder]
        command += ["--implementation", "cp", "--python-version", "3.11", *platforms]
        subprocess.run([*command, "--requirement", str(requirements)], check=True)
        for wheel in sorted(Path(folder).glob("*.whl")):
            with zipfile.ZipFile(wheel) as source:
                for name in source.namelist():
                    if not name.endswith("/"):
                        files[name] = source.read(name)
    names = sorted(name.partition("/")[0] for name in files if name.endswith(".dist-info/METADATA"))
    files[MARKER] = ("\n".join(names) + "\n").encode()
    return files


def main(application: Path, dist: Path) -> int:
    try:
        unpacked = wheels(application / "requirements.txt")
    except subprocess.CalledProcessError:
        return 4
    comment = f"reseal-sources={sources(application)}"
    made = {
        "main.py": (application / "main.py").read_bytes(),
        "reseal.zip": archive(package(application), comment),
        "wheels.zip": archive(unpacked, comment),
    }
    dist.mkdir(parents=True, exist_ok=True)
    for name, data in made.items():
        (dist / name).write_bytes(data)
    sys.stdout.write(json.dumps({name: sha256(data) for name, data in made.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
