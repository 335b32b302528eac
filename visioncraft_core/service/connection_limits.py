"""Counts connections before aiohttp sees them, and closes those that send no request or take no
answer."""

from __future__ import annotations

import asyncio
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
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
_MOST_REFUSED = 256  # that wait for it at once
_LOOKS = 10  # in `write_seconds`


@lru_cache(10_000)
def peer_of(address: str) -> str:
    """Who is at an IP address: of IPv6 a whole network, in which one client may have any number."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if not isinstance(ip, IPv6Address) or ip.ipv4_mapped:
        return str(getattr(ip, "ipv4_mapped", None) or ip)
    return ip.packed[:8].hex()


class ConnectionLimiter(asyncio.Protocol):
    """The first protocol of every connection, which hands those that it accepts to `server`."""

    def __init__(self, limits: Limits, server: web.Server) -> None:
        self._limits = limits
        self._server = server
        self._timers: dict[asyncio.BaseTransport, asyncio.TimerHandle] = {}
        # A handler lets go of a connection that it closes, but that lasts until all is written.
        # With their peers: thousands of addresses take long to read again.
        self._accepted: dict[web.RequestHandler, tuple[asyncio.Transport, str]] = {}
        self._refused = 0
        # Bytes that wait to be written, and how often they were looked at without progress.
        self._waiting: dict[asyncio.Transport, tuple[int, int]] = {}
        self._next_look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", transport)
        loop = asyncio.get_running_loop()
        if not self._has_room(transport):
            self._refused += 1
            transport.write(BUSY)
            seconds = _UNTIL_READ if self._refused <= _MOST_REFUSED else 0.0
            loop.call_later(seconds, self._end_refused, transport)
            return
        seconds = self._limits.header_seconds
        self._timers[transport] = loop.call_later(seconds, self._abort, transport)
        handler = self._server()
        self._accepted[handler] = transport, _peer(transport)
        transport.set_protocol(handler)
        handler.connection_made(transport)

    def arrived(self, transport: asyncio.BaseTransport | None) -> None:
        """A whole request header came: from here on the request is timed by itself."""
        if transport in self._timers:
            self._timers.pop(transport).cancel()

    def watch_writes(self) -> None:
        """Aborts, from now on, the connections whose clients take nothing of their answers."""
        before, self._waiting = self._waiting, {}
        self._forget_ended()
        for transport, _ in self._accepted.values():
            size = transport.get_write_buffer_size()
            size_before, looks = before.get(transport, (size, -1))
            if size:
                self._waiting[transport] = size, looks + 1 if size == size_before else 0
            if size and self._waiting[transport][1] >= _LOOKS:
                self._abort(transport)
        loop, seconds = asyncio.get_running_loop(), self._limits.write_seconds / _LOOKS
        self._next_look = loop.call_later(seconds, self.watch_writes)

    def close(self) -> None:
        if self._next_look:
            self._next_look.cancel()
        for transport in list(self._timers):
            self._abort(cast("asyncio.Transport", transport))

    def _has_room(self, transport: asyncio.Transport) -> bool:
        limits = self._limits
        if len(self._accepted) >= min(limits.connections, limits.peer_connections):
            self._forget_ended()
        if len(self._accepted) >= limits.connections:
            return False
        if len(self._accepted) < limits.peer_connections:
            return True
        peer = _peer(transport)
        return sum(each == peer for _, each in self._accepted.values()) < limits.peer_connections

    def _forget_ended(self) -> None:
        accepted = self._accepted
        self._accepted = {h: accepted[h] for h in self._server.connections if h in accepted}

    def _abort(self, transport: asyncio.Transport) -> None:
        self.arrived(transport)
        transport.abort()

    def _end_refused(self, transport: asyncio.Transport) -> None:
        self._refused -= 1
        transport.abort()


def _peer(transport: asyncio.Transport) -> str:
    return peer_of(str((transport.get_extra_info("peername") or [""])[0]))
