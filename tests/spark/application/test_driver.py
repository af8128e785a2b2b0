"""The driver: it imports no bundled package, explains failures and checks its arguments."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from reseal.app import summary
from reseal.arguments import parse
from support.fake_kms import FakeKms
from support.local_spark import APPLICATION
from support.tables import World, arguments, write_input

# Dataproc unpacks the archives of a batch for executors only.
BUNDLED = ("cryptography", "cffi", "google.auth", "urllib3", "certifi", "pyasn1")


def test_the_driver_imports_nothing_from_the_bundle() -> None:
    program = "import json, sys, reseal.app; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], cwd=APPLICATION, capture_output=True, check=True)
    assert set(BUNDLED).isdisjoint(json.loads(done.stdout))


def test_a_failed_run_says_why_and_exits_with_1(tmp_path: Path, world: World, kms: FakeKms) -> None:
    write_input(tmp_path / "in", world, [{"id": 1, "cipher_text": "x", "dek": "y", "resealed_from": None}])
    argv = arguments(tmp_path, kms.endpoint, keyset_version="7")
    done = subprocess.run(
        [sys.executable, "main.py", *argv], cwd=APPLICATION, capture_output=True, check=False
    )
    assert done.returncode == 1
    last = json.loads(done.stdout.splitlines()[-1])
    assert last == {"reseal": "error", "code": "keyset", "message": "the keysets table has no version 7"}


def test_an_unforeseen_failure_is_one_line() -> None:
    error = RuntimeError(
        "An error occurred while calling o1.parquet.\n: org.apache.spark.SparkException: Job aborted.\n"
        "\tat a.b.C.d(C.java:1)\nCaused by: java.io.IOException: No space left on device\n\tat e.f.G.h(G:2)"
    )
    assert summary(error) == "RuntimeError: java.io.IOException: No space left on device"
    assert summary(ValueError()) == "ValueError: "


def test_a_missing_permission_is_told_with_permission_and_table_not_as_its_bare_status() -> None:
    denied = (
        "Access Denied: Table p:d.users_rejected: Permission bigquery.tables.getData denied on table "
        "p:d.users_rejected (or it may not exist)."
    )
    error = RuntimeError(
        "An error occurred while calling o1.load.\n"
        ": com.google.cloud.bigquery.connector.common.BigQueryConnectorException: Error getting table\n"
        f"Caused by: com.google.cloud.spark.bigquery.repackaged.BigQueryException: {denied}\n"
        "\tat a.B.c(B:1)\n"
        "Caused by: com.google.api.client.googleapis.json.GoogleJsonResponseException: 403 Forbidden\n"
        "\tat d.E"
    )
    assert denied in summary(error)
    storage = "x does not have storage.objects.create access to the Google Cloud Storage object. Permission "
    error = RuntimeError(f": java.io.IOException: {storage}\nCaused by: HttpResponseException: 403 Forbidden")
    assert storage.strip() in summary(error)


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": "newest"},
        {"keying": "column"},
        {"source-format": "pgp"},
        {"store-plaintext": "yes"},
        {"input": ""},
        {"kms-calls-per-second": "0"},
        {"fields": "[]"},
        {"no-such-argument": "1"},
    ],
)
def test_arguments_that_are_not_right(tmp_path: Path, changes: dict[str, str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(arguments(tmp_path, "http://127.0.0.1:1", **changes))
    assert caught.value.code == 2
