"""Servers that speak bytes: what no HTTP library would send."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest
from visioncraft.visioncraft_core import (
    Upscale,
)

Talk = Callable[[socket.socket], None]


class Raw:
    """A listener that hands each connection to `talk` and counts them."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0
        self.left = threading.Event()
        self.listen_on(self._listener)

    def listen_on(self, listener: socket.socket) -> None:
        """Serves what comes in there, too."""
        threading.Thread(target=self._serve, args=(listener,), daemon=True).start()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._handle, args=(connection,), daemon=True).start()

    def _handle(self, connection: socket.socket) -> None:
        with connection:
            try:
                self._talk(connection)
                while connection.recv(65536):
                    pass
            except OSError:
                pass
            self.left.set()

    def close(self) -> None:
        with suppress(OSError):  # some systems know it for connections only
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._listener.close()


@contextmanager
def raw(talk: Talk) -> Iterator[Raw]:
    server = Raw(talk)
    try:
        yield server
    finally:
        server.close()


def read_request(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        received += _piece(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    length = next(
        (
            int(h.split(b":")[1])
            for h in head.splitlines()
            if h.lower().startswith(b"content-length")
        ),
        0,
    )
    while len(body) < length:
        body += _piece(connection)
    return head + b"\r\n\r\n" + body


def _piece(connection: socket.socket) -> bytes:
    piece = connection.recv(65536)
    if not piece:
        raise ConnectionError("the client went away")
    return piece


def answering(
    *pieces: bytes,
    pause: float = 0.0,
    close: bool = True,
    on_request: Callable[[], object] = bool,
) -> Talk:
    """Sends `pieces` once a request was read, of which `on_request` hears."""

    def talk(connection: socket.socket) -> None:
        read_request(connection)
        on_request()
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause)
        if close:
            connection.shutdown(socket.SHUT_RDWR)

    return talk


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"


BIG = Upscale(image=b"\x89PNG\r\n\x1a\n" + bytes(8_000_000))


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: Any) -> list[str]:
    """Makes the system's resolver give `answers` one after the other, the last one for ever.

    An answer is a list of IP addresses, an error to raise, or seconds to hang. Gives what was
    looked up.
    """
    asked: list[str] = []
    real = socket.getaddrinfo

    def resolve(host: Any, port: Any, *rest: Any, **named: Any) -> Any:
        if not str(host).endswith(".test"):
            return real(host, port, *rest, **named)
        answer = answers[min(len(asked), len(answers) - 1)]
        asked.append(str(host))
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, float):
            time.sleep(answer)
            return []
        kinds = [socket.AF_INET6 if ":" in ip else socket.AF_INET for ip in answer]
        return [
            (k, socket.SOCK_STREAM, 6, "", (ip, port)) for k, ip in zip(kinds, answer, strict=True)
        ]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return asked


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


@contextmanager
def black_hole() -> Iterator[str]:
    """A port that neither takes nor refuses connections: its queue is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0)
            filler.connect_ex(listener.getsockname())
        time.sleep(0.05)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def slow_reader(pause: float) -> Talk:
    def talk(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        while connection.recv(2**19):
            time.sleep(pause)

    return talk
