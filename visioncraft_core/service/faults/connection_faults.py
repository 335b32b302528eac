"""Faults that no HTTP library would send: silence, broken connections, wrong lengths and chunks."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from collections.abc import Awaitable, Callable
from typing import cast

from aiohttp import web

from .base import Fault, FaultContext, body_of

BEFORE_RESET = 0.05  # seconds for what was sent to get there
MOST_WAITING = 256 * 1024  # bytes written ahead of a client that reads slowly
# What SO_LINGER takes: on, 0 seconds. Closing then sends RST instead of FIN.
_NO_LINGER = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)

STATUS = b"HTTP/1.1 200 OK\r\n"
FAILED = b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain\r\n"
MOVED = b"HTTP/1.1 302 Found\r\nLocation: /models\r\n"
JSON = STATUS + b"Content-Type: application/json\r\n"
PICTURE = STATUS + b"Content-Type: image/png\r\n"
EVENTS = STATUS + b"Content-Type: text/event-stream\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
CLOSING = b"Connection: close\r\n\r\n"
DRIP = 0.3  # seconds between two bytes
BLOCK = b"\0" * 65536
CHUNK = b"10000\r\n" + BLOCK + b"\r\n"

# A file that begins well, for bodies that never come to their end.
FILE = b"\x89PNG\r\n\x1a\n" + b"\0" * 4088


class RawConnection:
    """The socket under a request, for what no HTTP library sends.

    A client that goes away cancels the request, so no fault outlives it.
    """

    def __init__(self, request: web.Request) -> None:
        if request.transport is None:
            raise ConnectionResetError
        self._transport = cast("asyncio.Transport", request.transport)

    async def send(self, data: bytes) -> None:
        self._transport.write(data)
        while self._transport.get_write_buffer_size() > MOST_WAITING:
            await asyncio.sleep(0.01)

    async def send_slices(self, data: bytes, size: int, pause: float) -> None:
        for at in range(0, len(data), size):
            await self.send(data[at : at + size])
            await asyncio.sleep(pause)

    async def silence(self) -> None:
        """Sends nothing more and keeps the connection."""
        await asyncio.get_running_loop().create_future()

    async def reset(self) -> None:
        """Ends with RST. What was sent gets there first."""
        while self._transport.get_write_buffer_size():
            await asyncio.sleep(0.01)
        await asyncio.sleep(BEFORE_RESET)
        if connection := self._transport.get_extra_info("socket"):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._transport.abort()

    def end(self) -> web.Response:
        """Closes behind what was sent; the response goes nowhere."""
        self._transport.close()
        return web.Response()


End = Callable[[RawConnection], Awaitable[None]]
SILENCE, RESET = RawConnection.silence, RawConnection.reset


def _dripping(data: bytes = b"x", every: float = DRIP) -> End:
    """Sends `data` each `every` seconds for ever."""

    async def drip(connection: RawConnection) -> None:
        while True:
            await connection.send(data)
            await asyncio.sleep(every)

    return drip


def _sends(
    data: bytes, then: End | None = None, *, refused: bool = False, early: bool = False
) -> Fault:
    """Sends `data` as it is; `then` goes on with the connection before it is closed."""

    async def act(context: FaultContext) -> web.Response:
        if not refused:
            context.count()
        return await _by_hand(context, data, then)

    return Fault(act, early=early)


def _real(
    change: Callable[[bytes, bytes], bytes], then: End | None = None, *, without: str = ""
) -> Fault:
    """Sends a real answer by hand: `change` makes it of its head without a length and its body."""

    async def act(context: FaultContext) -> web.Response:
        return await _by_hand(context, change(*await _parts(context, without)), then)

    return Fault(act)


async def _by_hand(context: FaultContext, data: bytes, then: End | None) -> web.Response:
    connection = RawConnection(context.request)
    await connection.send(data)
    if then:
        await then(connection)
    return connection.end()


async def _parts(context: FaultContext, without: str = "") -> tuple[bytes, bytes]:
    """The head of the real answer, without its length and the header named, and its body."""
    real = await context.real()
    lines = [f"HTTP/1.1 {real.status} {real.reason}"]
    lines += [f"{name}: {value}" for name, value in real.headers.items() if name != without]
    return "".join(f"{line}\r\n" for line in lines).encode(), body_of(real)


def _length(number: object) -> bytes:
    return f"Content-Length: {number}\r\n\r\n".encode()


def _whole(head: bytes, body: bytes) -> bytes:
    return head + _length(len(body)) + body


def _both_lengths(head: bytes, body: bytes) -> bytes:
    wrong = b"Content-Length: 7\r\n"
    return head + wrong + CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


async def _slices(context: FaultContext) -> web.Response:
    whole = _whole(*await _parts(context))
    connection = RawConnection(context.request)
    await connection.send_slices(whole, max(1, len(whole) // 200), 0.002)
    return connection.end()


async def _slow(context: FaultContext) -> web.Response:
    whole = _whole(*await _parts(context))
    speed = int(context.arg or 100_000)
    size = max(1, speed // 50)
    connection = RawConnection(context.request)
    await connection.send_slices(whole, size, size / speed)
    return connection.end()


FAULTS = {
    "hang": _sends(b"", SILENCE),
    "hang-headers": _sends(JSON, SILENCE),
    "hang-body": _sends(PICTURE + _length(len(FILE)) + FILE[:2048], SILENCE),
    "drip-headers": _sends(STATUS + b"X-Drip: ", _dripping()),
    "drip-body": _sends(PICTURE + _length(10**6), _dripping()),
    "continue": _sends(b"", _dripping(b"HTTP/1.1 100 Continue\r\n\r\n", 0.1)),
    "reset": _sends(b"", RESET),
    "close": _sends(b""),
    "early-reset": _sends(b"", RESET, refused=True, early=True),
    "reset-body": _sends(PICTURE + _length(len(FILE)) + FILE[:2048], RESET),
    "truncate": _sends(PICTURE + _length(len(FILE)) + FILE[:8]),
    "cut-status": _sends(b"HTTP/1.1 2"),
    "cut-headers": _sends(STATUS + b"Content-Type: applic"),
    "banner": _sends(b"SSH-2.0-OpenSSH_9.6\r\n"),
    # An empty SETTINGS frame, the first thing that an HTTP/2 server says.
    "http2": _sends(b"\0\0\0\x04\0\0\0\0\0"),
    "many-headers": _sends(
        JSON + b"".join(b"X-Many-%d: x\r\n" % n for n in range(150)) + _length(2) + b"{}"
    ),
    "long-header": _sends(JSON + b"X-Long: " + b"x" * 70_000 + b"\r\n" + _length(2) + b"{}"),
    "bad-header": _sends(JSON + b"this header has no colon\r\n" + _length(2) + b"{}"),
    "chunk-cut": _sends(JSON + CHUNKED + b"2\r\n{}\r\n"),
    "chunk-bad": _sends(JSON + CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n"),
    "chunk-huge": _sends(JSON + CHUNKED + b"%x\r\n{}" % 2**63),
    "chunk-drip": _sends(JSON + CHUNKED + b"2;", _dripping()),
    "trailer-drip": _sends(JSON + CHUNKED + b"2\r\n{}\r\n0\r\nX-Drip: ", _dripping()),
    "length-twice": _sends(JSON + b"Content-Length: 2\r\n" + _length(4) + b"{}{}"),
    "length-negative": _sends(JSON + _length(-5) + b"{}"),
    "length-text": _sends(JSON + _length("many") + b"{}"),
    "length-huge": _sends(JSON + _length(10**18) + b"{}"),
    "length-long": _real(lambda head, body: _whole(head, body) + b"and more than was announced"),
    "length-both": _real(_both_lengths),
    "no-length": _real(lambda head, body: head + CLOSING + body),
    "no-length-cut": _real(lambda head, body: head + CLOSING + body[: len(body) // 2]),
    "endless": _sends(PICTURE + CLOSING + FILE, _dripping(BLOCK, 0)),
    "500-endless": _sends(FAILED + CHUNKED, _dripping(CHUNK, 0)),
    "redirect-endless": _sends(MOVED + CHUNKED, _dripping(CHUNK, 0), refused=True),
    "sse-cut": _sends(EVENTS + CHUNKED + b'10\r\ndata: {"choices'),
    "slices": Fault(_slices),
    "slow": Fault(_slow, takes=int),
    "slow-close": _real(_whole, SILENCE),
    "short": _real(lambda head, body: head + _length(len(body) + 1) + body),
    "untyped": _real(_whole, without="Content-Type"),
}
