"""The KMS client, against a server that fails in every way that it has to handle."""

import base64
import itertools
import math
import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from google.auth.exceptions import RefreshError

from reseal.errors import RunError
from reseal.kms import ATTEMPTS, QUOTA_PATIENCE_SECONDS, Kms, _retry_after
from reseal.pace import Pace
from reseal.reasons import Rejection
from support.fake_kms import Answer, FakeKms, failure
from support.tables import SOURCE_KEK, World, wrap


def client(kms: FakeKms, slept: list[float] | None = None) -> Kms:
    return Kms(kms.endpoint, 4, Pace(1e6), (slept if slept is not None else []).append)


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


def test_what_a_destroyed_version_wrapped(kms: FakeKms) -> None:
    def said(state: str) -> Answer:
        status, answer = failure(400, "FAILED_PRECONDITION")
        answer["error"]["message"] = (
            f"{SOURCE_KEK}/cryptoKeyVersions/1 is not enabled, current state is: {state}."
        )
        return status, answer

    kms.fault = lambda call: said("DESTROYED")
    with pytest.raises(Rejection) as caught:
        client(kms).decrypt(SOURCE_KEK, b"x")
    assert caught.value.reason == "kek-destroyed"
    # It can be restored yet.
    kms.fault = lambda call: said("DESTROY_SCHEDULED")
    with pytest.raises(RunError) as stopped:
        client(kms).decrypt(SOURCE_KEK, b"x")
    assert stopped.value.code == "kms-key-disabled"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (failure(403, "PERMISSION_DENIED"), "kms-denied"),
        (failure(401, "UNAUTHENTICATED"), "kms-denied"),
        (failure(404, "NOT_FOUND"), "kms-key"),
        (failure(400, "FAILED_PRECONDITION"), "kms-key-disabled"),
        ((403, {}), "kms-denied"),
    ],
)
def test_what_ends_the_run(kms: FakeKms, answer: Answer, code: str) -> None:
    kms.fault = lambda call: answer
    with pytest.raises(RunError) as caught:
        client(kms).decrypt(SOURCE_KEK, b"x")
    assert caught.value.code == code
    assert SOURCE_KEK in caught.value.message


def test_the_version_that_cannot_be_used_is_named_in_google_s_words(kms: FakeKms) -> None:
    code, answer = failure(400, "FAILED_PRECONDITION")
    version = f"{SOURCE_KEK}/cryptoKeyVersions/1"
    answer["error"]["message"] = f"{version} is not enabled, current state is: DISABLED."
    kms.fault = lambda call: (code, answer)
    with pytest.raises(RunError) as caught:
        client(kms).decrypt(SOURCE_KEK, b"x")
    assert caught.value.code == "kms-key-disabled"
    assert caught.value.message == (
        f"Cloud KMS answered FAILED_PRECONDITION for {SOURCE_KEK}: "
        f"{version} is not enabled, current state is: DISABLED."
    )


def test_a_missing_role_is_told_in_words_that_end_with_the_key(kms: FakeKms) -> None:
    kms.fault = lambda call: failure(403, "PERMISSION_DENIED")
    with pytest.raises(RunError) as caught:
        client(kms).decrypt(SOURCE_KEK, b"x")
    assert caught.value.message == f"Cloud KMS answered PERMISSION_DENIED for {SOURCE_KEK}"


@pytest.mark.parametrize(
    ("reason", "code"), [("SERVICE_DISABLED", "service-disabled"), ("BILLING_DISABLED", "billing-disabled")]
)
def test_a_fault_of_the_project_is_no_missing_role(kms: FakeKms, reason: str, code: str) -> None:
    status, answer = failure(403, "PERMISSION_DENIED")
    answer["error"]["message"] = "The API has not been used in project 123456 before or it is disabled."
    answer["error"]["details"] = [
        {"@type": "type.googleapis.com/google.rpc.Help", "links": []},
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"},
    ]
    kms.fault = lambda call: (status, answer)
    with pytest.raises(RunError) as caught:
        client(kms).decrypt(SOURCE_KEK, b"x")
    assert caught.value.code == code
    assert "project 123456" in caught.value.message


def damaged_request() -> Answer:
    """What KMS answers to a ciphertext that reached it other than it was sent."""
    code, answer = failure(400, "INVALID_ARGUMENT")
    answer["error"]["message"] = (
        "The checksum in field ciphertext_crc32c did not match the data in field ciphertext."
    )
    return code, answer


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
        damaged_request(),
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


def test_a_fault_is_counted_anew_once_the_quota_has_answered(kms: FakeKms, world: World) -> None:
    fault = failure(503, "UNAVAILABLE")
    once_more = [fault] * (ATTEMPTS - 1)
    faults = [*once_more, failure(429, "RESOURCE_EXHAUSTED"), *once_more]
    kms.fault = lambda call: faults[call - 1] if call <= len(faults) else None
    assert client(kms).decrypt(SOURCE_KEK, wrap(world.source_kek, b"data key")) == b"data key"


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


class FakeTime:
    """Time that passes only in a sleep."""

    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_an_exhausted_quota_is_waited_out(kms: FakeKms, world: World) -> None:
    time = FakeTime()
    kms.fault = lambda call: failure(429, "RESOURCE_EXHAUSTED") if time.now < 500 else None
    pace = Pace(100, time.clock, time.sleep)
    kms_client = Kms(kms.endpoint, 4, pace, time.sleep, time.clock)
    assert kms_client.decrypt(SOURCE_KEK, wrap(world.source_kek, b"data key")) == b"data key"
    assert kms_client.calls > ATTEMPTS
    assert pace.per_second < 100


def test_an_exhausted_quota_has_a_bound(kms: FakeKms) -> None:
    time = FakeTime()
    kms.fault = lambda call: failure(429, "RESOURCE_EXHAUSTED")
    kms_client = Kms(kms.endpoint, 4, Pace(100, time.clock, time.sleep), time.sleep, time.clock)
    with pytest.raises(RunError) as caught:
        kms_client.decrypt(SOURCE_KEK, b"x")
    assert caught.value.code == "kms-unavailable"
    assert "kmsCallsPerSecond" in caught.value.message
    assert QUOTA_PATIENCE_SECONDS <= time.now < QUOTA_PATIENCE_SECONDS + 60


def test_retry_after_is_kept(kms: FakeKms, world: World) -> None:
    time = FakeTime()
    code, answer = failure(429, "RESOURCE_EXHAUSTED")
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "33.5s"}]
    answer["error"]["details"] = details
    kms.fault = lambda call: (code, answer) if call == 1 else None
    kms_client = Kms(kms.endpoint, 4, Pace(100, time.clock, time.sleep), time.sleep, time.clock)
    kms_client.decrypt(SOURCE_KEK, wrap(world.source_kek, b"data key"))
    assert 33.5 <= time.now < 40


def test_retry_after_in_the_header() -> None:
    assert _retry_after({"Retry-After": "12"}, b"not JSON") == 12.0
    assert _retry_after({"Retry-After": "12"}, b'{"error": {}}') == 12.0
    assert _retry_after({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, b'{"error": {}}') == 0.0


def test_nobody_waits_after_the_end(kms: FakeKms) -> None:
    kms_client = Kms(kms.endpoint, 4, Pace(0.001))
    kms_client._pace.wait()
    threading.Timer(0.2, kms_client.end).start()
    with pytest.raises(RunError):
        kms_client.decrypt(SOURCE_KEK, b"x")
    assert kms_client.calls == 0


def test_nobody_sleeps_after_the_end(kms: FakeKms, monkeypatch: pytest.MonkeyPatch) -> None:
    kms.fault = lambda call: failure(503, "UNAVAILABLE")
    monkeypatch.setattr(random, "uniform", lambda shortest, longest: 30.0)
    kms_client = Kms(kms.endpoint, 4, Pace(1e6))
    threading.Timer(0.2, kms_client.end).start()
    began = time.monotonic()
    with pytest.raises(RunError):
        kms_client.decrypt(SOURCE_KEK, b"x")
    assert time.monotonic() - began < 5
    assert kms_client.calls == 1


class Tokens:
    """Credentials that cannot be renewed a few times; they note when they are asked."""

    def __init__(self, happened: list[str], failures: int) -> None:
        self._happened = happened
        self._failures = failures

    def header(self) -> dict[str, str]:
        self._happened.append("token")
        if self._failures > 0:
            self._failures -= 1
            raise RefreshError("the metadata server answered 503")  # type: ignore[no-untyped-call]
        return {}


def test_a_token_is_got_once_the_turn_has_come(
    kms: FakeKms, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []

    class Turns(Pace):
        def wait(self) -> None:
            happened.append("turn")
            super().wait()

    monkeypatch.setattr("reseal.kms._credentials_for", lambda endpoint: Tokens(happened, 0))
    kms_client = Kms(kms.endpoint, 4, Turns(1e6))
    kms_client.decrypt(SOURCE_KEK, wrap(world.source_kek, b"data key"))
    assert happened == ["turn", "token"]


@pytest.mark.parametrize("failures", [1, ATTEMPTS])
def test_a_token_that_cannot_be_renewed_is_a_fault_that_may_pass(
    kms: FakeKms, world: World, monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    monkeypatch.setattr("reseal.kms._credentials_for", lambda endpoint: Tokens([], failures))
    kms_client = client(kms)
    wrapped = wrap(world.source_kek, b"data key")
    if failures < ATTEMPTS:
        assert kms_client.decrypt(SOURCE_KEK, wrapped) == b"data key"
        assert kms_client.calls == 1
        return
    with pytest.raises(RunError) as caught:
        kms_client.decrypt(SOURCE_KEK, wrapped)
    assert caught.value.code == "kms-unavailable"
    assert "access token" in caught.value.message
    assert kms_client.calls == 0


@pytest.mark.parametrize("rate", [0.5, 1, 2, 3, 7, 9, 10, 61, 500, 5000])
def test_no_second_holds_more_than_the_rate(rate: float) -> None:
    draw = random.Random(rate)
    time = FakeTime()
    moments: list[float] = []
    # Threads wake up late, now and then by much.
    pace = Pace(rate, time.clock, lambda seconds: time.sleep(seconds + draw.choice([0, 0.0004, 0.03])))
    for _ in range(max(20, int(rate * 3))):
        if draw.random() < 0.01:
            time.now += draw.uniform(0, 3)
        if draw.random() < 0.005:
            pace.throttled()
        pace.wait()
        pace.answered()
        moments.append(time.now)
    first = 0
    for last, moment in enumerate(moments):
        while moment - moments[first] >= 1:
            first += 1
        assert last - first + 1 <= math.ceil(rate)


def test_pace_slows_down_and_recovers() -> None:
    time = FakeTime()
    pace = Pace(100, time.clock, time.sleep)
    for _ in range(20):
        pace.throttled()
    assert pace.per_second == 50
    for second in range(1, 120):
        time.now = second
        pace.answered()
        assert pace.per_second <= 100
    assert pace.per_second == 100


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
