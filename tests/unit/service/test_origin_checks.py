"""Who may ask the sandbox, how much at once, and how it ends."""

from __future__ import annotations

import asyncio
import io
import logging
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image
from support.pictures import gradient, png_of
from support.timing import LONG, at_most, eventually
from visioncraft.visioncraft_core import Client, GenerateXL
from visioncraft.visioncraft_core.api.fields import ImageField
from visioncraft.visioncraft_core.errors import ConfigError, EndpointNotFound
from visioncraft.visioncraft_core.sandbox import Sandbox
from visioncraft.visioncraft_core.service.limits import Limits
from visioncraft.visioncraft_core.service.pixels import open_upload
from visioncraft.visioncraft_core.service.published_files import PublishedFiles

pytestmark = pytest.mark.timed

XL = {"token": "sandbox-free", "prompt": "a fox", "width": 64, "height": 64}
UPSCALE = {"token": "sandbox-free", "image": ImageField().to_json(png_of(gradient(4, 3)))}
EVERYWHERE = "0.0.0.0"  # noqa: S104
JSON = "Content-Type: application/json"


def connected(sandbox: Sandbox) -> socket.socket:
    host, _, port = sandbox.url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=60)


def black(size: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("1", size).save(buffer, "PNG")
    return buffer.getvalue()


def rest(connection: socket.socket) -> bytes:
    """Everything until the connection ends."""
    answer = b""
    try:
        while piece := connection.recv(65536):
            answer += piece
    except ConnectionResetError:
        pass
    return answer


def asked(sandbox: Sandbox, *lines: str, body: bytes = b"") -> bytes:
    """The raw answer to a raw request; HOST stands for the sandbox's own."""
    own = sandbox.url.removeprefix("http://")
    text = "\r\n".join([*lines, "Connection: close", "", ""]).replace("HOST", own)
    with connected(sandbox) as connection:
        connection.sendall(text.encode() + body)
        return rest(connection)


@pytest.mark.parametrize(
    ("status", "lines"),
    [
        (200, ["GET /models HTTP/1.1", "Host: HOST"]),
        (200, ["GET /models HTTP/1.1", "Host: HOST", "Origin: http://HOST"]),
        (200, ["GET /models HTTP/1.1", "Host: HOST", "Sec-Fetch-Site: same-origin"]),
        (403, ["GET /models HTTP/1.1", "Host: evil.test"]),
        (403, ["GET /models HTTP/1.1", "Host: 127.0.0.1:1"]),
        (403, ["GET /models HTTP/1.1", "Host: evil.test", "X-Forwarded-Host: HOST"]),
        (403, ["GET /models HTTP/1.1", "Host: HOST", "Origin: null"]),
        (403, ["GET /models HTTP/1.1", "Host: HOST", "Origin: https://evil.test"]),
        (403, ["GET /models HTTP/1.1", "Host: HOST", "Sec-Fetch-Site: cross-site"]),
        (403, ["GET /models HTTP/1.1", "Host: HOST", "Sec-Fetch-Site: Same-Site"]),
        (403, ["OPTIONS /llm HTTP/1.1", "Host: HOST"]),
        (403, ["OPTIONS * HTTP/1.1", "Host: HOST"]),
        (403, ["OPTIONS /nowhere HTTP/1.1", "Host: HOST", "Origin: http://HOST"]),
        (403, ["OPTIONS /llm HTTP/1.1", "Host: HOST", "Origin: https://evil.test"]),
        (422, ["POST /llm HTTP/1.1", "Host: HOST", "Content-Length: 0"]),
        (411, ["POST /llm HTTP/1.1", "Host: HOST", JSON]),
        (411, ["POST /llm HTTP/1.1", "Host: HOST", JSON, "Transfer-Encoding: chunked"]),
        (413, ["POST /llm HTTP/1.1", "Host: HOST", JSON, "Content-Length: 33554433"]),
        (415, ["POST /llm HTTP/1.1", "Host: HOST", "Content-Type: text/plain"]),
        (
            415,
            ["POST /llm HTTP/1.1", "Host: HOST", "Content-Encoding: gzip", "Content-Length: 2"],
        ),
    ],
)
def test_only_own_visitors_with_json_of_a_known_length_are_let_in(
    status: int, lines: list[str], sandbox: Sandbox
):
    answer = asked(sandbox, *lines)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"access-control" not in answer.lower()


@pytest.mark.parametrize("hosts", [0, 2])
def test_a_request_names_its_host_once(hosts: int, sandbox: Sandbox):
    answer = asked(sandbox, "GET /models HTTP/1.1", *["Host: HOST"] * hosts)
    assert answer[9:12] in (b"400", b"403")  # the first is aiohttp's own


def test_a_body_that_is_too_large_is_refused_before_it_arrives(sandbox: Sandbox):
    with connected(sandbox) as connection:
        own = sandbox.url.removeprefix("http://")
        head = f"POST /llm HTTP/1.1\r\nHost: {own}\r\nContent-Length: 99999999\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("host", [EVERYWHERE, "", "::", "192.0.2.1", "example.test", "[", "x/@y"])
def test_another_address_than_loopback_must_be_meant(host: str):
    with pytest.raises(ConfigError, match="i-know-this-is-public"):
        Sandbox(host=host)


def test_a_public_one_answers_to_every_name():
    with Sandbox(host=EVERYWHERE, public=True) as sandbox:
        url = sandbox.url.replace(EVERYWHERE, "127.0.0.1")
        header = {"Host": "my-computer.local:1"}
        assert requests.get(url + "/models", headers=header, timeout=60).status_code == 200


def test_a_server_that_is_called_by_another_name_says_so_and_blames_no_key(
    sandbox: Sandbox, client: Client
):
    sandbox.app.address = ("127.0.0.1", 1)  # as where a port is forwarded
    with pytest.raises(EndpointNotFound, match=r"this address: The Host header .* base URL"):
        client.send(GenerateXL(prompt="a fox"))


def test_who_sends_no_whole_header_is_cut_off():
    with Sandbox(limits=Limits(header_seconds=0.3)) as sandbox:
        for start in (b"", b"GET /models HT", b"GET /models HTTP/1.1\r\nHost: x\r\n"):
            with connected(sandbox) as connection:
                connection.sendall(start)
                began = time.monotonic()
                assert rest(connection) == b""
                assert 0.1 < time.monotonic() - began < at_most(2)


def test_a_body_that_does_not_come_is_not_waited_for():
    with Sandbox(limits=Limits(header_seconds=0.1, body_seconds=0.4)) as sandbox:
        began = time.monotonic()
        answer = asked(sandbox, "POST /llm HTTP/1.1", "Host: HOST", "Content-Length: 9", body=b"{")
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert time.monotonic() - began > 0.3


def test_an_idle_connection_is_closed():
    with (
        Sandbox(limits=Limits(keep_alive_seconds=0.3)) as sandbox,
        connected(sandbox) as connection,
    ):
        own = sandbox.url.removeprefix("http://")
        connection.sendall(f"GET /nothing HTTP/1.1\r\nHost: {own}\r\n\r\n".encode())
        began = time.monotonic()
        assert b'"Not Found"' in rest(connection)
        assert 0.1 < time.monotonic() - began < at_most(2)


def test_visitors_beyond_the_limit_are_asked_to_come_again():
    with Sandbox(limits=Limits(connections=3)) as sandbox:
        held = [connected(sandbox) for _ in range(3)]
        answer = requests.get(sandbox.url + "/models", timeout=60)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert answer.json() == {"detail": "Too many connections"}
        held.pop().close()
        assert eventually(lambda: requests.get(sandbox.url + "/models", timeout=60).ok)
        for connection in held:
            connection.close()


def test_a_hundred_slow_visitors_do_not_keep_others_out():
    with Sandbox(limits=Limits(header_seconds=0.5)) as sandbox:
        slow = [connected(sandbox) for _ in range(100)]
        time.sleep(0.8)
        assert requests.get(sandbox.url + "/models", timeout=60).ok
        for connection in slow:
            connection.close()


def test_more_work_than_it_can_do_is_put_off():
    with Sandbox(latency=0.5, limits=Limits(max_active=2)) as sandbox:

        def work(_number: int) -> requests.Response:
            return requests.post(sandbox.url + "/upscale", json=UPSCALE, timeout=60)

        with ThreadPoolExecutor(5) as pool:
            answers = list(pool.map(work, range(5)))
        assert sorted(answer.status_code for answer in answers) == [200, 200, 503, 503, 503]
        assert {a.headers.get("Retry-After") for a in answers if not a.ok} == {"1"}
        assert sandbox.executions == 2
        assert work(0).ok


def test_a_result_is_only_ever_a_download(sandbox: Sandbox):
    made = requests.post(sandbox.url + "/upscale", json=UPSCALE, timeout=60)
    link = made.json()["images"][0]
    whole = requests.get(link, timeout=60)
    assert whole.headers["X-Content-Type-Options"] == "nosniff"
    assert whole.headers["Cache-Control"] == "no-store"
    assert whole.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    name = link.rpartition("/")[2]
    assert whole.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    head = requests.head(link, timeout=60)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == str(len(whole.content))


@pytest.mark.parametrize(
    ("asked_for", "status", "part"),
    [
        ("bytes=0-3", 206, slice(0, 4)),
        ("bytes=5-", 206, slice(5, None)),
        ("bytes=-7", 206, slice(-7, None)),
        ("bytes=0-999999", 206, slice(None)),
        ("bytes=-999999", 206, slice(None)),
        ("bytes=999999-", 416, None),
        ("lines=1-2", 200, slice(None)),
        ("bytes=5-2", 200, slice(None)),
        ("bytes=0-1,4-5", 200, slice(None)),
    ],
)
def test_a_part_of_a_result_can_be_asked_for(
    asked_for: str, status: int, part: Any, sandbox: Sandbox
):
    made = requests.post(sandbox.url + "/upscale", json=UPSCALE, timeout=60)
    link = made.json()["images"][0]
    whole = requests.get(link, timeout=60).content
    answer = requests.get(link, headers={"Range": asked_for}, timeout=60)
    assert answer.status_code == status
    if part is not None:
        assert answer.content == whole[part]
    if status == 206:
        first, _, last = answer.headers["Content-Range"][6:].partition("/")[0].partition("-")
        assert whole[int(first) : int(last) + 1] == answer.content
    if status == 416:
        assert answer.headers["Content-Range"] == f"bytes */{len(whole)}"


def test_results_beyond_their_room_are_forgotten_oldest_first():
    with Sandbox(limits=Limits(result_bytes=2500)) as sandbox:
        links = []
        for width in (4, 5, 6):
            body = {**UPSCALE, "image": ImageField().to_json(png_of(noise(width)))}
            made = requests.post(sandbox.url + "/upscale", json=body, timeout=60)
            links += made.json()["images"]
        assert [requests.get(link, timeout=60).status_code for link in links] == [404, 200, 200]


def noise(width: int) -> Any:
    import numpy as np

    return np.random.default_rng(width).integers(0, 255, (4, width, 3), dtype=np.uint8)


def test_one_result_is_kept_however_large():
    kept = PublishedFiles(10)
    names = [asyncio.run(kept.publish(content * 50)) for content in (b"x", b"y")]
    assert names[0] != names[1]
    assert list(kept._files.values()) == [b"y" * 50]


def test_logs_hold_nothing_that_was_sent(sandbox: Sandbox, caplog: pytest.LogCaptureFixture):
    secret = "vc-CANARY"
    with caplog.at_level(logging.DEBUG):
        requests.post(sandbox.url + "/llm?key=" + secret, json={"token": secret}, timeout=60)
        requests.get(sandbox.url + "/models", headers={"Authorization": secret}, timeout=60)
        for line in (secret, f"GET /{secret} HTTP/9.9", f"GET /models HTTP/1.1\r\n{secret} x: y"):
            assert asked(sandbox, line, "Host: HOST")[8:13] == b" 400 "
        with connected(sandbox) as connection:  # goes away in the middle of its body
            own = sandbox.url.removeprefix("http://")
            head = f"POST /llm HTTP/1.1\r\nHost: {own}\r\nContent-Length: 99\r\n\r\n{secret}"
            connection.sendall(head.encode())
        time.sleep(0.2)
    own_lines = [r for r in caplog.records if not r.name.startswith("urllib3")]
    assert [r for r in own_lines if r.levelno > logging.DEBUG] == []
    assert not any(secret in record.getMessage() for record in own_lines)


@pytest.mark.parametrize(
    ("path", "size"),
    [
        ("/upscale", (2365, 2365)),
        ("/upscale", (4097, 1)),
        ("/img2img", (16385, 1)),
        ("/img2img", (9460, 9460)),
    ],
)
def test_a_picture_has_a_budget_of_pixels(path: str, size: tuple[int, int]):
    body = {**UPSCALE, "prompt": "a fox", "image": ImageField().to_json(black(size))}
    with Sandbox() as sandbox:
        answer = requests.post(sandbox.url + path, json=body, timeout=60)
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"] == ["body", "image"]
        assert "too large" in answer.json()["detail"][0]["msg"]
        assert sandbox.executions == 0


def test_a_picture_within_the_budget_is_opened():
    assert open_upload("image", black((2364, 2364)), enlarged=4).size == (2364, 2364)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize(("number", "twice"), [(signal.SIGINT, True), (signal.SIGTERM, False)])
def test_a_signal_ends_it_in_the_middle_of_its_work(number: signal.Signals, twice: bool):  # noqa: FBT001
    command = str(Path(sys.executable).with_name("visioncraft"))
    arguments = [command, "sandbox", "--port", "0", "--latency", "60", "--fault", "llm=hang"]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        url = process.stdout.readline().split()[-1]
        for path, body in (("/generate-xl", XL), ("/llm", {})):
            threading.Thread(target=_tries, args=(url + path, body), daemon=True).start()
        time.sleep(0.5)
        began = time.monotonic()
        process.send_signal(number)
        if twice:
            time.sleep(0.05)
            process.send_signal(number)
        assert process.wait(timeout=LONG) == 0
        assert time.monotonic() - began < at_most(3)
    finally:
        process.kill()
        process.communicate()


def _tries(url: str, body: dict[str, Any]) -> None:
    with suppress(requests.RequestException):
        requests.post(url, json=body, timeout=60)
