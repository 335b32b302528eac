"""The wire itself: servers here are raw sockets, because they must misbehave."""

from __future__ import annotations

import json
import socket
import threading
import time
from pathlib import Path

import pytest
from support.clients import PATIENT, Calls, calls
from support.raw_server import HEAD, Talk, answering, raw, read_request
from support.timing import LONG, at_most, eventually
from visioncraft.visioncraft_core.cancellation import CancelScope
from visioncraft.visioncraft_core.errors import (
    Cancelled,
    ConnectionLost,
    ConnectionRefused,
    HostNotFound,
    InvalidResponse,
    KeyMissing,
    RequestTimeout,
    UnsafeContent,
)
from visioncraft.visioncraft_core.http.call import Call
from visioncraft.visioncraft_core.http.transport import LIST_LIMIT, Session, send_call
from visioncraft.visioncraft_core.http.transport_errors import failure, timed_out
from visioncraft.visioncraft_core.profiles.profile import DEFAULT_BASE_URL, Profile, Timeouts
from visioncraft.visioncraft_core.sandbox import Sandbox

pytestmark = pytest.mark.timed

KEY = "vc-CANARY-5f3a9"


def get(url: str, **limits: float) -> bytes:
    call = Call("GET", url, Timeouts(**{**PATIENT.__dict__, **limits}), LIST_LIMIT)
    with CancelScope() as scope:
        return send_call(Session(), call, scope).body


def test_a_post_carries_the_token_in_its_body_and_nowhere_else():
    seen: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        seen.append(read_request(connection))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    with raw(talk) as server:
        calls(server.url + "/api").post("/generate", {"prompt": "a"})
    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /api/generate HTTP/1.1")
    assert json.loads(body) == {"prompt": "a", "token": KEY}
    assert KEY.encode() not in head
    assert b"connection: close" in head.lower()


def test_only_of_the_default_address_it_is_said_that_the_public_service_is_gone():
    for url, gone in ((DEFAULT_BASE_URL, True), ("https://visioncraft.test", False)):
        call = Call("GET", f"{url}/models", PATIENT, LIST_LIMIT)
        for error in (failure("unknown", call, "connect"), timed_out(call, "connect", "connect")):
            assert ("set VISIONCRAFT_BASE_URL" in error.advice) is gone
            assert "othing was sent" in error.advice


def test_a_post_needs_a_key_before_it_opens_a_connection():
    with raw(answering()) as server, pytest.raises(KeyMissing):
        Calls(Profile("raw", server.url)).post("/generate", {})
    assert server.connections == 0


def test_every_post_has_a_fresh_connection_and_lists_share_one(sandbox: Sandbox, home: Path):
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

    def talk(connection: socket.socket) -> None:
        while read_request(connection):
            connection.sendall(reply)

    with raw(talk) as server:
        one = calls(server.url)
        for _ in range(3):
            one.get("/models")
        assert server.connections == 1
        for _ in range(3):
            one.post("/generate", {})
        assert server.connections == 4


def test_nobody_listening_is_told_with_the_address_and_nothing_was_charged():
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(ConnectionRefused, match=f"Nothing answers at {url}") as caught:
        calls(url).post("/generate", {})
    assert (caught.value.charged, caught.value.phase) == ("no", "connect")


def test_an_unknown_host_name_is_told():
    with pytest.raises(HostNotFound, match="host name of http://nowhere.invalid is unknown"):
        calls("http://nowhere.invalid").post("/generate", {})


@pytest.mark.parametrize(
    ("talk", "phase"),
    [
        (lambda c: c.shutdown(socket.SHUT_RDWR), "wait"),
        (answering(), "wait"),
        (answering(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"), "read"),
    ],
    ids=["hangs-up-unread", "reads-and-hangs-up", "half-an-answer"],
)
def test_a_lost_answer_says_that_the_job_may_have_been_counted(talk: Talk, phase: str):
    with raw(talk) as server:
        with pytest.raises(ConnectionLost, match="may have been charged") as caught:
            calls(server.url).post("/generate", {})
        assert caught.value.charged == "maybe"
        assert server.connections == 1


def test_a_list_that_is_lost_was_not_charged():
    with raw(answering()) as server, pytest.raises(ConnectionLost) as caught:
        calls(server.url).get("/models")
    assert caught.value.charged == "no"


@pytest.mark.parametrize(
    ("talk", "limit"),
    [
        (answering(close=False), "first_byte"),
        (answering(HEAD, close=False), "stall"),
        (answering(HEAD, *[b"x"] * 60, pause=0.1, close=False), "total"),
        (answering(b"HTTP/1.1 200 OK\r\n", *[b"X: y\r\n"] * 60, pause=0.1), "total"),
    ],
    ids=["silence", "stalls", "dribbles-body", "dribbles-header"],
)
def test_every_slow_server_ends_at_the_limit_that_the_error_names(talk: Talk, limit: str):
    timeouts = Timeouts(connect=1, upload=1, first_byte=0.5, stall=0.5, total=1.5)
    with raw(talk) as server:
        started = time.monotonic()
        with pytest.raises(RequestTimeout, match=rf"limit: {limit}") as caught:
            calls(server.url, timeouts).post("/generate", {})
        assert time.monotonic() - started < getattr(timeouts, limit) + at_most(0.5)
        assert caught.value.charged == "maybe"
        assert server.left.wait(LONG)


@pytest.mark.parametrize(
    "talk",
    [
        answering(close=False),
        answering(HEAD + b"x", close=False),
        answering(HEAD, *[b"x"] * 60, pause=0.1, close=False),
        lambda c: None,
    ],
    ids=["silence", "stalls", "dribbles", "never-reads"],
)
def test_cancelling_frees_the_caller_at_once_and_closes_the_socket(talk: Talk):
    before = threading.active_count()
    connected_at: list[float] = []
    with raw(talk) as server:

        def should_cancel() -> bool:
            if server.connections and not connected_at:
                connected_at.append(time.monotonic())
            return bool(connected_at) and time.monotonic() > connected_at[0] + 0.3

        with pytest.raises(Cancelled):
            calls(server.url, Timeouts()).post("/generate", {"image": "x"}, should_cancel)
        assert time.monotonic() - connected_at[0] - 0.3 < at_most(0.25)
        assert server.left.wait(at_most(0.5))
    # the listener's own thread may linger
    assert eventually(lambda: threading.active_count() <= before + 1)


def test_a_call_that_is_cancelled_before_its_turn_opens_no_connection():
    with raw(answering()) as server:
        with pytest.raises(Cancelled) as caught:
            calls(server.url).post("/generate", {}, should_cancel=lambda: True)
        assert (server.connections, caught.value.charged) == (0, "no")


def test_a_redirect_is_not_followed_and_its_body_is_not_unpacked():
    with raw(answering()) as other:
        reply = f"HTTP/1.1 307 X\r\nLocation: {other.url}/steal\r\nContent-Length: 2\r\n\r\n{{}}"
        with raw(answering(reply.encode())) as server:
            assert calls(server.url).post("/generate", {}).status == 307
        assert other.connections == 0


def test_a_netrc_login_is_never_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login someone password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    seen: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        seen.append(read_request(connection))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")

    with raw(talk) as server:
        get(server.url)
    assert b"authorization" not in seen[0].lower()


def test_an_answer_over_its_limit_is_dropped_before_it_is_read():
    announced = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"
    endless = [b"HTTP/1.1 200 OK\r\n\r\n", *[b"x" * 2**20] * 8]
    for pieces in ([announced], endless):
        with raw(answering(*pieces)) as server, pytest.raises(UnsafeContent, match="more than"):
            get(server.url)


def test_gzip_that_was_not_asked_for_is_unpacked_within_the_limit():
    import gzip

    for content, fits in ((b"[]" * 10, True), (b"[]" * LIST_LIMIT, False)):
        packed = gzip.compress(content)
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
        with raw(answering(head.encode() + packed)) as server:
            if fits:
                assert get(server.url) == content
            else:
                with pytest.raises(UnsafeContent):
                    get(server.url)


def test_an_unknown_encoding_is_refused():
    reply = b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 2\r\n\r\n\x8b\x00"
    with raw(answering(reply)) as server, pytest.raises(InvalidResponse):
        get(server.url)


def test_a_slow_upload_is_bounded_by_its_own_limit_and_not_by_connect():
    received = []

    def talk(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        time.sleep(2.5)  # longer than the connect limit
        received.append(len(read_request(connection)))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    timeouts = Timeouts(connect=2, upload=60, first_byte=60, stall=60, total=120)
    with raw(talk) as server:
        body = {"image": "x" * 12_000_000}
        assert calls(server.url, timeouts).post("/img2img", body).status == 200
    assert received[0] > 12_000_000
