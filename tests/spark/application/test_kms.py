"""The KMS client, against a server that fails in every way that it has to handle."""

import base64
import itertools
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from reseal.errors import RunError
from reseal.kms import ATTEMPTS, Kms
from reseal.pace import Pace
from reseal.reasons import Rejection
from support.fake_kms import Answer, FakeKms, failure
from support.tables import SOURCE_KEK, World, wrap


def client(kms: FakeKms, slept: list[float] | None = None) -> Kms:
    return Kms(kms.endpoint, 4, lambda: None, (slept if slept is not None else []).append)


def test_decrypts(kms: FakeKms, world: World) -> None:
    wrapped = wrap(world.source_kek, b"data key")
    assert client(kms).decrypt(SOURCE_KEK, wrapped) == b"data key"
    assert kms.decrypts(SOURCE_KEK) == 1


def test_an_empty_plaintext_is_a_plaintext(kms: FakeKms, world: World) -> None:
    assert client(kms).decrypt(SOURCE_KEK, wrap(world.source_kek, b"")) == b""


def test_what_kms_will_never_decrypt(kms: FakeKms) -> None:
    with pytest.raises(Rejection) as caught:
        client(kms).decrypt(SOURCE_KEK, os.urandom(60))
    assert caught.value.reason == "dek-refused"
    kms.fault = lambda call: failure(400, "FAILED_PRECONDITION")
    with pytest.raises(Rejection):
        client(kms).decrypt(SOURCE_KEK, os.urandom(60))


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (failure(403, "PERMISSION_DENIED"), "kms-denied"),
        (failure(401, "UNAUTHENTICATED"), "kms-denied"),
        (failure(404, "NOT_FOUND"), "kms-key"),
        ((403, {}), "kms-denied"),
    ],
)
def test_what_ends_the_run(kms: FakeKms, answer: Answer, code: str) -> None:
    kms.fault = lambda call: answer
    with pytest.raises(RunError) as caught:
        client(kms).decrypt(SOURCE_KEK, b"x")
    assert caught.value.code == code
    assert SOURCE_KEK in caught.value.message


def damaged(plain: bytes, checksum: object) -> Answer:
    return 200, {"plaintext": base64.b64encode(plain).decode(), "plaintextCrc32c": checksum}


@pytest.mark.parametrize(
    "answer",
    [
        failure(429, "RESOURCE_EXHAUSTED"),
        failure(503, "UNAVAILABLE"),
        failure(500, "INTERNAL"),
        failure(504, "DEADLINE_EXCEEDED"),
        (502, {}),
        damaged(b"data kez", "1"),
        damaged(b"data key", None),
        (200, {"plaintext": "?", "plaintextCrc32c": "0"}),
        (200, {}),
    ],
)
def test_what_is_tried_again(kms: FakeKms, world: World, answer: Answer) -> None:
    kms.fault = lambda call: answer if call <= 3 else None
    slept: list[float] = []
    kms_client = client(kms, slept)
    assert kms_client.decrypt(SOURCE_KEK, wrap(world.source_kek, b"data key")) == b"data key"
    assert kms_client.calls == 4
    assert len(slept) == 3
    assert all(0 <= delay <= 0.2 * 2**attempt for attempt, delay in enumerate(slept))


def test_it_gives_up(kms: FakeKms) -> None:
    kms.fault = lambda call: failure(503, "UNAVAILABLE")
    slept: list[float] = []
    with pytest.raises(RunError) as caught:
        client(kms, slept).decrypt(SOURCE_KEK, b"x")
    assert caught.value.code == "kms-unavailable"
    assert len(slept) == ATTEMPTS - 1


def test_nobody_there(world: World) -> None:
    kms = FakeKms(world.kms_keys())
    kms.close()
    with pytest.raises(RunError) as caught:
        client(kms).decrypt(SOURCE_KEK, b"x")
    assert caught.value.code == "kms-unavailable"


def test_many_threads_count_right(kms: FakeKms, world: World) -> None:
    wrapped = [wrap(world.source_kek, b"%d" % number) for number in range(200)]
    kms_client = client(kms)
    with ThreadPoolExecutor(16) as pool:
        plain = list(pool.map(lambda one: kms_client.decrypt(SOURCE_KEK, one), wrapped))
    assert plain == [b"%d" % number for number in range(200)]
    assert kms_client.calls == 200


def test_pace_is_an_upper_bound() -> None:
    now = [0.0]
    moments: list[float] = []
    lock = threading.Lock()

    def sleep(seconds: float) -> None:
        with lock:
            now[0] += seconds

    pace = Pace(10, clock=lambda: now[0], sleep=sleep)
    for turn in range(40):
        if turn == 20:
            now[0] += 5  # a pause earns no burst
        pace.wait()
        moments.append(now[0])
    gaps = [b - a for a, b in itertools.pairwise(moments)]
    assert min(gaps) >= 0.1 - 1e-9
