"""Counts connections before aiohttp sees them, and closes those that send no request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from .limits import Limits

BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n"
    b"Content-Type: application/json\r\nContent-Length: 34\r\n\r\n"
    b'{"detail": "Too many connections"}'
)
# Closing at once, with a request unread, would send RST, and the answer might be lost.
_UNTIL_READ = 1.0


class ConnectionLimiter:
    """Called for each connection; `make` gives the protocol of one that is accepted."""

    def __init__(self, limits: Limits, make: Callable[[], asyncio.Protocol]) -> None:
        self.limits = limits
        self.make = make
        self.open: dict[asyncio.BaseTransport, asyncio.TimerHandle] = {}
        self.refused: set[asyncio.Transport] = set()

    def __call__(self) -> asyncio.Protocol:
        return LimitedProtocol(self)

    def arrived(self, transport: asyncio.BaseTransport | None) -> None:
        """A whole request header came: from here on the request is timed by itself."""
        if transport in self.open:
            self.open[transport].cancel()

    def close(self) -> None:
        for transport in list(self.refused):
            transport.abort()


class LimitedProtocol(asyncio.Protocol):
    def __init__(self, limiter: ConnectionLimiter) -> None:
        self._limiter = limiter
        self._inner: asyncio.Protocol | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        loop = asyncio.get_running_loop()
        if len(self._limiter.open) >= self._limiter.limits.connections:
            self._limiter.refused.add(self._transport)
            self._transport.write(BUSY)
            loop.call_later(_UNTIL_READ, self._transport.abort)
            return
        seconds = self._limiter.limits.header_seconds
        self._limiter.open[transport] = loop.call_later(seconds, self._transport.abort)
        self._inner = self._limiter.make()
        self._inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport:
            self._limiter.refused.discard(self._transport)
            if timer := self._limiter.open.pop(self._transport, None):
                timer.cancel()
        if self._inner:
            self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._inner:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._inner else None

    def pause_writing(self) -> None:
        if self._inner:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._inner:
            self._inner.resume_writing()
