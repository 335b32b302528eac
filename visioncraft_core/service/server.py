"""Runs an App in a thread of this process, on an address of its own."""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import suppress
from typing import TypeVar, cast

from aiohttp import web

from ..errors import ConfigError
from ..urls import is_loopback
from .app import App
from .connection_limits import ConnectionLimiter

# aiohttp's own lines quote the bytes that it could not read, and those may hold a key.
_silent = logging.Logger("visioncraft.service.aiohttp", logging.CRITICAL)
_LINGER = 2.0  # seconds for the rest of a body that was refused, so that the answer gets through
_TURNS = 4  # of the loop, which it takes to hand over an accepted connection

S = TypeVar("S", bound="Server")


class Server:
    """A running service; `url` is its base URL. Use as a context manager, or call `close`.

    `name` is what error messages call it. Other addresses than loopback must be meant: `public`.
    Raises ConfigError for those, and when the address cannot be listened on.
    """

    def __init__(
        self,
        app: App,
        *,
        name: str = "server",
        host: str = "127.0.0.1",
        port: int = 0,
        public: bool = False,
    ) -> None:
        if not public and not _on_loopback(host):
            raise ConfigError(
                f"The {name} would be reachable from outside on {host or 'every address'}.",
                "Use 127.0.0.1 or ::1, or add --i-know-this-is-public.",
            )
        self.app = app
        self.url = ""
        self._address = (host, port)
        self._failure = ""
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        # A daemon: a program that forgets to close it must still be able to end.
        self._thread = threading.Thread(target=self._run, name=f"visioncraft-{name}", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure:
            raise ConfigError(
                f"The {name} cannot listen on {host}:{port} ({self._failure}).",
                "Choose another port; 0 takes a free one.",
            )

    def __enter__(self: S) -> S:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def executions(self) -> int:
        """How many generations ended with a result, as a service that charges would count them."""
        return self.app.executions

    def close(self) -> None:
        if self._loop and self._thread.is_alive():
            with suppress(RuntimeError):  # it ended by itself in this very moment
                self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(timeout=2.5 + self.app.limits.stop_seconds)

    def _run(self) -> None:
        try:
            # It also ends the requests that nobody waits for any more.
            asyncio.run(self._serve())
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        limits = self.app.limits
        runner = web.AppRunner(
            self.app.build(),
            access_log=None,
            logger=_silent,
            handler_cancellation=True,  # a client that goes away ends its generation
            shutdown_timeout=0.2,
            keepalive_timeout=limits.keep_alive_seconds,
            lingering_time=_LINGER,
        )
        host, port = self._address
        self._loop = asyncio.get_running_loop()
        listening: asyncio.Server | None = None
        await runner.setup()
        limiter = ConnectionLimiter(limits, cast("web.Server", runner.server))
        self.app.arrived = limiter.arrived
        limiter.watch_writes()
        try:
            listening = await self._loop.create_server(
                lambda: limiter, host, port, backlog=max(100, limits.connections)
            )
            bound = listening.sockets[0].getsockname()
            self.app.address = (host, bound[1])
            self.url = f"http://{_in_url(host)}:{bound[1]}"
            self._ready.set()
            await self._stop.wait()
        except (OSError, OverflowError, UnicodeError) as error:
            self._failure = getattr(error, "strerror", None) or str(error)
        finally:
            if listening:
                await _stop_listening(listening)
            await self.app.drain(limits.stop_seconds)
            await runner.cleanup()
            limiter.close()


async def _stop_listening(server: asyncio.Server) -> None:
    """Closes it once all that it has accepted is served: a connection that has no transport by then
    would stay open and unanswered (CPython's assertion in Server._attach)."""
    for listener in server.sockets:
        with suppress(NotImplementedError):  # the loop of Windows has no readers
            asyncio.get_running_loop().remove_reader(listener)
    for _ in range(_TURNS):
        await asyncio.sleep(0)
    server.close()


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _on_loopback(host: str) -> bool:
    try:
        return is_loopback(f"http://{_in_url(host)}")
    except ValueError:
        return False
