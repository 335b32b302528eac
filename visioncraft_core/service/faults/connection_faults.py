"""Faults that no HTTP library would send: silence, broken connections, wrong lengths and chunks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from aiohttp import web

from .base import Act, Fault, FaultContext, RawConnection, Sent

STATUS = b"HTTP/1.1 200 OK\r\n"
FAILED = b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain\r\n"
MOVED = b"HTTP/1.1 302 Found\r\nLocation: /models\r\n"
JSON = STATUS + b"Content-Type: application/json\r\n"
PICTURE = STATUS + b"Content-Type: image/png\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
DRIP = 0.3  # seconds between two bytes
BLOCK = b"\0" * 65536

# A file that begins well, for bodies that never come to their end.
FILE = b"\x89PNG\r\n\x1a\n" + b"\0" * 4088
HALF = len(FILE) // 2


def _length(number: object) -> bytes:
    return f"Content-Length: {number}\r\n\r\n".encode()


def _cut(data: bytes) -> Act:
    """Sends `data` and closes."""

    async def act(context: FaultContext) -> Sent:
        await RawConnection(context.request).send(data)
        return Sent()

    return act


def _still(data: bytes) -> Act:
    """Sends `data`, then nothing more."""

    async def act(context: FaultContext) -> Sent:
        connection = RawConnection(context.request)
        await connection.send(data)
        return await connection.silence()

    return act


def _drip(data: bytes, byte: bytes = b"x", every: float = DRIP) -> Act:
    """Sends `data`, then a byte at a time for ever."""

    async def act(context: FaultContext) -> Sent:
        connection = RawConnection(context.request)
        await connection.send(data)
        return await connection.drip(byte, every=every)

    return act


def _endless(first: bytes, block: bytes) -> Act:
    """Sends `first`, then `block` for ever, as fast as the client reads."""

    async def act(context: FaultContext) -> Sent:
        connection = RawConnection(context.request)
        await connection.send(first)
        return await connection.drip(block, every=0)

    return act


def _reset(data: bytes) -> Act:
    async def act(context: FaultContext) -> Sent:
        connection = RawConnection(context.request)
        await connection.send(data)
        return await connection.reset()

    return act


def _real(
    act: Callable[[RawConnection, FaultContext, bytes, bytes], Awaitable[None]],
    *,
    without: str = "",
) -> Fault:
    """A real answer on a wire of its own: `act` gets its head without a length, and its body."""

    async def send(context: FaultContext) -> web.StreamResponse:
        made = await context.real()
        body = bytes(made.body) if isinstance(made.body, bytes | bytearray) else b""
        await act(RawConnection(context.request), context, _head(made, without), body)
        return Sent()

    return Fault(send, work="real")


def _head(made: web.Response, without: str) -> bytes:
    lines = [f"HTTP/1.1 {made.status} {made.reason}"]
    lines += [f"{name}: {value}" for name, value in made.headers.items() if name != without]
    return "".join(f"{line}\r\n" for line in lines).encode()


async def _length_long(
    connection: RawConnection, _context: FaultContext, top: bytes, body: bytes
) -> None:
    await connection.send(top + _length(len(body)) + body + b"and more than was announced")


async def _length_both(
    connection: RawConnection, _context: FaultContext, top: bytes, body: bytes
) -> None:
    wrong = b"Content-Length: 7\r\n"
    await connection.send(top + wrong + CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))


async def _no_length(
    connection: RawConnection, _context: FaultContext, top: bytes, body: bytes
) -> None:
    await connection.send(top + b"Connection: close\r\n\r\n" + body)


async def _no_length_cut(
    connection: RawConnection, _context: FaultContext, top: bytes, body: bytes
) -> None:
    await connection.send(top + b"Connection: close\r\n\r\n" + body[: len(body) // 2])


async def _slices(
    connection: RawConnection, _context: FaultContext, top: bytes, body: bytes
) -> None:
    whole = top + _length(len(body)) + body
    for at in range(min(200, len(whole))):
        await connection.send(whole[at : at + 1])
        await connection.pause(0.002)
    await connection.send(whole[200:])


async def _slow(connection: RawConnection, context: FaultContext, top: bytes, body: bytes) -> None:
    await connection.send(top + _length(len(body)))
    speed = int(context.arg or 100_000)
    step = max(1, speed // 50)
    for at in range(0, len(body), step):
        await connection.send(body[at : at + step])
        await connection.pause(step / speed)


async def _slow_close(
    connection: RawConnection, _context: FaultContext, top: bytes, body: bytes
) -> None:
    await connection.send(top + _length(len(body)) + body)
    await connection.silence()


async def _short(
    connection: RawConnection, _context: FaultContext, top: bytes, body: bytes
) -> None:
    await connection.send(top + _length(len(body) + 1) + body)


async def _plain(
    connection: RawConnection, _context: FaultContext, top: bytes, body: bytes
) -> None:
    await connection.send(top + _length(len(body)) + body)


async def _early_reset(context: FaultContext) -> Sent:
    return await RawConnection(context.request).reset()


WAITING = {
    "hang": Fault(_still(b"")),
    "hang-headers": Fault(_still(JSON)),
    "hang-body": Fault(_still(PICTURE + _length(len(FILE)) + FILE[:HALF])),
    "drip-headers": Fault(_drip(STATUS + b"X-Drip: ")),
    "drip-body": Fault(_drip(PICTURE + _length(10**6))),
    "continue": Fault(_drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n", every=0.1)),
}

BREAKING = {
    "reset": Fault(_reset(b"")),
    "close": Fault(_cut(b"")),
    "early-reset": Fault(_early_reset, work="refused", early=True),
    "reset-body": Fault(_reset(PICTURE + _length(len(FILE)) + FILE[:HALF])),
    "truncate": Fault(_cut(PICTURE + _length(len(FILE)) + FILE[:8])),
    "cut-status": Fault(_cut(b"HTTP/1.1 2")),
    "cut-headers": Fault(_cut(STATUS + b"Content-Type: applic")),
    "banner": Fault(_cut(b"SSH-2.0-OpenSSH_9.6\r\n")),
    # An empty SETTINGS frame, the first thing that an HTTP/2 server says.
    "http2": Fault(_cut(b"\0\0\0\x04\0\0\0\0\0")),
    "many-headers": Fault(
        _cut(JSON + b"".join(b"X-Many-%d: x\r\n" % n for n in range(150)) + _length(2) + b"{}")
    ),
    "long-header": Fault(_cut(JSON + b"X-Long: " + b"x" * 70_000 + b"\r\n" + _length(2) + b"{}")),
    "bad-header": Fault(_cut(JSON + b"this header has no colon\r\n" + _length(2) + b"{}")),
}

LENGTHS = {
    "chunk-cut": Fault(_cut(JSON + CHUNKED + b"2\r\n{}\r\n")),
    "chunk-bad": Fault(_cut(JSON + CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n")),
    "chunk-huge": Fault(_cut(JSON + CHUNKED + b"%x\r\n{}" % 2**63)),
    "chunk-drip": Fault(_drip(JSON + CHUNKED + b"2;")),
    "trailer-drip": Fault(_drip(JSON + CHUNKED + b"2\r\n{}\r\n0\r\nX-Drip: ")),
    "length-twice": Fault(_cut(JSON + b"Content-Length: 2\r\n" + _length(4) + b"{}{}")),
    "length-negative": Fault(_cut(JSON + _length(-5) + b"{}")),
    "length-text": Fault(_cut(JSON + _length("many") + b"{}")),
    "length-huge": Fault(_cut(JSON + _length(10**18) + b"{}")),
    "length-long": _real(_length_long),
    "length-both": _real(_length_both),
    "no-length": _real(_no_length),
    "no-length-cut": _real(_no_length_cut),
    "endless": Fault(_endless(PICTURE + b"Connection: close\r\n\r\n" + FILE, BLOCK)),
    "slices": _real(_slices),
    "slow": replace(_real(_slow), takes="BYTES_A_SECOND", number=True),
    "slow-close": _real(_slow_close),
    "short": _real(_short),
}

# These belong to other tables, and are here for the connection.
A_CHUNK = b"10000\r\n" + BLOCK + b"\r\n"
FAILED_ENDLESS = Fault(_endless(FAILED + CHUNKED, A_CHUNK))
MOVED_ENDLESS = Fault(_endless(MOVED + CHUNKED, A_CHUNK), work="refused")
SSE_CUT = Fault(
    _cut(STATUS + b"Content-Type: text/event-stream\r\n" + CHUNKED + b'10\r\ndata: {"choices')
)
UNTYPED = _real(_plain, without="Content-Type")
