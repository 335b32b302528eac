"""A server of the API with engines, keys and limits of its own: what `visioncraft serve` runs."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from ..errors import ConfigError
from ..service import observation
from ..service.accounts import AccountsUnavailable
from ..service.app import App, EngineState
from ..service.key_guessing import KeyGuessing
from ..service.limits import MIB, Limits
from ..service.observation import Observation
from ..service.queue import QueuedEngine
from ..service.result_files import Folder, ResultFiles, Store, check
from ..service.server import Server
from .configuration import FaultyConfiguration, read
from .database import Database
from .engines import Engines
from .metrics import Metrics
from .object_store import ObjectStore
from .settings import Configuration

if TYPE_CHECKING:
    from .ray_engine import Cluster

log = logging.getLogger("visioncraft.service")

PROBLEMS_KNOWN = 15.0  # seconds for which an engine is not asked again whether it is well
UNLOGGED = ("/health", "/metrics", "/progress")  # what programs ask again and again
# Of a configuration, what only a new start changes.
FIXED = (
    *("host", "port", "base_url", "proxies", "data", "database", "results", "stop_seconds"),
    *("body_mib", "connections"),
)

T = TypeVar("T")


class OwnServer(Server):
    """A running server with the engines of `configuration`, in `cluster` if there is one. See
    Server.

    Raises ConfigError as Server does, and where the database or the results cannot be used.
    """

    def __init__(self, configuration: Configuration, cluster: Cluster | None = None) -> None:
        self.configuration = configuration
        store = store_of(configuration)
        self.database = Database(configuration.database, configuration.tiers)
        self._cluster = cluster
        self.engines = (
            Engines(cluster.scaled(configuration.engines), self.database, cluster.build)
            if cluster
            else Engines(configuration.engines, self.database)
        )
        self.metrics = Metrics(lambda: self.engines.queues)
        limits = _limits(configuration)
        self.files = ResultFiles(
            store,
            configuration.results_hours,
            configuration.results_mib * MIB,
            limits.result_bytes,
        )
        self._problems: dict[QueuedEngine, tuple[float, Sequence[str]]] = {}
        app = App(
            self.engines,
            accounts=self.database,
            observers=[_log, self.metrics.observe],
            limits=limits,
            files=self.files,
            guessing=KeyGuessing(),
            base_url=configuration.base_url,
            proxies=configuration.proxies,
            routes={
                "/health": self._ready,
                "/health/live": self._live,
                "/health/ready": self._ready,
                "/metrics": self._metrics,
            },
            engine_states=self._engine_states,
            title="VisionCraft",
            example_key="",
        )
        app.stop = self.engines.turns.stop
        try:
            # A host other than loopback is in the file because somebody wants it.
            super().__init__(app, host=configuration.host, port=configuration.port, public=True)
        except ConfigError:
            self.database.close_now()
            raise

    def problems(self) -> list[str]:
        """What is missing or away now, in sentences. Takes seconds where an engine is away."""
        return self._on_loop(self._all_problems())

    def reload(self) -> None:
        """Reads the file again. Where it has faults, they are logged and nothing changes."""
        try:
            new = read(self.configuration.path)
        except FaultyConfiguration as error:
            for fault in error.faults:
                log.error("The configuration is not changed: %s", fault)
            return
        except ConfigError as error:
            log.error("The configuration is not changed: %s", error)
            return
        self._on_loop(self._change(new))

    async def _change(self, new: Configuration) -> None:
        for name in FIXED:
            if getattr(new, name) != getattr(self.configuration, name):
                log.warning("The new value of %s takes effect with the next start.", name)
        self.configuration = new
        engines = new.engines
        if self._cluster:
            engines = await asyncio.to_thread(self._cluster.scaled, engines)
        self.engines.change(engines)
        self.database.tiers = dict(new.tiers)
        self.files.hours, self.files.most_bytes = new.results_hours, new.results_mib * MIB
        log.info("The configuration was read again.")

    def _on_loop(self, work: Coroutine[Any, Any, T]) -> T:
        assert self._loop  # noqa: S101 - it runs once the server is there
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _all_problems(self) -> list[str]:
        lists = await asyncio.gather(*map(self._problems_of, self.engines.queues))
        return [problem for problems in lists for problem in problems]

    async def _problems_of(self, queue: QueuedEngine) -> Sequence[str]:
        when, known = self._problems.get(queue, (0.0, ()))
        if not when or time.monotonic() - when > PROBLEMS_KNOWN:
            known = await queue.problems()
            self._problems = {q: p for q, p in self._problems.items() if q in self.engines.queues}
            self._problems[queue] = time.monotonic(), known
        return known

    async def _engine_states(self) -> list[EngineState]:
        queues = self.engines.queues
        problems = await asyncio.gather(*map(self._problems_of, queues))
        return [
            {
                "name": queue.name,
                "ready": not found,
                "at_once": queue.at_once,
                "at_work": queue.at_work,
                "waiting": queue.waiting,
            }
            for queue, found in zip(queues, problems, strict=True)
        ]

    async def _live(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response({"status": "alive"})

    async def _ready(self, _request: web.Request) -> web.StreamResponse:
        """200 where requests can be let in and an engine is well. No names of files or hosts."""
        engines = {
            str(state["name"]): "ready" if state["ready"] else "has problems"
            for state in await self._engine_states()
        }
        try:
            await self.database.check()
            database = "ready"
        except AccountsUnavailable:
            database = "away"
        ready = database == "ready" and "ready" in engines.values() and not self.app.stopping
        told = {"status": "ready" if ready else "not ready", "database": database}
        return web.json_response({**told, "engines": engines}, status=200 if ready else 503)

    async def _metrics(self, request: web.Request) -> web.StreamResponse:
        """For whoever reaches the server itself, not for those who come through the proxy."""
        if "X-Forwarded-For" in request.headers:
            raise web.HTTPNotFound
        headers = {"Content-Type": CONTENT_TYPE_LATEST}
        return web.Response(body=self.metrics.text(), headers=headers)


def store_of(configuration: Configuration) -> Store:
    """Where results are kept. Raises ConfigError where nothing can be written."""
    results = configuration.results
    if "://" in results:
        return ObjectStore(results)
    folder = Path(results) if results else configuration.data / "results"
    try:
        check(store := Folder(folder))
    except OSError as error:
        raise ConfigError(
            f"Results cannot be written to {folder} ({error.strerror}).",
            "Choose another `results` or `data` folder in [server].",
        ) from None
    return store


def _limits(configuration: Configuration) -> Limits:
    body = configuration.body_mib * MIB
    connections = configuration.connections
    held = max(Limits.held_bytes, 4 * body)
    # Behind a proxy all come from one address.
    shared = bool(configuration.proxies)
    return Limits(
        stop_seconds=configuration.stop_seconds,
        connections=connections,
        peer_connections=connections if shared else connections * 3 // 4,
        max_active=connections,  # the queues are what limits it
        body_bytes=body,
        held_bytes=held,
        peer_held_bytes=held if shared else held * 3 // 4,
    )


def _log(seen: Observation) -> None:
    if not seen.endpoint.startswith(UNLOGGED):
        observation.write_log(seen)
