"""An engine that has its results ready, for tests about all that happens around an engine."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache

import av
import numpy as np
from support.pictures import FRAMES, gradient, moving, png_of
from visioncraft.visioncraft_core.api.catalogs import bundled
from visioncraft.visioncraft_core.api.endpoints import Generate
from visioncraft.visioncraft_core.api.fields import Request
from visioncraft.visioncraft_core.service.engine import Job, Output


class InstantEngine:
    """Answers every request at once: tiny files, or the words "a red fox in the snow"."""

    def catalogs(self) -> Mapping[str, Sequence[str]]:
        return bundled()

    def serves(self, request: Request) -> bool:
        return True

    async def problems(self) -> Sequence[str]:
        return ()

    async def close(self) -> None:
        pass

    async def generate(self, request: Request, job: Job) -> Output:
        if request.output == "text":
            return Output(text="a red fox in the snow")
        if request.output == "animation":
            return Output((tiny_gif(),))
        if request.output == "video":
            return Output((tiny_video(),))
        count = request.image_count if isinstance(request, Generate) else 1
        return Output(tuple(tiny_picture(job.seed + number) for number in range(count)))


class MeetingEngine(InstantEngine):
    """Gives no result before `count` requests are inside at the same time."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._inside = 0
        self._met = asyncio.Event()

    async def generate(self, request: Request, job: Job) -> Output:
        self._inside += 1
        if self._inside == self._count:
            self._met.set()
        await self._met.wait()
        return await super().generate(request, job)


class Gate(InstantEngine):
    """Begins what it is asked and ends it when it is opened."""

    def __init__(self) -> None:
        self.begun: list[Job] = []
        self.cancelled = 0
        self._open: list[asyncio.Future[None]] = []

    def open(self) -> None:
        for future in self._open:
            with suppress(RuntimeError):  # the server is closed
                loop = future.get_loop()
                loop.call_soon_threadsafe(lambda f=future: f.done() or f.set_result(None))

    async def generate(self, request: Request, job: Job) -> Output:
        future = asyncio.get_running_loop().create_future()
        self._open.append(future)
        self.begun.append(job)
        try:
            await future
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return await super().generate(request, job)


class WaitingEngine(InstantEngine):
    """Gives no result; says when it began and when it was cancelled."""

    def __init__(self) -> None:
        self.begun, self.cancelled = threading.Event(), threading.Event()

    async def generate(self, request: Request, job: Job) -> Output:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()
        raise AssertionError


def tiny_picture(seed: int = 0) -> bytes:
    """A PNG file of 32 x 24 pixels; neighbouring seeds give different ones."""
    return png_of(np.roll(gradient(), seed % 32, axis=1))


@cache
def tiny_gif() -> bytes:
    return moving("GIF", FRAMES, 80)


@cache
def tiny_video() -> bytes:
    """An MP4 file of four frames, 32 x 24 pixels."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
        for frame in FRAMES:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
        container.mux(stream.encode())
    return buffer.getvalue()
