"""What a client hears of its request while a server that offers it works on it."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from support.clients import PATIENT, XL, client_of, settled
from support.instant_engine import InstantEngine, tiny_picture
from support.raw_server import raw, read_request
from support.timing import LONG, eventually
from visioncraft.visioncraft_core import Client, Profile, Secret
from visioncraft.visioncraft_core.api.extensions import (
    ACCEPT_HEADER,
    ACCEPTS_PROGRESS,
    REQUEST_ID_HEADER,
)
from visioncraft.visioncraft_core.api.fields import Request
from visioncraft.visioncraft_core.api.sandbox_keys import SANDBOX_PREMIUM_KEY
from visioncraft.visioncraft_core.errors import Cancelled
from visioncraft.visioncraft_core.generation.progress import BatchProgress, Delay, Queued, Working
from visioncraft.visioncraft_core.sandbox import Sandbox
from visioncraft.visioncraft_core.service.engine import Job, Output

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nContent-Type: image/png\r\n%s\r\n%s"


class Told(InstantEngine):
    """Waits in a queue and works, each until the test has heard of it."""

    def __init__(self) -> None:
        self.queue_heard, self.work_heard = threading.Event(), threading.Event()

    async def generate(self, request: Request, job: Job) -> Output:
        job.queued(lambda: 2)
        await self._until(self.queue_heard)
        job.begun("engine")
        job.progress(7, 20)
        job.preview(tiny_picture(5))
        await self._until(self.work_heard)
        return await super().generate(request, job)

    async def _until(self, heard: threading.Event) -> None:
        while not heard.is_set():
            await asyncio.sleep(0.01)


def test_the_place_in_the_queue_the_steps_and_the_picture_so_far_are_told(home: Path):
    engine = Told()
    heard: list[Any] = []
    previews: list[bytes] = []

    def listen(text: str) -> None:
        heard.append(text)
        if isinstance(text, Queued):
            engine.queue_heard.set()

    def look(picture: bytes) -> None:
        previews.append(picture)
        engine.work_heard.set()

    with Sandbox(engine=engine) as sandbox, client_of(sandbox, home) as client:
        client.catalog("models-xl")  # its answer says that the server tells
        assert client.send(XL, on_progress=listen, on_preview=look).images
        waiting = f"waiting for {client.describe()}"
        usual = client.send(XL, seed=1, on_progress=heard.append)
    assert heard[:4] == [waiting, "3rd in the queue", waiting, "step 7 of 20"]
    assert isinstance(heard[3], Working)
    assert heard[3].fraction == 0.35
    assert previews == [tiny_picture(5)]
    assert usual.images
    assert settled("visioncraft-progress")


def test_a_server_that_does_not_offer_it_hears_nothing_of_it(home: Path):
    asked: list[bytes] = []

    def talk(server: Any) -> None:
        asked.append(read_request(server))
        picture = tiny_picture()
        server.sendall(ANSWER % (len(picture), b"", picture))

    with raw(talk) as server:
        profile = Profile("other", server.url, Secret("a-key-of-another"), PATIENT)
        with Client(profile, home=home) as client:
            client.send(XL, on_progress=lambda _: None)
            client.send(XL, seed=1, on_progress=lambda _: None)
    assert [each.split(b" ")[0] for each in asked] == [b"POST", b"POST"]
    assert REQUEST_ID_HEADER.lower().encode() not in b"".join(asked).lower()


@pytest.mark.parametrize("told", [b"no JSON", b'{"state": "working", "step": "x"}', b"[1]", b""])
def test_odd_answers_about_progress_leave_the_request_as_it_is(told: bytes, home: Path):
    questions = threading.Event()
    offer = f"{ACCEPT_HEADER}: {ACCEPTS_PROGRESS}\r\n".encode()

    def talk(server: Any) -> None:
        if read_request(server).startswith(b"GET"):
            questions.set()
            server.sendall(ANSWER % (len(told), offer, told))
            return
        assert not client_knows.is_set() or questions.wait(LONG)
        picture = tiny_picture()
        server.sendall(ANSWER % (len(picture), offer, picture))

    client_knows = threading.Event()
    with raw(talk) as server:
        profile = Profile("other", server.url, Secret("a-key-of-another"), PATIENT)
        with Client(profile, home=home) as client:
            client.send(XL)
            client_knows.set()
            heard: list[str] = []
            assert client.send(XL, seed=1, on_progress=heard.append).images
    assert heard == [f"waiting for {server.url}"]


def test_a_cancel_frees_the_caller_and_ends_the_questions(home: Path):
    engine, cancel = Told(), threading.Event()
    with Sandbox(engine=engine) as sandbox, client_of(sandbox, home) as client:
        client.catalog("models-xl")
        with pytest.raises(Cancelled):
            client.send(XL, on_progress=_setting(cancel), should_cancel=cancel.is_set)
        assert settled("visioncraft-progress")
        assert eventually(lambda: sandbox.executions == 0)


def _setting(cancel: threading.Event) -> Any:
    return lambda text: isinstance(text, Queued) and cancel.set()


def test_what_a_server_offers_is_remembered_and_forgotten(home: Path):
    with Sandbox() as sandbox:
        with client_of(sandbox, home) as first:
            first.catalog("models")
        profile = Profile("test", sandbox.url, Secret(SANDBOX_PREMIUM_KEY), PATIENT)
        marks = {path.suffix for path in (home / "catalogs").iterdir()}
        assert ".progress" in marks
        with Client(profile, home=home) as second:
            assert second._server.extensions.tells_progress


def test_places_are_told_as_people_count():
    ends = [str(Queued(place)).partition(" ")[0] for place in (0, 1, 2, 3, 10, 11, 12, 20, 110)]
    assert ends == ["next", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "111th"]


def test_a_batch_tells_how_far_all_are_and_what_holds_all_up():
    lines: list[Any] = []
    batch = BatchProgress(lines.append, 4)
    for number in range(4):
        batch.of(number)(Queued(3 - number))
        batch.delay(Delay("a pause"))
    batch.of(2)("fetching 1 file(s)")
    batch.of(2)(Working("step 5 of 10", 0.5))
    batch.of(3)(Queued(9))
    batch.of(3)(Working("step 1 of 10", 0.1))
    places = ["4th in the queue", "a pause", "3rd in the queue", "a pause", "2nd in the queue"]
    assert lines[:5] == places
    assert lines[-2:] == ["3 of 4: step 5 of 10", "4 of 4: step 1 of 10"]
    assert [line.fraction for line in lines if isinstance(line, Working)] == [0.125, 0.15]
