"""What clients that are broken, slow, many or gone may cost the service."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import pytest
import requests
from support.clients import body_of
from support.instant_engine import InstantEngine, WaitingEngine, tiny_picture
from support.timing import LONG, eventually
from visioncraft.visioncraft_core.api.endpoints import ENDPOINTS, Chat
from visioncraft.visioncraft_core.api.fields import Request
from visioncraft.visioncraft_core.sandbox import Sandbox
from visioncraft.visioncraft_core.service import accounts as service_accounts
from visioncraft.visioncraft_core.service.accounts import MOST_TURNS, Account, SandboxAccounts
from visioncraft.visioncraft_core.service.connection_limits import peer_of
from visioncraft.visioncraft_core.service.engine import Job, Output
from visioncraft.visioncraft_core.service.faults.injector import LONGEST_PATH, MOST_LOGGED
from visioncraft.visioncraft_core.service.jobs import MOST_JOBS, Jobs
from visioncraft.visioncraft_core.service.limits import MIB, Limits

SAY = {"token": "sandbox-free", **body_of(Chat)}


class Connection:
    """A raw connection to a sandbox, from an address of its own where one is given."""

    def __init__(self, sandbox: Sandbox, source: str = "127.0.0.1") -> None:
        self.host = sandbox.url.removeprefix("http://")
        address, _, port = self.host.partition(":")
        self.socket = socket.create_connection((address, int(port)), LONG, (source, 0))
        try:
            if self.socket.getsockname() == self.socket.getpeername():
                raise ConnectionRefusedError("nobody listens, and both ends have the same port")
        except OSError:  # also where it was ended already
            self.socket.close()
            raise

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, first: str, *headers: str, body: bytes = b"") -> None:
        lines = [f"{first} HTTP/1.1", f"Host: {self.host}", *headers, "", ""]
        self.socket.sendall("\r\n".join(lines).encode() + body)

    def answer(self) -> bytes:
        """The next that comes, b"" where the connection was ended."""
        try:
            return self.socket.recv(65536)
        except ConnectionResetError:
            return b""


def headers(size: int) -> tuple[str, str]:
    return "Content-Type: application/json", f"Content-Length: {size}"


# --- Before the body -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "status"),
    [
        ("POST /nowhere", 404),
        ("POST /models", 405),
        ("PUT /llm", 405),
        ("POST /llm", 413),  # there is no picture in it
        ("POST /job-status", 413),
    ],
)
def test_what_is_refused_anyway_is_not_waited_for(first: str, status: int, sandbox: Sandbox):
    with Connection(sandbox) as connection:
        connection.send(first, *headers(20 * MIB), body=b"{")
        answer = connection.answer()
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        assert b"Connection: close" in answer


def test_where_there_is_no_place_the_body_is_not_waited_for():
    with Sandbox(limits=Limits(max_active=0)) as sandbox, Connection(sandbox) as connection:
        connection.send("POST /upscale", *headers(20 * MIB), body=b"{")
        answer = connection.answer()
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: 1" in answer


def test_a_client_that_asks_before_it_sends_is_told_to_send_only_what_is_wanted(sandbox: Sandbox):
    body = json.dumps(SAY).encode()
    with Connection(sandbox) as connection:
        connection.send("POST /llm", *headers(len(body)), "Expect: 100-continue")
        assert connection.answer() == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.socket.sendall(body)
        assert connection.answer().startswith(b"HTTP/1.1 200 ")
    for first, size, expected, status in (
        ("POST /llm", 20 * MIB, "100-continue", 413),
        ("POST /llm", 10, "coffee", 417),
        ("POST /upscale", 99 * MIB, "100-continue", 413),
    ):
        with Connection(sandbox) as connection:
            connection.send(first, *headers(size), f"Expect: {expected}")
            assert connection.answer().startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.parametrize("part", [b"{},", b"[],", b"1,", b'"",'])
def test_small_parts_that_become_large_objects_are_refused(part: bytes, sandbox: Sandbox):
    body = b'{"token": "sandbox-free", "messages": [' + part * 300_000 + b"1]}"
    answer = requests.post(sandbox.url + "/llm", data=body, timeout=LONG)
    assert (answer.status_code, answer.json()["detail"][0]["msg"]) == (422, "has too many parts")


def test_bodies_that_are_not_answered_yet_share_a_budget():
    limits = Limits(held_bytes=100_000, peer_held_bytes=100_000)
    body = json.dumps({**SAY, "unknown": "x" * 90_000}).encode()
    with Sandbox(limits=limits) as sandbox, Connection(sandbox) as slow:
        slow.send("POST /llm", *headers(len(body)), body=body[:-1])
        held = sandbox.app._bodies._held
        assert eventually(lambda: held.total() >= len(body) - 1)

        def ask() -> requests.Response:
            return requests.post(sandbox.url + "/llm", data=body, timeout=LONG)

        answer = ask()
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        slow.socket.sendall(body[-1:])
        assert slow.answer().startswith(b"HTTP/1.1 200 ")
        assert ask().status_code == 200
        assert eventually(lambda: not sandbox.app._bodies._held)


# --- Who leaves, and who takes nothing -----------------------------------------------------------


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: e.path)
def test_who_leaves_ends_the_work_at_every_endpoint(endpoint: type[Request]):
    engine = WaitingEngine()
    body = json.dumps({"token": "sandbox-premium", **body_of(endpoint)}).encode()
    with Sandbox(engine=engine) as sandbox:
        with Connection(sandbox) as connection:
            connection.send(f"POST {endpoint.path}", *headers(len(body)), body=body)
            assert engine.begun.wait(LONG)
        assert engine.cancelled.wait(LONG)
        assert eventually(lambda: not sandbox.app._active)
        assert sandbox.executions == 0


def test_who_leaves_in_the_middle_of_a_body_or_a_wait_leaves_nothing_behind():
    body = json.dumps(SAY).encode()
    with Sandbox(latency=LONG * 10) as sandbox:
        for sent, held in ((body[:-1], lambda: sandbox.app._bodies._held), (body, None)):
            with Connection(sandbox) as connection:
                connection.send("POST /llm", *headers(len(body)), body=sent)
                assert eventually(held or (lambda: sandbox.app._active))
            assert eventually(lambda: not sandbox.app._active and not sandbox.app._bodies._held)
        assert sandbox.executions == 0


class Large(InstantEngine):
    async def generate(self, request: Request, job: Job) -> Output:
        return Output((tiny_picture() + bytes(12 * MIB),))


@pytest.mark.parametrize("shape", ["bytes", "links", "base64"])
def test_who_asks_and_takes_nothing_is_cut_off(shape: str):
    limits = Limits(connections=2, peer_connections=2, write_seconds=0.5)
    body = json.dumps({"token": "sandbox-premium", "prompt": "a", "width": 64, "height": 64})
    formats = {"generate-xl": shape}
    with Sandbox(engine=Large(), limits=limits, response_formats=formats) as sandbox:
        first = ("POST /generate-xl", *headers(len(body)))
        if shape == "links":
            made = requests.post(sandbox.url + "/generate-xl", data=body, timeout=LONG).json()
            first, body = (f"GET /{made['images'][0].split('/', 3)[3]}",), ""
        with ExitStack() as stack:
            for _ in range(2):
                stack.enter_context(Connection(sandbox)).send(*first, body=body.encode())
            assert eventually(lambda: len(sandbox.requests) >= 2)
            assert eventually(lambda: requests.get(sandbox.url + "/models", timeout=LONG).ok)


def test_who_takes_an_answer_bit_by_bit_gets_all_of_it():
    body = json.dumps({"token": "sandbox-premium", "prompt": "a", "width": 64, "height": 64})
    with (
        Sandbox(engine=Large(), response_formats={"generate-xl": "bytes"}) as sandbox,
        Connection(sandbox) as connection,
    ):
        connection.send("POST /generate-xl", *headers(len(body)), body=body.encode())
        got = connection.answer()
        size = got.index(b"\r\n\r\n") + 4 + len(tiny_picture()) + 12 * MIB
        while len(got) < size:
            got += connection.socket.recv(MIB)
        assert got.partition(b"\r\n\r\n")[2] == tiny_picture() + bytes(12 * MIB)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have one loopback address")
def test_a_server_that_ends_leaves_no_connection_open_that_came_in_the_last_moment():
    for _ in range(60):
        with ExitStack() as stack:
            server = Sandbox(engine=WaitingEngine())

            def connect(stack: ExitStack = stack, server: Sandbox = server) -> list[Connection]:
                connections = []
                with suppress(OSError):  # the server ended first
                    for _ in range(6):
                        connections.append(stack.enter_context(Connection(server)))
                return connections

            with ThreadPoolExecutor(1) as threads:
                connecting = threads.submit(connect)
                server.close()
            for connection in connecting.result():
                # The kernel forgets one that was just being made without a word to the client,
                # until that sends something.
                with suppress(OSError):
                    connection.send("GET /models")
                assert connection.answer() == b""


def test_one_client_cannot_take_all_places():
    with Sandbox(limits=Limits(connections=4, peer_connections=2)) as sandbox, ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(Connection(sandbox))
        for source, status in (("127.0.0.1", b"503"), ("127.0.0.2", b"200")):
            connection = stack.enter_context(Connection(sandbox, source))
            connection.send("GET /models")
            assert connection.answer()[9:12] == status


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("", "192.0.2.1", False),
    ],
)
def test_a_client_is_an_address_or_a_network_of_ipv6(one: str, other: str, same: bool):  # noqa: FBT001
    assert (peer_of(one) == peer_of(other)) is same


# --- What is kept --------------------------------------------------------------------------------


def test_chats_are_bounded_in_number_length_and_characters(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(service_accounts, "MOST_CHAT_CHARACTERS", 2**16)
    accounts, owner = SandboxAccounts(), Account("premium", premium=True)

    def say(chat: str, length: int) -> None:
        turns = [{"role": "user", "content": "x" * length}, {"role": "assistant", "content": "y"}]
        asyncio.run(accounts.continue_chat(owner, chat, turns))

    for number in range(60):
        say(f"chat {number}", 4000)
        say("in use", 10)
    held = sum(len(turn["content"]) for turns in accounts._chats.values() for turn in turns)
    assert held == accounts._characters <= 2**16
    assert "in use" in accounts._chats
    assert "chat 0" not in accounts._chats
    assert len(accounts._chats["in use"]) == MOST_TURNS


def test_the_sandbox_remembers_its_latest_requests_only(sandbox: Sandbox):
    requests.get(f"{sandbox.url}/{'x' * 4000}", timeout=LONG)
    requests.get(f"{sandbox.url}/models", timeout=LONG)
    assert sandbox.injector.requests.maxlen == MOST_LOGGED
    assert sandbox.requests == ("GET /" + "x" * (LONGEST_PATH - 1), "GET /models")


def test_the_oldest_jobs_are_forgotten():
    jobs = Jobs()
    oldest, *others = [jobs.add([]) for _ in range(MOST_JOBS + 1)]
    assert jobs.state(oldest) is None
    assert all(jobs.state(each) for each in others)
