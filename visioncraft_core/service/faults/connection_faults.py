"""Faults that no HTTP library would send: silence, broken connections, wrong lengths and chunks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from .base import Fault, FaultContext, RawConnection, Sent, Work, body_of

End = Callable[[RawConnection], Awaitable[Sent]]

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


def _sends(data: bytes, then: End | None = None, *, work: Work = "done") -> Fault:
    """Sends `data` as it is; `then` goes on with the connection, else it is closed."""

    async def act(context: FaultContext) -> Sent:
        connection = RawConnection(context.request)
        await connection.send(data)
        return await then(connection) if then else Sent()

    return Fault(act, work=work)


def _dripping(data: bytes = b"x", every: float = DRIP) -> End:
    return lambda connection: connection.drip(data, every)


def _real(
    change: Callable[[bytes, bytes], bytes], then: End | None = None, *, without: str = ""
) -> Fault:
    """Sends a real answer by hand: `change` makes it of its head without a length and its body."""

    async def act(context: FaultContext) -> Sent:
        connection = RawConnection(context.request)
        await connection.send(change(*await _parts(context, without)))
        return await then(connection) if then else Sent()

    return Fault(act, work="real")


async def _parts(context: FaultContext, without: str = "") -> tuple[bytes, bytes]:
    """The head of the real answer, without its length and the header named, and its body."""
    real = await context.real()
    lines = [f"HTTP/1.1 {real.status} {real.reason}"]
    lines += [f"{name}: {value}" for name, value in real.headers.items() if name != without]
    return "".join(f"{line}\r\n" for line in lines).encode(), body_of(real)


def _whole(head: bytes, body: bytes) -> bytes:
    return head + _length(len(body)) + body


def _both_lengths(head: bytes, body: bytes) -> bytes:
    wrong = b"Content-Length: 7\r\n"
    return head + wrong + CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


async def _slices(context: FaultContext) -> Sent:
    whole = _whole(*await _parts(context))
    connection = RawConnection(context.request)
    for at in range(min(200, len(whole))):
        await connection.send(whole[at : at + 1])
        await asyncio.sleep(0.002)
    await connection.send(whole[200:])
    return Sent()


async def _slow(context: FaultContext) -> Sent:
    head, body = await _parts(context)
    connection = RawConnection(context.request)
    await connection.send(head + _length(len(body)))
    speed = int(context.arg or 100_000)
    step = max(1, speed // 50)
    for at in range(0, len(body), step):
        await connection.send(body[at : at + step])
        await asyncio.sleep(step / speed)
    return Sent()


async def _early_reset(context: FaultContext) -> Sent:
    return await RawConnection(context.request).reset()


SILENCE, RESET, CLOSING = RawConnection.silence, RawConnection.reset, b"Connection: close\r\n\r\n"

WAITING = {
    "hang": _sends(b"", SILENCE),
    "hang-headers": _sends(JSON, SILENCE),
    "hang-body": _sends(PICTURE + _length(len(FILE)) + FILE[:HALF], SILENCE),
    "drip-headers": _sends(STATUS + b"X-Drip: ", _dripping()),
    "drip-body": _sends(PICTURE + _length(10**6), _dripping()),
    "continue": _sends(b"", _dripping(b"HTTP/1.1 100 Continue\r\n\r\n", 0.1)),
}

BREAKING = {
    "reset": _sends(b"", RESET),
    "close": _sends(b""),
    "early-reset": Fault(_early_reset, work="refused", early=True),
    "reset-body": _sends(PICTURE + _length(len(FILE)) + FILE[:HALF], RESET),
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
}

LENGTHS = {
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
    "slices": Fault(_slices, work="real"),
    "slow": Fault(_slow, work="real", takes="BYTES_A_SECOND", number=True),
    "slow-close": _real(_whole, SILENCE),
    "short": _real(lambda head, body: head + _length(len(body) + 1) + body),
}

# These belong to other tables, and stand here because they are sent by hand.
A_CHUNK = b"10000\r\n" + BLOCK + b"\r\n"
FAILED_ENDLESS = _sends(FAILED + CHUNKED, _dripping(A_CHUNK, 0))
MOVED_ENDLESS = _sends(MOVED + CHUNKED, _dripping(A_CHUNK, 0), work="refused")
SSE_CUT = _sends(
    STATUS + b"Content-Type: text/event-stream\r\n" + CHUNKED + b'10\r\ndata: {"choices'
)
UNTYPED = _real(_whole, without="Content-Type")
