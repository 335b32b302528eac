"""Result files on disk, under names that cannot be guessed, until they are old or too many."""

from __future__ import annotations

import asyncio
import logging
import mmap
import re
import time
from contextlib import suppress
from pathlib import Path

from ..atomic import PART, write_atomic
from .published_files import PublishedFiles, new_name

log = logging.getLogger("visioncraft.service")

_NAME = re.compile(r"[0-9a-f]{32}\.[a-z0-9-]{2,16}")
_LOOK_SECONDS = 60.0  # between two looks at how old and large all files are
_OLD_PART = 3600.0  # seconds after which nobody writes an unfinished file any more


class ResultFiles(PublishedFiles):
    """Keeps the files of `hours`, at most `most_bytes` of them; the oldest go first.

    Several servers may share the folder. What the disk does not take is kept in memory instead, at
    most `most_in_memory` bytes.
    """

    def __init__(self, folder: Path, hours: float, most_bytes: int, most_in_memory: int) -> None:
        super().__init__(most_in_memory)
        self.hours = hours
        self.most_bytes = most_bytes
        self._folder = folder
        self._looked = -_LOOK_SECONDS
        self._written = 0  # bytes since the last look

    async def publish(self, content: bytes) -> str:
        name = new_name(content)
        try:
            await asyncio.to_thread(self._write, name, content)
        except OSError as error:
            log.error("A result cannot be written to the disk (%s).", error.strerror)
            return self._keep(name, content)
        return name

    async def content(self, name: str) -> bytes | memoryview | None:
        """From the disk as a map: what a slow client takes its time for costs no memory."""
        if not _NAME.fullmatch(name):
            return None
        return await super().content(name) or await asyncio.to_thread(self._mapped, name)

    def _write(self, name: str, content: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._written += len(content)
        now = time.monotonic()
        if now - self._looked > _LOOK_SECONDS or self._written > self.most_bytes / 20:
            self._looked, self._written = now, 0
            self._make_room(len(content))
        try:
            write_atomic(self._folder / name, content, secret=True)
        except OSError:  # the disk may be full
            self._make_room(self.most_bytes // 2)
            write_atomic(self._folder / name, content, secret=True)

    def _make_room(self, size: int) -> None:
        """Removes what is too old, and the oldest until `size` more bytes are within the limit."""
        found: list[tuple[float, int, Path]] = []
        for path in self._folder.iterdir():
            with suppress(OSError):  # another server may have removed it
                told = path.stat()
                # A file of the future is as new as can be: the clock was set back.
                age = max(time.time() - told.st_mtime, 0.0)
                if _NAME.fullmatch(path.name):
                    found.append((age, told.st_size, path))
                elif path.name.endswith(PART) and age > _OLD_PART:
                    path.unlink()
        held = sum(size for _, size, _ in found)
        for age, file_size, path in sorted(found, reverse=True):
            if age < self.hours * 3600 and held + size <= self.most_bytes:
                return
            with suppress(OSError):
                path.unlink()
                held -= file_size

    def _mapped(self, name: str) -> memoryview | None:
        path = self._folder / name
        try:
            with path.open("rb") as file:
                if time.time() - path.stat().st_mtime > self.hours * 3600:
                    return None
                return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        except (OSError, ValueError):  # an empty file has no map
            return None
