"""What a fault is: what it may look at, what it may do, and the socket under the request."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, cast

from aiohttp import web

from ..app import APP, App

BEFORE_RESET = 0.05  # seconds for what was sent to get there
MOST_WAITING = 256 * 1024  # bytes written ahead of a client that reads slowly
# What SO_LINGER takes: on, 0 seconds. Closing then sends RST instead of FIN.
_NO_LINGER = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class FaultContext:
    """The request that a fault answers; `arg` is what stood behind the fault's colon."""

    request: web.Request
    arg: str | None
    proceed: Handler

    async def real(self) -> web.Response:
        """The answer that the service gives without a fault, refusals included."""
        return cast("web.Response", await self.proceed(self.request))

    @property
    def app(self) -> App:
        return self.request.app[APP]

    def url(self, path: str) -> str:
        """The address of `path` on this server."""
        return f"{self.request.scheme}://{self.request.host}{path}"


Act = Callable[[FaultContext], Awaitable[web.StreamResponse]]
Work = Literal["done", "refused", "real"]


@dataclass(frozen=True)
class Fault:
    """What goes wrong. `takes` names the argument in the help; without it there is none.

    `work` tells whether the server pretends to have done the work, and counts it; "real" faults
    change a real answer, which counts itself.
    """

    act: Act
    work: Work = "done"
    takes: str = ""
    number: bool = False  # the argument is a whole number above 0
    refuses_with_arg: bool = False  # with an argument the work was not done
    early: bool = False  # happens before the body is read

    def counts(self, arg: str | None) -> bool:
        return self.work == "done" and not (self.refuses_with_arg and arg is not None)

    def accepts(self, arg: str | None) -> bool:
        if arg is None:
            return True
        if self.number:
            return arg.isascii() and arg.isdigit() and len(arg) < 10 and int(arg) > 0
        return bool(self.takes) and arg.isprintable()


def body_of(response: web.Response) -> bytes:
    return bytes(response.body) if isinstance(response.body, bytes | bytearray) else b""


class Sent(web.StreamResponse):
    """An answer that was sent already: aiohttp only has to close the connection."""

    def __init__(self) -> None:
        super().__init__()
        self.force_close()

    async def prepare(self, request: web.BaseRequest) -> None:
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        return None


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

    async def drip(self, data: bytes, every: float) -> Sent:
        """Sends `data` each `every` seconds for ever."""
        while True:
            await self.send(data)
            await asyncio.sleep(every)

    async def silence(self) -> Sent:
        """Sends nothing more and keeps the connection."""
        return await asyncio.get_running_loop().create_future()

    async def reset(self) -> Sent:
        """Ends with RST. What was sent gets there first."""
        while self._transport.get_write_buffer_size():
            await asyncio.sleep(0.01)
        await asyncio.sleep(BEFORE_RESET)
        if connection := self._transport.get_extra_info("socket"):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._transport.abort()
        return Sent()
