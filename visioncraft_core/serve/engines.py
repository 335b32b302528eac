"""The engines of a configuration, each behind a queue of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence

from ..api.fields import Request
from ..service.engine import Engine, Job, Output
from ..service.engines.comfyui.engine import ComfyUIEngine
from ..service.engines.comfyui.settings import ComfyUISettings
from ..service.engines.diffusers.engine import DiffusersEngine
from ..service.engines.diffusers.settings import DiffusersSettings
from ..service.engines.openai import OpenAIEngine, OpenAIServer
from ..service.engines.painted.engine import PaintedEngine
from ..service.engines.router import Router
from ..service.engines.upscale import UpscaleEngine
from ..service.queue import Leases, QueuedEngine, Turns
from .settings import EngineSettings, UpscaleSettings

_LOOKS = 0.2  # seconds between two looks whether an engine that is no longer used is idle


def build(settings: EngineSettings) -> Engine:
    match settings.settings:
        case ComfyUISettings() as comfyui:
            return ComfyUIEngine(comfyui, settings.models or 1)
        case DiffusersSettings() as diffusers:
            return DiffusersEngine(diffusers)
        case OpenAIServer() as server:
            return OpenAIEngine(server)
        case UpscaleSettings(model, threads):
            return UpscaleEngine(model, threads)
        case _:
            return PaintedEngine()


class Engines:
    """Those that are used now, as one engine. Used on one event loop.

    Other settings take effect without a pause: an engine whose settings are the same goes on, and
    one that is no longer used ends what it has begun. `leases` are those of `Turns`.
    """

    def __init__(
        self,
        engines: Iterable[EngineSettings],
        leases: Leases | None = None,
        build: Callable[[EngineSettings], Engine] = build,
    ) -> None:
        self.turns = Turns(leases)
        self._build = build
        self._used: dict[str, tuple[EngineSettings, QueuedEngine]] = {}
        self._retiring: set[asyncio.Task[None]] = set()
        self._router = self._use(engines)

    @property
    def queues(self) -> Sequence[QueuedEngine]:
        return [queue for _, queue in self._used.values()]

    def change(self, engines: Iterable[EngineSettings]) -> None:
        """Uses these from now on."""
        before = self.queues
        self._router = self._use(engines)
        for queue in before:
            if queue not in self.queues:
                task = asyncio.ensure_future(_retire(queue))
                self._retiring.add(task)
                task.add_done_callback(self._retiring.discard)

    def catalogs(self) -> Mapping[str, Sequence[str]]:
        return self._router.catalogs()

    def serves(self, request: Request) -> bool:
        return self._router.serves(request)

    async def generate(self, request: Request, job: Job) -> Output:
        return await self._router.generate(request, job)

    async def problems(self) -> Sequence[str]:
        return await self._router.problems()

    async def close(self) -> None:
        for task in self._retiring:
            task.cancel()
        await asyncio.gather(self._router.close(), *self._retiring, return_exceptions=True)

    def _use(self, engines: Iterable[EngineSettings]) -> Router:
        before, self._used = self._used, {}
        for settings in engines:
            known = before.get(settings.name)
            if known and _built_from(known[0]) == _built_from(settings):
                queue = known[1]
                queue.at_once, queue.length = settings.at_once, settings.queue
            else:
                scale = settings.scale
                queue = QueuedEngine(
                    self._build(settings),
                    self.turns,
                    name=settings.name,
                    at_once=settings.at_once,
                    length=settings.queue,
                    model_of=settings.model_of,
                    models=settings.models or 1,
                    instances=scale.max_replicas if scale.at_once else 1,
                )
            self._used[settings.name] = settings, queue
        for queue in self.queues:
            queue.admit()  # it may have more room now
        return Router(self.queues)


def _built_from(settings: EngineSettings) -> tuple[object, ...]:
    return settings.kind, settings.settings, settings.scale, settings.models


async def _retire(queue: QueuedEngine) -> None:
    try:
        while queue.load:
            await asyncio.sleep(_LOOKS)
    finally:
        await queue.close()
