"""Counts connections before aiohttp sees them, and closes those that send no request."""

from __future__ import annotations

import asyncio
from typing import cast

from aiohttp import web

from .limits import Limits

BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n"
    b"Content-Type: application/json\r\nContent-Length: 34\r\n\r\n"
    b'{"detail": "Too many connections"}'
)
# Closing at once, with a request unread, would send RST, and the answer might be lost.
_UNTIL_READ = 1.0


class ConnectionLimiter(asyncio.Protocol):
    """The first protocol of every connection, which hands those that it accepts to `server`."""

    def __init__(self, limits: Limits, server: web.Server) -> None:
        self._limits = limits
        self._server = server
        self._timers: dict[asyncio.BaseTransport, asyncio.TimerHandle] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", transport)
        refused = len(self._server.connections) >= self._limits.connections
        seconds = _UNTIL_READ if refused else self._limits.header_seconds
        loop = asyncio.get_running_loop()
        self._timers[transport] = loop.call_later(seconds, self._abort, transport)
        if refused:
            transport.write(BUSY)
        else:
            handler = self._server()
            transport.set_protocol(handler)
            handler.connection_made(transport)

    def arrived(self, transport: asyncio.BaseTransport | None) -> None:
        """A whole request header came: from here on the request is timed by itself."""
        if transport in self._timers:
            self._timers.pop(transport).cancel()

    def close(self) -> None:
        for transport in list(self._timers):
            self._abort(cast("asyncio.Transport", transport))

    def _abort(self, transport: asyncio.Transport) -> None:
        self.arrived(transport)
        transport.abort()
