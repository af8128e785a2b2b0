"""The tasks that unwrap, where what they need fails under them."""

import base64
import os

import pytest
from google.auth.exceptions import RefreshError

from reseal.secret import Secret
from reseal.unwrapping import UnwrapTask
from support.fake_kms import FakeKms
from support.tables import SOURCE_KEK, World, wrap


def test_a_token_that_cannot_be_renewed_fails_no_task(
    kms: FakeKms, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Flaky:
        asked = 0

        def header(self) -> dict[str, str]:
            self.asked += 1
            if self.asked == 3:
                raise RefreshError("the metadata server answered 503")  # type: ignore[no-untyped-call]
            return {}

    monkeypatch.setattr("reseal.unwrapping.activate", lambda: None)
    monkeypatch.setattr("reseal.kms._credentials_for", lambda endpoint: Flaky())
    deks = [base64.b64encode(wrap(world.source_kek, b"%d" % key)).decode() for key in range(6)]
    task = UnwrapTask(kms.endpoint, SOURCE_KEK, Secret(os.urandom(32)), 1e6)
    results = list(task.keys(deks))
    assert [result.dek for result in results] == deks
    assert all(result.sealed is not None and result.fatal is None for result in results)
    assert kms.decrypts(SOURCE_KEK) == len(deks)
