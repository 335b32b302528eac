"""An engine in a process of a Ray cluster. See ray_engine."""

# pyright: reportMissingImports=false

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from ray import serve

from ..api.fields import Request
from ..service.accounts import Turn
from ..service.engine import Engine, EngineError, Job, Output
from ..service.instances import Instance
from .settings import EngineSettings

# What a replica tells of a request, in this order: any number of PROGRESS and PREVIEW, which models
# it has LOADED, and how it ENDED: with an Output or an EngineError.
PROGRESS, PREVIEW, LOADED, ENDED = "progress", "preview", "loaded", "ended"
Told = tuple[str, Any]


class Replica:
    """Makes results as `build(settings)` does, for whoever has a handle to it."""

    use: Callable[[str], Awaitable[str]]  # notes a model; the engine loads it by itself

    def __init__(self, settings: EngineSettings, build: Callable[[EngineSettings], Engine]) -> None:
        self._engine = build(settings)
        self._models = settings.models or 1
        self._instance = Instance()

    async def generate(
        self, request: Request, seed: int, history: Sequence[Turn]
    ) -> Sequence[Told]:
        """Tells how it ended."""
        await self._use_model()
        job = Job(seed, history=history, loaded=self._loaded, watched=False)
        return await self._ended(self._engine.generate(request, job))

    async def generate_watched(
        self, request: Request, seed: int, history: Sequence[Turn]
    ) -> AsyncIterator[Sequence[Told]]:
        """Tells what happens, too; each answer costs a message between processes."""
        await self._use_model()
        told: asyncio.Queue[Told | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def tell(kind: str, what: Any) -> None:
            loop.call_soon_threadsafe(told.put_nowait, (kind, what))

        job = Job(
            seed,
            progress=lambda done, total: tell(PROGRESS, (done, total)),
            preview=lambda picture: tell(PREVIEW, picture),
            history=history,
            loaded=self._loaded,
        )
        work = asyncio.ensure_future(self._engine.generate(request, job))
        work.add_done_callback(lambda _: told.put_nowait(None))
        try:
            ended = False
            while not ended:
                news = [await told.get()]
                while not told.empty():
                    news.append(told.get_nowait())
                ended = work.done()
                yield [*filter(None, news), *(await self._ended(work) if ended else ())]
        finally:  # also when whoever asked is gone
            work.cancel()
            await asyncio.wait([work])

    async def problems(self) -> Sequence[str]:
        return await self._engine.problems()

    async def _use_model(self) -> None:
        if model := serve.get_multiplexed_model_id():
            await self.use(model)
            self._instance.use(model, self._models)

    def _loaded(self, models: Sequence[str]) -> None:
        self._instance.loaded = dict.fromkeys(models)

    async def _ended(self, work: Awaitable[Output]) -> Sequence[Told]:
        try:
            ended: Output | EngineError = await work
        except EngineError as error:
            ended = error
        return (LOADED, [*self._instance.loaded]), (ENDED, ended)


def replica(models: int) -> type[Replica]:
    """A replica of which Ray knows which models it used last, as many as the engine keeps."""

    class Multiplexed(Replica):
        @serve.multiplexed(max_num_models_per_replica=models)
        async def use(self, model: str) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
            return model

    return Multiplexed
