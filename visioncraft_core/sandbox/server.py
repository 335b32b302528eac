"""Runs a sandbox in a thread of this process, for newcomers, tests and `visioncraft sandbox`."""

from __future__ import annotations

import asyncio
import threading
from functools import cache
from typing import Any

from aiohttp import web

from ..errors import ConfigError
from .app import App


class Sandbox:
    """A running sandbox; `url` is its base URL. Use as a context manager, or call `close`.

    Raises ConfigError when the address cannot be listened on.
    """

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, **options: Any) -> None:
        self.app = App(**options)
        self.url = ""
        self._address = (host, port)
        self._failure = ""
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        # A daemon: a program that forgets to close it must still be able to end.
        self._thread = threading.Thread(target=self._run, name="visioncraft-sandbox", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure:
            raise ConfigError(
                f"The sandbox cannot listen on {host}:{port} ({self._failure}).",
                "Choose another port; 0 takes a free one.",
            )

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def requests(self) -> tuple[str, ...]:
        """Every request so far as "METHOD /path", oldest first."""
        return tuple(self.app.requests)

    def close(self) -> None:
        if self._loop and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(timeout=3)

    def _run(self) -> None:
        try:
            # It also ends the requests that nobody waits for any more.
            asyncio.run(self._serve())
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        runner = web.AppRunner(self.app.build(), access_log=None, shutdown_timeout=0.2)
        host, port = self._address
        self._loop = asyncio.get_running_loop()
        try:
            await runner.setup()
            site = web.TCPSite(runner, host, port)
            await site.start()
            bound = runner.addresses[0]
            self.app.address = (host, bound[1])
            shown = f"[{host}]" if ":" in host else host
            self.url = f"http://{shown}:{bound[1]}"
            self._ready.set()
            await self._stop.wait()
        except (OSError, OverflowError, UnicodeError) as error:
            self._failure = getattr(error, "strerror", None) or str(error)
        finally:
            await runner.cleanup()


_starting = threading.Lock()


def embedded() -> Sandbox:
    """The sandbox of this process, started on first use; it ends with the process."""
    with _starting:  # two nodes that begin together must get the same one
        return _embedded()


@cache
def _embedded() -> Sandbox:
    return Sandbox()
