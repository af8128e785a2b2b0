"""No secret is in event log, plans, shuffle, spill or broadcast files, scratch folder or driver output."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from reseal.keysets import parse_keyset
from support.fake_kms import FakeKms
from support.local_spark import TESTS
from support.rows import b64, gcm
from support.tables import arguments, staged, world_of, wrap, write_input

ROWS = 2000


def forms(secret: bytes) -> list[bytes]:
    """The forms in which a secret might be written: raw, hex, and base64 at each of the three alignments."""
    hexadecimal = secret.hex().encode()
    found = [secret, hexadecimal, hexadecimal.upper()]
    for shift in range(3):
        text = base64.b64encode(bytes(shift) + secret)
        # The first and last groups of base64 depend on the bytes around the secret.
        found.append(text[4 if shift else 0 : -4])
    return found


def searched(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def leaks(files: dict[Path, bytes], secrets: dict[str, bytes]) -> list[tuple[str, str]]:
    return [
        (name, path.name)
        for name, secret in secrets.items()
        for form in forms(secret)
        for path, data in files.items()
        if form in data
    ]


def test_the_search_finds_what_is_planted(tmp_path: Path) -> None:
    secret = os.urandom(32)
    for number, form in enumerate(
        [
            secret,
            secret.hex().encode(),
            base64.b64encode(b"x" + secret),
            base64.b64encode(b"xy" + secret + b"z"),
        ]
    ):
        (tmp_path / str(number)).write_bytes(b"before" + form + b"after")
    assert {path for _, path in leaks(searched(tmp_path), {"key": secret})} == {"0", "1", "2", "3"}


def spilled(events: Path) -> int:
    """Bytes that tasks spilled to disk, by the event log."""
    ends = [
        json.loads(line)
        for log in events.iterdir()
        for line in log.read_text().splitlines()
        if line.startswith('{"Event":"SparkListenerTaskEnd"')
    ]
    return sum(end["Task Metrics"]["Disk Bytes Spilled"] for end in ends)


# How keys travel depends on the plan alone, how rows are sealed on the keying alone, and shared keying uses
# its first-level key as row keying does: two cases cover all.
@pytest.mark.parametrize(("keying", "few"), [("deterministic", "200000"), ("row", "0")])
def test_no_canary_gets_out(tmp_path: Path, kms: FakeKms, keying: str, few: str) -> None:
    world = world_of(keying)
    kms.keys = world.kms_keys()
    keys = [os.urandom(32) for _ in range(200)]
    deks = [b64(wrap(world.source_kek, key)) for key in keys]
    plain = [f"canary-{n}-{os.urandom(6).hex()}@secret.example" for n in range(ROWS)]
    users = [
        {"id": n, "cipher_text": gcm(keys[n % 200], plain[n]), "dek": deks[n % 200], "resealed_from": None}
        for n in range(ROWS)
    ]
    write_input(tmp_path / "in", world, users)
    work = tmp_path / "work"
    work.mkdir()
    argv = arguments(tmp_path, kms.endpoint, keying=keying, broadcast_deks=few)
    done = subprocess.run(
        [sys.executable, "-m", "support.canary_run", str(work), *argv],
        capture_output=True,
        cwd=TESTS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (work / "stdout").write_bytes(done.stdout)
    (work / "stderr").write_bytes(done.stderr)
    session = base64.b64decode(json.loads((work / "run-keys.json").read_text())[0])
    (work / "run-keys.json").unlink()

    assert len(staged(tmp_path)) == ROWS
    files = searched(work) | searched(tmp_path / "out") | searched(tmp_path / "out.scratch")
    names = " ".join(map(str, files))
    assert "/events/" in names
    if few == "0":
        assert "shuffle_" in names
        assert "out.scratch/keys" in names
        assert spilled(work / "events") > 0
    secrets = {f"data key {n}": key for n, key in enumerate(keys[::20])}
    secrets |= {f"value {n}": value.encode() for n, value in enumerate(plain[::50])}
    secrets |= {"first-level keyset": world.keyset(), "session key": session}
    first = parse_keyset(world.keyset()).keys[0]
    secrets["first-level key"] = first.aes or first.siv or b""
    assert len(secrets["first-level key"]) >= 32
    assert leaks(files, secrets) == []
    # Wrapped keys may be there: they show that the search reaches what Spark wrote.
    joined = b"".join(files.values())
    assert any(dek.encode() in joined for dek in deks)
