from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from conftest import PATIENT
from visioncraft.visioncraft_core import Client, GenerateXL, Profile, Secret
from visioncraft.visioncraft_core.errors import Cancelled
from visioncraft.visioncraft_core.limiter import Limiter, limiter_of
from visioncraft.visioncraft_core.sandbox.server import Sandbox


def client_at(sandbox: Sandbox, home: Path, at_once: int) -> Client:
    profile = Profile("test", sandbox.url, Secret("sandbox-free"), PATIENT, at_once=at_once)
    return Client(profile, home)


@pytest.mark.parametrize(("at_once", "rounds"), [(1, 4), (2, 2), (4, 1)])
def test_all_clients_of_a_server_share_its_places(at_once: int, rounds: int, home: Path):
    with Sandbox(latency=0.3) as sandbox:
        calls = [
            threading.Thread(
                target=client_at(sandbox, home, at_once).send,
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


def test_who_waits_for_a_place_can_be_cancelled_and_was_charged_nothing():
    limiter = Limiter(1)
    with limiter.place(lambda: False):
        asked = time.monotonic() + 0.2
        with pytest.raises(Cancelled) as caught, limiter.place(lambda: time.monotonic() > asked):
            pass
        assert time.monotonic() - asked < 0.25
        assert (caught.value.charged, caught.value.phase) == ("no", "queue")


def test_a_place_is_free_again_after_an_error():
    limiter = Limiter(1)
    with pytest.raises(KeyError), limiter.place(lambda: False):
        raise KeyError
    with limiter.place(lambda: True):
        pass


def test_every_server_has_its_own_places():
    assert limiter_of("https://a.test", 4) is limiter_of("https://a.test", 4)
    assert limiter_of("https://a.test", 4) is not limiter_of("https://b.test", 4)
