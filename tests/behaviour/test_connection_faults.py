"""Faults below HTTP, on the way to the server and while the request is sent.

The ids are those of the reliability requirements; test_fault_matrix.py has the rest.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from support.clients import PATIENT, client_of
from support.raw_server import (
    BIG,
    Raw,
    answering,
    black_hole,
    port_of,
    raw,
    read_request,
    resolving,
)
from support.timing import HANG, LONG, at_most, eventually
from visioncraft.visioncraft_core import (
    Client,
    GenerateXL,
    Profile,
    Secret,
    Timeouts,
    errors,
)
from visioncraft.visioncraft_core.cancellation import CancelScope
from visioncraft.visioncraft_core.http.call import Call
from visioncraft.visioncraft_core.http.transport import LIST_LIMIT, Session, send_call
from visioncraft.visioncraft_core.sandbox import Sandbox

pytestmark = pytest.mark.timed

KEY = "vc-CANARY-5f3a9"
LIMITS = Timeouts(connect=0.6, upload=1.0, first_byte=1.0, stall=1.0, total=3.0)
AFTER = at_most(0.5)  # seconds that a limit may be overrun
XL = GenerateXL(prompt="a fox", width=64, height=64)
REFUSAL = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def client(url: str, home: Path, limits: Timeouts = LIMITS, **settings: Any) -> Client:
    return Client(Profile("test", url, Secret(KEY), limits, **settings), home=home)


AGAIN = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
UNKNOWN = socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def failed(
    call: Callable[[], Any], error: type[errors.VisionCraftError]
) -> errors.VisionCraftError:
    with pytest.raises(errors.VisionCraftError) as caught:
        call()
    assert type(caught.value) is error, caught.value
    assert "CANARY" not in str(caught.value)
    return caught.value


def test_f01_an_unknown_name_is_told_at_once(home: Path, monkeypatch: pytest.MonkeyPatch):
    asked = resolving(monkeypatch, UNKNOWN)
    error = failed(lambda: client("http://api.test", home).send(XL), errors.HostNotFound)
    assert (len(asked), error.charged) == (1, "no")


def test_f02_a_resolver_that_recovers_is_asked_again(
    sandbox: Sandbox, home: Path, monkeypatch: pytest.MonkeyPatch
):
    asked = resolving(monkeypatch, AGAIN, AGAIN, ["127.0.0.1"])
    with raw(answering(b"HTTP/1.1 401 X\r\nContent-Length: 0\r\n\r\n")) as server:
        url = f"http://api.test:{port_of(server.url)}"
        failed(lambda: client(url, home).send(XL), errors.KeyRejected)
        assert (len(asked), server.connections) == (3, 1)


def test_f02_a_resolver_that_stays_away_is_given_up_after_three_tries(
    home: Path, monkeypatch: pytest.MonkeyPatch
):
    asked = resolving(monkeypatch, AGAIN)
    failed(lambda: client("http://api.test", home).send(XL), errors.DNSLookupFailed)
    assert len(asked) == 3


def test_f03_a_resolver_that_hangs_is_bounded(home: Path, monkeypatch: pytest.MonkeyPatch):
    resolving(monkeypatch, LONG)
    started = time.monotonic()
    call = client("http://api.test", home, retry_policy="never")
    error = failed(lambda: call.send(XL), errors.ConnectTimeout)
    assert time.monotonic() - started < 2 * LIMITS.connect + AFTER
    assert error.charged == "no"


def test_f04_a_closed_port_is_tried_three_times(home: Path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    said: list[str] = []
    call = client(url, home)
    failed(lambda: call.send(XL, on_progress=said.append), errors.ConnectionRefused)
    assert len([text for text in said if "trying again" in text]) == 2


def test_f05_a_server_that_comes_up_is_found(home: Path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    said: list[str] = []
    running: list[Sandbox] = []

    def start(text: str) -> None:
        said.append(text)
        if "trying again" in text and not running:
            running.append(Sandbox(port=port))

    profile = Profile("test", f"http://127.0.0.1:{port}", Secret("sandbox-free"))
    try:
        assert Client(profile, home=home).send(XL, on_progress=start).files
        assert running[0].requests == ("POST /generate-xl",)
    finally:
        for sandbox in running:
            sandbox.close()


def test_f06_a_server_that_never_picks_up_ends_at_the_limit(home: Path):
    with black_hole() as url:
        started = time.monotonic()
        call = client(url, home, retry_policy="never")
        error = failed(lambda: call.send(XL), errors.ConnectTimeout)
        assert LIMITS.connect - 0.1 < time.monotonic() - started < LIMITS.connect + AFTER
        assert "(limit: connect)" in str(error)


def test_f07_the_second_address_serves_where_the_first_is_dead(
    sandbox: Sandbox, home: Path, monkeypatch: pytest.MonkeyPatch
):
    resolving(monkeypatch, ["127.0.0.2", "127.0.0.1"])
    with raw(answering(b"HTTP/1.1 401 X\r\nContent-Length: 0\r\n\r\n")) as server:
        url = f"http://api.test:{port_of(server.url)}"
        failed(lambda: client(url, home).send(XL), errors.KeyRejected)
        assert server.connections == 1


def test_an_address_of_a_kind_that_is_switched_off_is_passed_over(
    home: Path, monkeypatch: pytest.MonkeyPatch
):
    real = socket.getaddrinfo

    def resolve(host: Any, port: Any, *rest: Any) -> Any:
        none = (9999, socket.SOCK_STREAM, 6, "", ("2001:db8::1", port, 0, 0))
        return [none, *(real("127.0.0.1", port, *rest) if "half" in host else [])]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with raw(answering(b"HTTP/1.1 401 X\r\nContent-Length: 0\r\n\r\n")) as server:
        half, all_off = (f"http://{name}.test:{port_of(server.url)}" for name in ("half", "off"))
        failed(lambda: client(half, home).send(XL), errors.KeyRejected)
        call = client(all_off, home, retry_policy="never")
        failed(lambda: call.send(XL), errors.ConnectionRefused)


def test_a_call_that_is_sent_in_the_moment_its_limit_passes_is_waited_for(
    home: Path, monkeypatch: pytest.MonkeyPatch
):
    asked, looked_up, arrived = threading.Event(), threading.Event(), threading.Event()

    def resolve(*_: Any, **__: Any) -> Any:
        asked.set()
        looked_up.wait(60)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port_of(server.url)))]

    def talk(connection: socket.socket) -> None:
        read_request(connection)
        arrived.set()
        time.sleep(0.2)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    class Moving(Timeouts):
        def __getattribute__(self, name: str) -> Any:
            compared = threading.current_thread().name == "visioncraft-watch"
            if name == "connect" and compared and asked.is_set():
                looked_up.set()
                arrived.wait(60)
            return super().__getattribute__(name)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    limits = Moving(connect=0.02, upload=60, first_byte=60, total=120)
    with raw(talk) as server:
        call = Call("POST", "http://api.test", limits, LIST_LIMIT, json={})
        with CancelScope() as scope:
            assert send_call(Session(), call, scope).body == b"{}"
        assert server.connections == 1


@contextmanager
def tls_server(names: list[str], **issued: Any) -> Iterator[tuple[Raw, trustme.CA]]:
    """A server with a certificate for `names`, and the authority that signed it."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, **issued).configure_cert(context)

    def talk(connection: socket.socket) -> None:
        # Fails where the client has gone already: `ssl` would then leave its socket open.
        connection.recv(1, socket.MSG_PEEK)
        with context.wrap_socket(connection, server_side=True) as wrapped:
            answering(b"HTTP/1.1 401 X\r\nContent-Length: 0\r\n\r\n")(wrapped)

    with raw(talk) as server:
        server.url = server.url.replace("http:", "https:")
        yield server, authority


def expired() -> dict[str, Any]:
    from datetime import datetime, timezone

    return {"not_after": datetime(2020, 1, 1, tzinfo=timezone.utc)}


@pytest.mark.parametrize("case", ["expired", "wrong name", "unknown authority"])
def test_f08_a_certificate_that_does_not_verify_ends_the_call_at_once(
    case: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    names = ["other.test"] if case == "wrong name" else ["127.0.0.1"]
    with tls_server(names, **(expired() if case == "expired" else {})) as (server, authority):
        if case != "unknown authority":
            authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
        call = client(server.url, home, PATIENT)
        error = failed(lambda: call.send(XL), errors.CertificateError)
        assert (server.connections, error.charged) == (1, "no")


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_an_authority_of_the_users_own_is_trusted(
    variable: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with tls_server(["127.0.0.1"]) as (server, authority):
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        monkeypatch.setenv(variable, str(tmp_path / "ca.pem"))
        failed(lambda: client(server.url, home, PATIENT).send(XL), errors.KeyRejected)


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
@pytest.mark.parametrize("content", [None, "hello", "-----BEGIN CERTIFICATE-----\nx"])
def test_a_file_of_authorities_that_cannot_be_used_is_told_and_matters_to_https_only(
    variable: str,
    content: str | None,
    sandbox: Sandbox,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    if content is not None:
        (tmp_path / "ca.pem").write_text(content)
    monkeypatch.setenv(variable, str(tmp_path / "ca.pem"))
    said: list[str] = []
    call = client("https://127.0.0.1:1", home)
    error = failed(lambda: call.send(XL, on_progress=said.append), errors.ConfigError)
    assert "SSL_CERT_FILE" in str(error)
    assert "trying again" not in "".join(said)
    assert client_of(sandbox, home).send(XL).files


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_checking_certificates_can_be_turned_off_loudly(
    home: Path, caplog: pytest.LogCaptureFixture
):
    with tls_server(["other.test"]) as (server, _):
        failed(lambda: client(server.url, home, PATIENT, verify=False).send(XL), errors.KeyRejected)
    assert "TLS certificates are not verified" in caplog.text


def test_f09_a_server_that_speaks_no_tls_is_told(home: Path):
    with raw(lambda c: c.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
        url = server.url.replace("http:", "https:")
        call = client(url, home, PATIENT, retry_policy="never")
        error = failed(lambda: call.send(XL), errors.TLSError)
        assert error.charged == "no"


def test_f09_a_handshake_that_drips_ends_at_the_limit(home: Path):
    def talk(connection: socket.socket) -> None:
        while True:
            connection.sendall(b"\x16")
            time.sleep(0.5)  # five bytes, after which it shows that this is no TLS, take longer

    with raw(talk) as server:
        url = server.url.replace("http:", "https:")
        started = time.monotonic()
        call = client(url, home, retry_policy="never")
        failed(lambda: call.send(XL), errors.ConnectTimeout)
        assert time.monotonic() - started < 2 * LIMITS.connect + AFTER


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
        b"<html>blocked by your company</html>",
    ],
    ids=["refused", "407", "502", "html"],
)
def test_f10_a_proxy_that_does_not_let_us_through_is_named_without_its_password(
    answer: bytes | None, home: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("NO_PROXY")
    with raw(answering(answer or b"")) as proxy:
        port = port_of(proxy.url) if answer else 1
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:PASSWORD@127.0.0.1:{port}")
        call = client("https://api.test", home, retry_policy="never")
        error = failed(lambda: call.send(XL), errors.ProxyError)
        assert "PASSWORD" not in repr(error) + str(error.__dict__)
        assert error.charged == "no"


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize(
    "address",
    [
        "socks5://user:PASSWORD@127.0.0.1:9",
        "socks5h://127.0.0.1:9",
        "PASSWORD:bar:baz",
        "http://user:PASSWORD@[bad",
        "http://user:PASSWORD@",
        "http://user:PASSWORD@127.0.0.1:99999",
        "http://user:PASSWORD@two words",
        "ftp://127.0.0.1:9",
    ],
)
def test_a_proxy_that_is_no_proxy_is_told_at_once_without_its_password(
    variable: str, address: str, home: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv(variable, address)
    said: list[str] = []
    call = client("https://api.test", home)
    error = failed(lambda: call.send(XL, on_progress=said.append), errors.ConfigError)
    assert "PASSWORD" not in repr(error) + str(error.__dict__) + "".join(said)
    assert "_PROXY" in str(error)
    assert "trying again" not in "".join(said)


@pytest.mark.parametrize("scheme", ["", "http://", "HTTP://"])
def test_a_proxy_is_found_with_and_without_its_scheme(
    scheme: str, home: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("NO_PROXY")
    with raw(answering(b"HTTP/1.1 401 X\r\nContent-Length: 0\r\n\r\n")) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"{scheme}user:PASSWORD@127.0.0.1:{port_of(proxy.url)}")
        failed(lambda: client("http://api.test", home).send(XL), errors.KeyRejected)


def test_a_proxy_may_be_left_out_for_a_host(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NO_PROXY", ".test")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    resolving(monkeypatch, UNKNOWN)
    failed(lambda: client("http://api.test", home).send(XL), errors.HostNotFound)


def test_f12_a_slow_but_steady_upload_is_not_bounded_by_connect(home: Path):
    def talk(connection: socket.socket) -> None:
        received = b""
        while len(received) < 8_000_000:
            received += connection.recv(2**17)
            time.sleep(0.01)
        connection.sendall(b"HTTP/1.1 401 X\r\nContent-Length: 0\r\n\r\n")

    limits = Timeouts(connect=1.0, upload=60.0, first_byte=60.0, stall=60.0, total=120.0)
    with raw(talk) as server:
        failed(lambda: client(server.url, home, limits).send(BIG), errors.KeyRejected)


def test_f13_a_server_that_does_not_read_ends_at_the_upload_limit(home: Path):
    with raw(lambda _: time.sleep(LONG)) as server:
        started = time.monotonic()
        error = failed(lambda: client(server.url, home).send(BIG), errors.WriteTimeout)
        assert time.monotonic() - started < LIMITS.upload + AFTER
        assert (server.connections, error.charged) == (1, "maybe")


def test_f14_an_early_refusal_is_read_although_the_upload_broke(home: Path):
    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(REFUSAL)
        time.sleep(0.3)

    with raw(talk) as server:
        failed(lambda: client(server.url, home).send(BIG), errors.PremiumRequired)
        assert server.connections == 1


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()


@pytest.mark.parametrize("how", ["f15 reset", "f16 closed"])
def test_a_connection_that_ends_during_the_upload_may_have_been_counted(how: str, home: Path):
    def talk(connection: socket.socket) -> None:
        if "reset" in how:
            connection.recv(65536)
            reset(connection)
        else:
            connection.close()

    with raw(talk) as server:
        error = failed(lambda: client(server.url, home).send(BIG), errors.ConnectionLost)
        assert (server.connections, error.charged) == (1, "maybe")
        assert "Check your account" in str(error)


def test_f17_a_pooled_connection_that_went_stale_is_replaced_without_a_word(home: Path):
    names = b'HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n["one"]'
    with raw(answering(names)) as server:
        call = client(server.url, home)
        assert call.catalog("models").names == call.catalog("models").names == ("one",)
        assert server.connections == 2


def test_f18_two_calls_never_share_a_connection(sandbox: Sandbox, home: Path):
    seen: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        seen.append(read_request(connection))
        connection.sendall(b"HTTP/1.1 401 X\r\nContent-Length: 0\r\n\r\n")

    with raw(talk) as server:
        call = client(server.url, home)
        for _ in range(2):
            failed(lambda: call.send(XL), errors.KeyRejected)
        assert server.connections == len(seen) == 2


def test_f27_a_server_that_stops_while_it_works_may_have_counted_it(home: Path):
    with Sandbox(latency=HANG) as sandbox:
        call = client_of(sandbox, home)

        def stop() -> None:
            eventually(lambda: sandbox.requests)
            sandbox.close()

        threading.Thread(target=stop, daemon=True).start()
        error = failed(lambda: call.send(XL), errors.ConnectionLost)
        assert (sandbox.requests, error.charged) == (("POST /generate-xl",), "maybe")


def test_a_hundred_calls_to_a_dead_server_cost_a_few_repeats(home: Path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    said: list[str] = []
    call = client(url, home, PATIENT, max_concurrency=64)
    requests = [GenerateXL(prompt=f"idea {n}", width=64, height=64) for n in range(100)]

    def attempt(request: GenerateXL) -> None:
        with pytest.raises(errors.ConnectionRefused):
            call.send(request, on_progress=said.append)

    threads = [threading.Thread(target=attempt, args=(request,)) for request in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([text for text in said if "trying again" in text]) <= 20
