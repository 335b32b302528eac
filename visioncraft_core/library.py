"""The client that scripts, nodes and the command line use: it finds its server by itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .api.catalogs import CatalogSnapshot
from .api.fields import Request
from .background import in_event_loop, run_in_thread
from .client import BaseClient
from .generation.context import Decoder, OnProgress
from .generation.results import Result
from .profiles.paths import default_home
from .profiles.profile import Profile
from .profiles.profiles import AUTO, Profiles


class Client(BaseClient):
    """A client of one server. Use it in a `with` statement, or call `close`.

    `server` is the name of a profile, a URL or a Profile. By default it is the server that the
    environment or profiles.json names, else the sandbox of this process, which starts with the
    first call. `home` is the folder for settings and results; see VISIONCRAFT_HOME. Raises
    ConfigError. Safe to share between threads.
    """

    def __init__(self, server: str | Profile = AUTO, *, home: str | Path | None = None) -> None:
        folder = default_home() if home is None else Path(home)
        profile = server if isinstance(server, Profile) else Profiles(folder).find(server)
        super().__init__(profile, folder)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _base_url(self) -> str:
        if not self.profile.embedded:
            return super()._base_url()
        # Only now: a configured server needs neither aiohttp nor the drawing code.
        from .sandbox import embedded

        return embedded().url


class AsyncClient:
    """A `Client` for asyncio: its calls are awaited, several at a time, and a task that is
    cancelled cancels its call. Use it in an `async with` statement, or call `close`.
    """

    def __init__(self, server: str | Profile = AUTO, *, home: str | Path | None = None) -> None:
        self._client = Client(server, home=home)

    @property
    def profile(self) -> Profile:
        return self._client.profile

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    async def send(
        self,
        request: Request,
        *,
        seed: int | None = 0,
        on_progress: OnProgress | None = None,
        decoder: Decoder | None = None,
    ) -> Result:
        """Like `Client.send`; `on_progress` is called in the event loop."""
        return await self.send_all([request], seed=seed, on_progress=on_progress, decoder=decoder)

    async def send_all(
        self,
        requests: Sequence[Request],
        *,
        seed: int | None = 0,
        on_progress: OnProgress | None = None,
        decoder: Decoder | None = None,
    ) -> Result:
        """Like `Client.send_all`; `on_progress` is called in the event loop."""
        report = in_event_loop(on_progress)
        return await run_in_thread(
            lambda should_cancel: self._client.send_all(
                requests,
                seed=seed,
                on_progress=report,
                should_cancel=should_cancel,
                decoder=decoder,
            )
        )

    async def catalog(self, name: str, *, stale_if_error: bool = False) -> CatalogSnapshot:
        """Like `Client.catalog`."""
        return await run_in_thread(
            lambda should_cancel: self._client.catalog(
                name, stale_if_error=stale_if_error, should_cancel=should_cancel
            )
        )

    def close(self) -> None:
        self._client.close()
