"""The server's side: passes requests to a worker process, which is started when it is needed."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any, cast

from ....api import endpoints as api
from ....api.fields import Request
from ...engine import (
    EngineError,
    EngineUnavailable,
    GenerationFailed,
    InputRejected,
    Job,
    OutOfMemory,
    Output,
)
from .frames import frame, read_from
from .settings import DiffusersSettings

log = logging.getLogger("visioncraft.service")

LIBRARIES = ("torch", "diffusers", "transformers", "peft", "accelerate")
_LOOKS_WITHIN = 120.0  # seconds
_STOPS_WITHIN = 5.0  # seconds, before a worker is killed
_FAILURES: Mapping[str, type[EngineError]] = {
    each.__name__: each for each in (GenerationFailed, InputRejected, OutOfMemory)
}


class DiffusersEngine:
    """The models of `settings` on one device. Use on one event loop."""

    def __init__(self, settings: DiffusersSettings) -> None:
        self.settings = settings
        self._worker: _Worker | None = None
        self._starting = asyncio.Lock()

    def catalogs(self) -> Mapping[str, Sequence[str]]:
        return self.settings.catalogs()

    def serves(self, request: Request) -> bool:
        return self.settings.serves(request)

    async def generate(self, request: Request, job: Job) -> Output:
        async with self._starting:
            if self._worker is None or self._worker.ended:
                self._worker = await _Worker.start(self.settings)
            worker = self._worker
        return Output(await worker.ask(request, job))

    @property
    def process(self) -> int | None:
        """The number of the worker that was started last."""
        return self._worker and self._worker.process.pid

    async def problems(self) -> Sequence[str]:
        return await asyncio.to_thread(_problems, self.settings)

    async def close(self) -> None:
        if self._worker:
            await self._worker.close()


class _Worker:
    """A running process, which does one request after the other."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self._to = cast(asyncio.StreamWriter, process.stdin)
        self._from = cast(asyncio.StreamReader, process.stdout)
        self._numbers = count()
        self._asked: dict[int, tuple[Job, asyncio.Future[tuple[bytes, ...]]]] = {}
        self._listening = asyncio.ensure_future(self._listen())

    @classmethod
    async def start(cls, settings: DiffusersSettings) -> _Worker:
        offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}  # nothing is downloaded
        # They speak while they are imported.
        quiet = {"TRANSFORMERS_VERBOSITY": "error", "DIFFUSERS_VERBOSITY": "error"}
        threads = {"OMP_NUM_THREADS": str(settings.threads)} if settings.threads else {}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", f"{__package__}.worker"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, **offline, **quiet, **threads},
            start_new_session=True,  # Ctrl-C is for the server, which ends it
        )
        worker = cls(process)
        worker._to.write(frame(settings))
        return worker

    @property
    def ended(self) -> bool:
        return self._listening.done()

    async def ask(self, request: Request, job: Job) -> tuple[bytes, ...]:
        number, answer = next(self._numbers), asyncio.get_running_loop().create_future()
        self._asked[number] = job, answer
        try:
            self._to.write(frame((number, request, job.seed)))
            return await answer
        finally:
            del self._asked[number]
            if not answer.done() or answer.cancelled():
                self._to.write(frame((number, None, 0)))

    async def close(self) -> None:
        self._to.close()
        try:
            await asyncio.wait_for(self.process.wait(), _STOPS_WITHIN)
        except asyncio.TimeoutError:
            self.process.kill()
        await asyncio.wait([self._listening])

    async def _listen(self) -> None:
        """Until the process has ended; then everything asked has failed."""
        try:
            while True:
                number, what, *told = await read_from(self._from)
                if number not in self._asked:
                    continue  # it was cancelled
                job, answer = self._asked[number]
                if what == "progress":
                    job.progress(*told)
                elif what == "preview":
                    job.preview(*told)
                elif what == "loaded":
                    job.loaded(*told)
                elif answer.done():
                    continue
                elif what == "made":
                    answer.set_result(*told)
                else:
                    answer.set_exception(_FAILURES[what](*told))
        except (asyncio.IncompleteReadError, ConnectionError):
            status = await self.process.wait()
            if self._asked:
                log.warning("The worker of diffusers ended with status %s.", status)
        finally:
            for _, answer in self._asked.values():
                if not answer.done():
                    answer.set_exception(EngineUnavailable())


def _problems(settings: DiffusersSettings) -> Sequence[str]:
    if missing := [name for name in LIBRARIES if find_spec(name) is None]:
        what = f"The kind diffusers needs {', '.join(missing)}"
        return [f'{what}: pip install "visioncraft[diffusers]".']
    if not Path(settings.folder).is_dir():
        return [f"There is no folder {settings.folder}: correct `folder`."]
    if settings.device not in ("auto", "cpu") and not _is_usable(settings.device):
        return [f"torch can use no {settings.device} here: correct `device`, or leave it out."]
    return [
        f"{Path(settings.folder) / file} is missing, which {offer} needs."
        for offer, file in needed(settings)
        if not (Path(settings.folder) / file).exists()
    ]


@cache
def _is_usable(device: str) -> bool:
    """Asked in another process: torch takes seconds to load, and memory ever after."""
    command = [sys.executable, "-c", f"import torch; torch.empty(0, device={device!r})"]
    return subprocess.run(command, capture_output=True, timeout=_LOOKS_WITHIN).returncode == 0  # noqa: S603 - the configuration's checks know each device


def needed(offers: DiffusersSettings) -> list[tuple[str, str]]:
    """Each offer and a file that it needs."""
    files: list[tuple[str, Any]] = []
    for name, model in (*offers.models.items(), *offers.models_xl.items()):
        files += [(f"the model {name}", model.file), (f"the model {name}", model.refiner)]
    files += [(f"the LoRA {name}", file) for name, file in offers.loras.items()]
    if drawing := offers.img2img:
        files += [(api.ImageToImage.path, drawing.file), (api.ImageToImage.path, drawing.refiner)]
    if gif := offers.gif:
        files += [(api.GenerateGif.path, gif.checkpoint.file), (api.GenerateGif.path, gif.motion)]
    if offers.video:
        files.append((api.ImageToVideo.path, offers.video.file))
    return [(offer, file) for offer, file in dict.fromkeys(files) if file]
