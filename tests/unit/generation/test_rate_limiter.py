from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from support.clients import PATIENT
from support.raw_server import answering, raw
from support.timing import at_most
from visioncraft.visioncraft_core import Client, GenerateXL, Profile, Secret
from visioncraft.visioncraft_core.cancellation import CancelScope, ShouldCancel
from visioncraft.visioncraft_core.errors import Cancelled, RateLimited
from visioncraft.visioncraft_core.generation.rate_limiter import (
    RateLimiter,
    WaitState,
    rate_limiter_of,
)
from visioncraft.visioncraft_core.generation.retry import retry_budget_of
from visioncraft.visioncraft_core.sandbox import Sandbox

pytestmark = pytest.mark.timed


def client_at(sandbox: Sandbox, home: Path, max_concurrency: int) -> Client:
    profile = Profile(
        "test", sandbox.url, Secret("sandbox-free"), PATIENT, max_concurrency=max_concurrency
    )
    return Client(profile, home=home)


@pytest.mark.parametrize(("max_concurrency", "rounds"), [(1, 4), (2, 2), (4, 1)])
def test_all_clients_of_a_server_share_its_places(max_concurrency: int, rounds: int, home: Path):
    with Sandbox(latency=0.3) as sandbox:
        calls = [
            threading.Thread(
                target=client_at(sandbox, home, max_concurrency).send,
                args=(GenerateXL(prompt=f"idea {number}", width=64, height=64),),
            )
            for number in range(4)
        ]
        started = time.monotonic()
        for call in calls:
            call.start()
        for call in calls:
            call.join()
        assert time.monotonic() - started >= 0.3 * rounds


@contextmanager
def slot(
    limiter: RateLimiter,
    max_concurrency: int = 1,
    *,
    should_cancel: ShouldCancel | None = None,
    max_wait: float = 600.0,
    said: list[str] | None = None,
) -> Iterator[None]:
    report = (said if said is not None else []).append
    with ExitStack() as stack:
        scope = stack.enter_context(CancelScope(should_cancel))
        stack.enter_context(limiter.slot(max_concurrency, WaitState(scope, report, max_wait)))
        yield


def test_who_waits_for_a_place_can_be_cancelled_and_was_charged_nothing():
    limiter, said = RateLimiter(), []
    with slot(limiter):
        asked = time.monotonic() + 0.2
        second = slot(limiter, should_cancel=lambda: time.monotonic() > asked, said=said)
        with pytest.raises(Cancelled) as caught, second:
            pass
        assert time.monotonic() - asked < at_most(0.25)
        assert (caught.value.charged, caught.value.phase) == ("no", "queue")
    assert said == ["waiting for an earlier call to end"]


def test_a_place_is_free_again_after_an_error():
    limiter = RateLimiter()
    with pytest.raises(KeyError), slot(limiter):
        raise KeyError
    with slot(limiter, should_cancel=lambda: True):
        pass


def test_every_server_has_its_own_places():
    assert rate_limiter_of("https://a.test") is rate_limiter_of("https://a.test")
    assert rate_limiter_of("https://a.test") is not rate_limiter_of("https://b.test")


def entered_after(limiter: RateLimiter, amount: int) -> list[float]:
    """When each of `amount` calls got its place, in seconds from now."""
    started, times = time.monotonic(), []

    def enter() -> None:
        with slot(limiter, 64):
            times.append(time.monotonic() - started)

    threads = [threading.Thread(target=enter) for _ in range(amount)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(times)


def test_a_pause_holds_every_call_and_lets_them_come_back_one_after_the_other():
    limiter = RateLimiter()
    limiter.pause(0.4)
    times = entered_after(limiter, 12)
    assert times[0] >= 0.39
    assert times[-1] - times[0] > 0.1
    assert times[-1] < 0.4 + 12 * 0.1 + at_most(0.3)


def test_a_longer_pause_wins_and_is_told_with_its_length():
    limiter, said = RateLimiter(), []
    limiter.pause(0.5)
    limiter.pause(0.1)
    started = time.monotonic()
    with slot(limiter, said=said):
        assert time.monotonic() - started >= 0.49
    assert said == ["waiting 0 s, because the server asked for it"]


def test_a_pause_can_be_cancelled():
    limiter = RateLimiter()
    limiter.pause(30)
    asked = time.monotonic() + 0.2
    with (
        pytest.raises(Cancelled),
        slot(limiter, should_cancel=lambda: time.monotonic() > asked),
    ):
        pass
    assert time.monotonic() - asked < at_most(0.25)


def test_patience_ends_with_how_long_to_wait():
    limiter = RateLimiter()
    limiter.pause(30)
    with (
        pytest.raises(RateLimited, match="Wait 30 s") as caught,
        slot(limiter, max_wait=5),
    ):
        pass
    assert caught.value.charged == "no"
    assert 0 < (caught.value.retry_after or 0) <= 30


def test_a_pause_longer_than_the_patience_ends_the_call_and_costs_no_tries(home: Path):
    reply = b"HTTP/1.1 429 X\r\nRetry-After: 9\r\nContent-Length: 0\r\n\r\n"
    with raw(answering(reply)) as server:
        profile = Profile(
            "test", server.url, Secret("sandbox-free"), PATIENT, max_rate_limit_wait=1.0
        )
        for _ in range(8):
            with pytest.raises(RateLimited, match="longer pauses than 1 s"):
                Client(profile, home=home).send(GenerateXL(prompt="a fox"))
        assert server.connections == 1
        assert all(retry_budget_of(server.url).take() for _ in range(20))
