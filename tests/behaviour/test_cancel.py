"""Cancelling: the caller is free at once in every phase, and nothing is left behind.

The ids are those of the reliability requirements.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.clients import settled
from support.hosts import Interrupted
from support.pictures import png_of
from support.raw_server import (
    BIG,
    HEAD,
    Raw,
    Talk,
    answering,
    black_hole,
    port_of,
    raw,
    read_request,
    resolving,
    slow_reader,
)
from support.timing import LONG, at_most, eventually
from test_connection_faults import XL
from visioncraft.nodes import comfy
from visioncraft.nodes import image as nodes
from visioncraft.visioncraft_core import Chat, Client, GenerateXL, Profile, Secret, Timeouts
from visioncraft.visioncraft_core.api.fields import Request
from visioncraft.visioncraft_core.api.sandbox_keys import SANDBOX_PREMIUM_KEY
from visioncraft.visioncraft_core.errors import Cancelled
from visioncraft.visioncraft_core.sandbox import Sandbox
from visioncraft.visioncraft_core.service.faults.rules import parse
from visioncraft.visioncraft_core.store.store import Store

pytestmark = pytest.mark.timed

FREE = at_most(0.25)  # seconds after which the caller must be free
ENDED = at_most(0.5)  # seconds after which the server must see the end
SAY = Chat(model="openchat-7b", messages=({"role": "user", "content": "a fox"},))
PATIENT = Timeouts(connect=20.0, upload=60.0, first_byte=60.0, stall=60.0, total=90.0)


def client(url: str, home: Path, **settings: Any) -> Client:
    return Client(Profile("test", url, Secret(SANDBOX_PREMIUM_KEY), PATIENT, **settings), home=home)


@dataclass
class Phase:
    """A call that stands still: `reached` tells when it does, `raw` is its server if it is one."""

    call: Client
    reached: Callable[[], bool]
    request: Request = XL
    raw: Raw | None = None
    said: list[str] = field(default_factory=list)


class Flag:
    """A user who presses the button; remembers when."""

    def __init__(self) -> None:
        self.pressed = 0.0

    def press(self) -> None:
        self.pressed = time.monotonic()

    def __call__(self) -> bool:
        return self.pressed > 0


def cancelled(phase: Phase, after: float = 0.05) -> tuple[Cancelled, float]:
    """How the call of `phase` ended, and after how many seconds, when the user stops it there."""
    flag = Flag()

    def press() -> None:
        eventually(phase.reached)
        time.sleep(after)
        flag.press()

    threading.Thread(target=press, daemon=True).start()
    with pytest.raises(Cancelled) as caught:
        phase.call.send(phase.request, on_progress=phase.said.append, should_cancel=flag)
    return caught.value, time.monotonic() - flag.pressed


def in_background(work: Callable[[], Any]) -> None:
    def run() -> None:
        with suppress(Exception):
            work()

    threading.Thread(target=run, daemon=True).start()


# --- The phases: each stands still, and says when ----------------------------------------------


@contextmanager
def standing(talk: Talk, home: Path, request: Request = XL) -> Iterator[Phase]:
    with raw(talk) as server:
        phase = Phase(client(server.url, home), lambda: server.connections > 0, request, server)
        yield phase


@contextmanager
def waits(home: Path, answer: bytes = b"") -> Iterator[Phase]:
    asked = threading.Event()
    with standing(answering(answer, close=False, on_request=asked.set), home) as phase:
        phase.reached = asked.is_set
        yield phase


def stands_in_its_body(home: Path) -> AbstractContextManager[Phase]:
    return waits(home, HEAD + b"half")


@contextmanager
def uploads(home: Path) -> Iterator[Phase]:
    begun, read_on = threading.Event(), threading.Event()

    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        begun.set()
        read_on.wait(LONG)  # the rest lies in the buffers of both systems

    with raw(talk) as server:
        phase = Phase(client(server.url, home), begun.is_set, BIG, server)
        threading.Timer(0.4, read_on.set).start()
        yield phase


@contextmanager
def shakes_hands(home: Path) -> Iterator[Phase]:
    with raw(lambda connection: None) as server:
        call = client(server.url.replace("http:", "https:"), home)
        yield Phase(call, lambda: server.connections > 0, raw=server)


@contextmanager
def connects(home: Path) -> Iterator[Phase]:
    with black_hole() as url:
        yield Phase(client(url, home), lambda: True)  # it stands from its first moment


@contextmanager
def queues(home: Path) -> Iterator[Phase]:
    with waits(home) as before:
        call = client(before.call.profile.base_url, home, max_concurrency=1)
        flag = Flag()
        in_background(lambda: call.send(GenerateXL(prompt="first"), should_cancel=flag))
        assert eventually(before.reached)
        phase = Phase(call, lambda: "waiting for an earlier call to end" in phase.said)
        yield phase
        flag.press()


@contextmanager
def waits_for_the_same(home: Path) -> Iterator[Phase]:
    with waits(home) as before:
        flag = Flag()
        in_background(lambda: before.call.send(XL, should_cancel=flag))
        assert eventually(before.reached)
        yield Phase(before.call, before.reached)
        assert before.raw
        assert before.raw.connections == 1
        flag.press()


@contextmanager
def at_sandbox(home: Path, fault: str, sign: str, **options: Any) -> Iterator[Phase]:
    """Stands once the client has said `sign`, or the sandbox was asked so."""
    with Sandbox(faults=[parse(fault)], **options) as sandbox:

        def reached() -> bool:
            return any(text.startswith(sign) for text in (*phase.said, *sandbox.requests))

        phase = Phase(client(sandbox.url, home), reached)
        yield phase


@contextmanager
def waits_between_tries(home: Path) -> Iterator[Phase]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    phase = Phase(
        client(url, home), lambda: any("trying again" in text for text in phase.said[-1:])
    )
    yield phase


JOBS = {"response_formats": {"generate-xl": "job"}}
LINKS = {"response_formats": {"generate-xl": "links"}}
STANDING = (waits, stands_in_its_body, uploads, shakes_hands, connects, queues)
PHASES: dict[str, Callable[[Path], AbstractContextManager[Phase]]] = {
    **{phase.__name__: phase for phase in (*STANDING, waits_for_the_same)},
    "waits_between_tries": waits_between_tries,
    "pauses": partial(at_sandbox, fault="generate-xl=429:30", sign="waiting 30 s"),
    "waits_for_a_job": partial(
        at_sandbox, fault="generate-xl=endless-job", sign="the server is still"
    ),
    "asks_for_a_job": partial(
        at_sandbox,
        fault="job-status=hang",
        sign="POST /job-status",
        response_formats={"generate-xl": "job"},
    ),
    "downloads": partial(at_sandbox, fault="results=hang", sign="fetching", **LINKS),
    "downloads_half": partial(at_sandbox, fault="results=hang-body", sign="fetching", **LINKS),
    "waits_to_download_again": partial(at_sandbox, fault="results=500", sign="fetching", **LINKS),
}
SEEN_BY_SERVER = (waits, stands_in_its_body, uploads, shakes_hands)


def threads_of_ours() -> list[str]:
    names = [thread.name for thread in threading.enumerate()]
    return [n for n in names if n.startswith("visioncraft") and n != "visioncraft-sandbox"]


@pytest.mark.usefixtures("real_pauses")
@pytest.mark.parametrize("name", PHASES)
def test_f90_the_caller_is_free_at_once_in_every_phase(
    name: str, home: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(random, "uniform", lambda low, high: high)  # pauses as long as they may be
    with PHASES[name](home) as phase:
        error, seconds = cancelled(phase, after=0.1)
        assert seconds < FREE
        if PHASES[name] in SEEN_BY_SERVER:
            assert phase.raw
            assert phase.raw.left.wait(ENDED)
    assert eventually(lambda: not threads_of_ours()), threads_of_ours()
    assert_honest(error, name)


UNSENT = (
    "waits_for_the_same",
    "queues",
    "shakes_hands",
    "connects",
    "waits_between_tries",
    "pauses",
)


def assert_honest(error: Cancelled, name: str) -> None:
    """R-CAN-6: nothing was sent, or the server may go on, or it has done its work."""
    if name in UNSENT:
        assert (str(error), error.charged) == ("Cancelled.", "no")
    elif "download" in name:
        assert "result was made" in str(error)
        assert error.charged == "yes"
    else:
        assert str(error) == "Cancelled here; the server may still finish the job."
        assert error.charged == "maybe"


def test_f90_a_resolver_that_hangs_holds_up_nobody_and_nothing_is_dialled_later(
    home: Path, monkeypatch: pytest.MonkeyPatch
):
    hung = threading.Event()
    with raw(answering(close=False)) as server:
        asked = resolving(monkeypatch, ["127.0.0.1"])
        real = socket.getaddrinfo

        def slow(host: Any, *rest: Any, **named: Any) -> Any:
            found = real(host, *rest, **named)
            if str(host).endswith(".test"):
                hung.wait(LONG)
            return found

        monkeypatch.setattr(socket, "getaddrinfo", slow)
        call = client(f"http://api.test:{port_of(server.url)}", home)
        error, seconds = cancelled(Phase(call, lambda: bool(asked)))
        assert seconds < FREE
        assert_honest(error, "connects")
        hung.set()
        assert eventually(lambda: not threads_of_ours())
        assert server.connections == 0


def test_f90_a_list_is_given_up_at_once(home: Path):
    with raw(answering(close=False)) as server:
        flag = Flag()
        threading.Timer(0.2, flag.press).start()
        with pytest.raises(Cancelled) as caught:
            client(server.url, home).catalog("models", should_cancel=flag)
        assert time.monotonic() - flag.pressed < FREE
        assert caught.value.charged == "no"


def test_f20_one_click_stops_all_calls_of_a_batch(home: Path):
    with waits(home) as phase:
        flag, server, most = Flag(), phase.raw, phase.call.profile.max_concurrency
        assert server

        def press() -> None:
            eventually(lambda: server.connections >= most)
            time.sleep(0.1)  # in which one more might come
            flag.press()

        threading.Thread(target=press, daemon=True).start()
        batch = [GenerateXL(prompt=f"idea {n}") for n in range(8)]
        with pytest.raises(Cancelled):
            phase.call.send_all(batch, should_cancel=flag)
        assert time.monotonic() - flag.pressed < FREE
        assert server.connections == most
    assert eventually(lambda: not threads_of_ours())


# --- In nodes ----------------------------------------------------------------------------------


class Host(comfy.QuietHost):
    """A user who presses the button `after` seconds, or at `until` on the monotonic clock."""

    def __init__(self, after: float = 1e9) -> None:
        self.until = time.monotonic() + after

    def interrupted(self) -> bool:
        return time.monotonic() > self.until

    def interruption(self) -> BaseException:
        return Interrupted()


def interrupted(*work: Callable[[], Any], after: float) -> float:
    """Seconds after the click until all nodes that run `work` are free."""
    comfy.use(Host(after))
    started = time.monotonic()

    async def run() -> None:
        calls = [comfy.call(lambda say, stop, do=do: do()) for do in work]
        ended = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(end) for end in ended] == [Interrupted] * len(work)

    asyncio.run(run())
    return time.monotonic() - started - after


def test_f90_a_node_is_free_while_a_thread_computes():
    release = threading.Event()
    try:
        assert interrupted(lambda: release.wait(LONG), lambda: release.wait(LONG), after=0.2) < FREE
    finally:
        release.set()
    assert settled("visioncraft")


def test_f90_a_node_is_free_while_it_encodes(home: Path):
    noise = np.random.default_rng(1).random((12, 1024, 1024, 3), np.float32)
    comfy.use(Host(0.3))
    started = time.monotonic()
    with pytest.raises(Interrupted):
        asyncio.run(nodes.ImageToImage().run(image=torch.from_numpy(noise), prompt="a fox"))
    assert time.monotonic() - started < 0.3 + FREE
    assert settled("visioncraft")  # one picture is encoded to its end, and not all


def test_f90_a_node_is_free_while_it_decodes(home: Path, monkeypatch: pytest.MonkeyPatch):
    content = png_of(np.zeros((4096, 4096, 3), np.uint8))  # takes half a second
    host = Host()

    def talk(connection: socket.socket) -> None:
        read_request(connection)
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content)
        connection.sendall(head + content)
        host.until = time.monotonic() + 0.05

    comfy.use(host)
    with raw(talk) as server:
        monkeypatch.setenv("VISIONCRAFT_BASE_URL", server.url)
        with pytest.raises(Interrupted):
            asyncio.run(nodes.GenerateXL().run(prompt="a fox"))
        assert time.monotonic() - host.until < FREE
    assert settled("visioncraft")


def test_f20_one_click_stops_every_node_and_its_call(home: Path):
    comfy.use(host := Host())

    def talk(connection: socket.socket) -> None:
        read_request(connection)
        host.until = min(host.until, time.monotonic() + 0.3)

    with raw(talk) as server:
        call = client(server.url, home)

        async def run() -> list[Any]:
            nodes = [
                comfy.call(
                    lambda say, stop, n=n: call.send(GenerateXL(prompt=f"{n}"), should_cancel=stop)
                )
                for n in range(6)
            ]
            return await asyncio.gather(*nodes, return_exceptions=True)

        ended = asyncio.run(run())
        assert time.monotonic() - host.until < FREE
        assert [type(end) for end in ended] == [Interrupted] * 6
        assert server.left.wait(ENDED)
    assert eventually(lambda: not threads_of_ours())


# --- Many times --------------------------------------------------------------------------------


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs Linux's /proc")
def test_eighty_cancels_leave_no_threads_and_no_descriptors(home: Path):
    chance = random.Random(20)
    waited: list[float] = []
    gate = threading.Semaphore(8)

    def one(phase: Phase, after: float) -> None:
        call = client(phase.call.profile.base_url, home, max_concurrency=64)
        flag = Flag()
        with gate:
            threading.Timer(after, flag.press).start()
            with pytest.raises(Cancelled):
                call.send(phase.request, seed=None, should_cancel=flag)
            waited.append(time.monotonic() - flag.pressed)

    with ExitStack() as stack:
        kinds = [waits, stands_in_its_body, shakes_hands, connects]
        phases = [stack.enter_context(kind(home)) for kind in kinds]
        phases.append(stack.enter_context(standing(slow_reader(0.02), home, BIG)))
        one(phases[0], 0.1)  # what is loaded on first use stays
        before = len(threads_of_ours()), descriptors()
        threads = [
            threading.Thread(target=one, args=(chance.choice(phases), chance.uniform(0, 0.1)))
            for _ in range(80)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(waited) == 81
        assert eventually(lambda: len(threads_of_ours()) <= before[0] + 2), threads_of_ours()
        assert eventually(lambda: descriptors() <= before[1] + 5), descriptors() - before[1]
    waited.sort()
    assert waited[40] < FREE  # eight at a time share the cores with their servers
    assert waited[-1] < 4 * FREE


def test_a_result_that_comes_after_the_cancel_is_ignored(home: Path):
    """R-CAN-4: the answer and the cancel meet; whoever wins, it is all of one or of the other."""
    words = b'{"message": "' + b"x" * 3000 + b'"}'
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(words), words)
    chance = random.Random(4)
    outcomes: list[str] = []

    def one(cut: int, pause: float, after: float, number: int) -> None:
        with raw(answering(answer[:cut], answer[cut:], pause=pause)) as server:
            flag = Flag()
            timer = threading.Timer(after, flag.press)
            timer.start()
            call = client(server.url, home / str(number))
            try:
                result = call.send(SAY, should_cancel=flag)
            except Cancelled:
                outcomes.append("cancelled")
                assert flag()
                assert not Store(home / str(number) / "store").entries()
            else:
                outcomes.append("whole")
                assert result.text == "x" * 3000
            timer.cancel()

    turns = [(100, 0.0, LONG, 60), (100, 1.0, 0.0, 61)]  # one of each, however busy it is here
    turns += [
        (chance.randrange(1, len(answer)), chance.uniform(0, 0.2), chance.uniform(0, 0.25), n)
        for n in range(60)
    ]
    threads = [threading.Thread(target=one, args=turn) for turn in turns]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 62
    assert set(outcomes) == {"cancelled", "whole"}


F91 = """
import sys, threading, time
from pathlib import Path
from visioncraft.nodes import comfy
from visioncraft.visioncraft_core import Chat, Client, GenerateXL, Profile, Secret
import asyncio
call = Client(Profile("test", sys.argv[1], Secret("sandbox-premium")), home=Path(sys.argv[2]))
def node(n):
    return comfy.call(lambda say, stop: call.send_all(
        [GenerateXL(prompt=f"{n}"), GenerateXL(prompt=f"{n} too")], on_progress=say))
def loop():
    async def both():
        await asyncio.gather(node(1), node(2))
    asyncio.run(both())
threading.Thread(target=loop, daemon=True).start()
sys.stdin.readline()
"""


def test_f91_the_interpreter_ends_with_four_calls_in_flight(home: Path):
    with raw(answering(close=False)) as server:
        command = [sys.executable, "-c", F91, server.url, str(home)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdin
            assert eventually(lambda: server.connections == 4)
            left = time.monotonic()
            process.stdin.write(b"\n")
            process.stdin.flush()
            assert process.wait(LONG) == 0
            assert time.monotonic() - left < at_most(2.0)
            assert process.stderr
            assert process.stderr.read() == b""
