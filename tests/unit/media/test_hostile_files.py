"""Every file of the corpus, taken the way that a result takes, in a process that is watched."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.hostile_files import CASES, Case, apng, mp4
from support.timing import at_most
from visioncraft.visioncraft_core.errors import DamagedFile, InvalidResponse, UnsafeContent
from visioncraft.visioncraft_core.media.animations import MOST_FRAMES, decode_animation
from visioncraft.visioncraft_core.media.images import MOST_PIXELS, decode, sniff
from visioncraft.visioncraft_core.media.integrity import check_integrity

pytestmark = pytest.mark.timed

PATIENCE = 60.0

_deeds: list[str] = []


@dataclass(frozen=True)
class Seen:
    outcome: str
    message: str
    size: tuple[int, int] | None
    seconds: float
    megabytes: float
    deeds: tuple[str, ...]


class Workers:
    """One process that opens the files, and another one when a file kills it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pool: ProcessPoolExecutor | None = None

    def see(self, name: str) -> Seen:
        if not self._pool:
            spawn = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(1, spawn, _watch, (self._folder,))
        try:
            return self._pool.submit(_see, name).result(PATIENCE)
        except (BrokenProcessPool, TimeoutError):
            self.close()
            raise

    def close(self) -> None:
        if self._pool:
            for process in list((self._pool._processes or {}).values()):
                process.kill()
            self._pool.shutdown()
        self._pool = None


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    workers = Workers(tmp_path_factory.mktemp("worker"))
    yield workers
    workers.close()


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_file_comes_to_its_end_in_bounds(name: str, workers: Workers):
    case, seen = CASES[name], workers.see(name)
    allowed = case.expect.split()
    if allowed != ["OK"]:
        allowed.append("not opened")
    assert seen.outcome in allowed, seen
    assert case.size in (None, seen.size)
    assert len(seen.message) < 300
    assert seen.seconds <= at_most(case.seconds)
    assert seen.megabytes <= case.megabytes
    assert not seen.deeds


# --- in the watched process


def _watch(folder: Path) -> None:
    os.chdir(folder)
    tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
    # What loads late would count as a file's doing.
    decode_animation(mp4())
    decode_animation(apng(2))
    sys.addaudithook(_note)


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open":
        writes = arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if not writes or str(arguments[0]).endswith("clear_refs"):
            return
    elif not event.startswith(("subprocess.", "socket.", "os.system", "os.exec", "os.fork")):
        return
    _deeds.append(f"{event} {arguments}")


def _see(name: str) -> Seen:
    case = CASES[name]
    content = case.make()
    _deeds.clear()
    before = _forget_peak()
    start = time.process_time()
    outcome, message, size = _outcome(content, case)
    seconds = time.process_time() - start
    megabytes = (_memory("VmHWM") - before) / 1024
    deeds = (*_deeds, *os.listdir())
    return Seen(outcome, message, size, seconds, megabytes, deeds)


def _forget_peak() -> int:
    """Lets the system measure the peak of memory anew; what is in use now, in kB."""
    if sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5")
    return _memory("VmRSS")


def _memory(field: str) -> int:
    if sys.platform != "linux":
        return 0
    return int(Path("/proc/self/status").read_text().partition(f"{field}:")[2].split()[0])


def _outcome(content: bytes, case: Case) -> tuple[str, str, tuple[int, int] | None]:
    kind = sniff(content)
    if not kind:
        # Nobody opens it; should somebody try nevertheless, the decoders do not know it either.
        for attempt in (decode, decode_animation):
            with pytest.raises(DamagedFile):
                attempt(content)
        return "not opened", "", None
    try:
        check_integrity(content, kind)
        if kind == "mp4" or case.moving:
            animation = decode_animation(content)
            assert animation.frames.dtype == np.uint8
            assert animation.frames.ndim == 4
            assert len(animation.frames) == len(animation.delays) <= MOST_FRAMES
            assert animation.frames.size <= 3 * MOST_PIXELS
            return "OK", "", animation.size
        picture = decode(content)
        assert picture.rgb.dtype == np.uint8
        assert picture.rgb.ndim == 3
        return "OK", "", picture.size
    except UnsafeContent as error:
        return "U", str(error), None
    except InvalidResponse as error:
        return "X", str(error), None
