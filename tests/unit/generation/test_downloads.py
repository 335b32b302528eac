from __future__ import annotations

import json
import socket
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clients import PATIENT, XL, Calls, calls
from support.pictures import gradient, png_of
from support.raw_server import answering, raw, read_request
from visioncraft.visioncraft_core import Client, Generate
from visioncraft.visioncraft_core.errors import DownloadFailed, InvalidResponse, UnsafeURL
from visioncraft.visioncraft_core.generation.retry import retry_budget_of
from visioncraft.visioncraft_core.profiles.profile import Profile
from visioncraft.visioncraft_core.profiles.secret import Secret
from visioncraft.visioncraft_core.sandbox import Sandbox

CLOSING = "Connection: close\r\n"  # or the next request may go where nobody listens any more
OK = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 3\r\n\r\nabc"


def downloads(base_url: str) -> Calls:
    return calls(base_url)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/other-port",
        "http://example.test/plain",
        "https://example.test:8443/odd-port",
        "https://user:pass@example.test/",
        "ftp://example.test/",
        "file:///etc/passwd",
        "data:image/png;base64,AAAA",
        "http://api.test\\@example.test/",
        "https://example.test/with space",
        "https:///nohost",
        "https://example.test:99999/",
        "https://example.test/" + "x" * 5000,
        "",
    ],
)
def test_only_the_apis_own_origin_or_plain_https_is_fetched(url: str):
    with pytest.raises(UnsafeURL) as caught:
        downloads("http://127.0.0.1:2").fetch(url)
    assert caught.value.charged == "yes"


@given(st.text(max_size=80))
def test_any_text_in_place_of_a_link_is_blocked(text: str):
    with pytest.raises(UnsafeURL):
        downloads("http://127.0.0.1:2").fetch("http://127.0.0.1:3/" + text)


def test_the_file_host_sees_neither_key_nor_cookie():
    seen: list[bytes] = []

    def talk(connection) -> None:
        for _ in range(2):
            seen.append(read_request(connection))
            connection.sendall(OK)

    with raw(talk) as server:
        fetcher = downloads(server.url)
        assert [fetcher.fetch(server.url + "/1.png") for _ in range(2)] == [b"abc", b"abc"]
    assert b"CANARY" not in b"".join(seen)
    assert b"cookie" not in b"".join(seen).lower()


def test_a_cookie_of_one_file_is_not_sent_for_another_beside_it():
    seen: list[bytes] = []
    both = threading.Barrier(2)

    def talk(connection) -> None:
        for _ in range(2):
            seen.append(read_request(connection))
            connection.sendall(OK[:-1])  # the cookie is there, the file is not yet
            both.wait(10)
            connection.sendall(OK[-1:])

    with raw(talk) as server:
        fetcher = downloads(server.url)
        threads = [
            threading.Thread(target=fetcher.fetch, args=(f"{server.url}/{number}.png",))
            for number in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(seen) == 4
    assert b"cookie" not in b"".join(seen).lower()


def test_redirects_are_followed_by_hand_under_the_same_rule():
    def to(location: str) -> bytes:
        return (
            f"HTTP/1.1 302 X\r\nLocation: {location}\r\n{CLOSING}Content-Length: 0\r\n\r\n".encode()
        )

    with raw(answering(OK)) as other, raw(answering(to(other.url + "/x"))) as server:
        with pytest.raises(UnsafeURL):
            downloads(server.url).fetch(server.url + "/1.png")
        assert other.connections == 0
    with raw(answering(to("/again"))) as server:
        with pytest.raises(InvalidResponse, match="redirects endlessly"):
            downloads(server.url).fetch(server.url + "/1.png")
        assert server.connections == 4


@pytest.mark.parametrize("status", [403, 404, 410, 500])
def test_a_dead_link_says_that_the_result_was_made(status: int):
    reply = f"HTTP/1.1 {status} X\r\n{CLOSING}Content-Length: 0\r\n\r\n".encode()
    with raw(answering(reply)) as server, pytest.raises(DownloadFailed) as caught:
        downloads(server.url).fetch(server.url + "/1.png")
    assert (caught.value.status, caught.value.charged) == (status, "yes")
    assert server.connections == 4
    assert all(retry_budget_of(server.url).take() for _ in range(20))  # the API's own is untouched


def test_a_result_of_the_sandbox_is_fetched_without_a_token(sandbox: Sandbox, home: Path):
    client = Client(Profile("test", sandbox.url, Secret("sandbox-free"), PATIENT), home=home)
    result = client.send(Generate(model="anything_V5", sampler="Euler", prompt="a fox"))
    assert len(result.files) == 1
    assert any(line.startswith("GET /results/") for line in sandbox.requests)


def test_a_broken_connection_is_tried_again_and_then_told_as_a_lost_result():
    turns = iter([answering(), answering(OK.replace(b"Set-Cookie: a=b\r\n", CLOSING.encode()))])

    def talk(connection) -> None:
        next(turns, answering())(connection)

    with raw(talk) as server:
        assert downloads(server.url).fetch(server.url + "/1.png") == b"abc"
        with pytest.raises(DownloadFailed, match="did not deliver a finished result") as caught:
            downloads(server.url).fetch(server.url + "/2.png")
        assert caught.value.charged == "yes"
        assert server.connections == 6


def test_a_link_with_letters_of_other_languages_is_fetched(home: Path):
    heard: list[bytes] = []
    content = png_of(gradient())

    def talk(connection: socket.socket) -> None:
        heard.append(read_request(connection).split(b"\r\n")[0])
        port = connection.getsockname()[1]
        link = f"http://127.0.0.1:{port}/grün/灯り.png"
        reply = json.dumps({"images": [link]}, ensure_ascii=False).encode()
        body = reply if heard[-1].startswith(b"POST") else content
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    with raw(talk) as server:
        client = Client(Profile("t", server.url, Secret("vc-CANARY-5f3a9"), PATIENT), home=home)
        (file,) = client.send(XL).files
    assert file.content == content
    assert heard[1] == b"GET /gr%C3%BCn/%E7%81%AF%E3%82%8A.png HTTP/1.1"
