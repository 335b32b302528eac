"""Result files in a folder or another store, under names that cannot be guessed, until they are old
or too many.
"""

from __future__ import annotations

import asyncio
import logging
import mmap
import re
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from ..atomic import PART, write_atomic
from .published_files import PublishedFiles, new_name

log = logging.getLogger("visioncraft.service")

_NAME = re.compile(r"[0-9a-f]{32}\.[a-z0-9-]{2,16}")
_LOOK_SECONDS = 60.0  # between two looks at how old and large all files are
_OLD_PART = 3600.0  # seconds after which nobody writes an unfinished file any more


class Stored(NamedTuple):
    """A file as its store lists it; `age` is in seconds."""

    age: float
    size: int
    name: str


class Store(Protocol):
    """Keeps files by name. Several servers may share it; used in threads. All raise OSError."""

    def write(self, name: str, content: bytes) -> None: ...

    def read(self, name: str, most_age: float) -> bytes | memoryview | None:
        """None where there is no such file, or it is older than `most_age` seconds."""
        ...

    def files(self) -> Iterable[Stored]: ...

    def remove(self, name: str) -> None: ...


def check(store: Store) -> None:
    """Raises OSError where nothing can be written, but not where a disk is full: the oldest results
    will make room."""
    store.write("visioncraft-check", b"")
    store.remove("visioncraft-check")


class Folder:
    """A store on disk; only its owner may read it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, name: str, content: bytes) -> None:
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(self._path / name, content, secret=True)

    def read(self, name: str, most_age: float) -> memoryview | None:
        """As a map: what a slow client takes its time for costs no memory."""
        path = self._path / name
        try:
            with path.open("rb") as file:
                if time.time() - path.stat().st_mtime > most_age:
                    return None
                return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        except (OSError, ValueError):  # an empty file has no map
            return None

    def files(self) -> Iterable[Stored]:
        for path in self._path.iterdir():
            with suppress(OSError):  # another server may have removed it
                told = path.stat()
                age = time.time() - told.st_mtime
                if path.name.endswith(PART) and age > _OLD_PART:
                    path.unlink()
                yield Stored(age, told.st_size, path.name)

    def remove(self, name: str) -> None:
        (self._path / name).unlink(missing_ok=True)


class ResultFiles(PublishedFiles):
    """Keeps the files of `hours`, at most `most_bytes` of them; the oldest go first.

    What the store does not take is kept in memory instead, at most `most_in_memory` bytes.
    """

    def __init__(self, store: Store, hours: float, most_bytes: int, most_in_memory: int) -> None:
        super().__init__(most_in_memory)
        self.hours = hours
        self.most_bytes = most_bytes
        self._store = store
        self._looked = -_LOOK_SECONDS
        self._looking: asyncio.Future[None] | None = None
        self._written = 0  # bytes since the last look

    async def publish(self, content: bytes) -> str:
        name = new_name(content)
        try:
            await asyncio.to_thread(self._write, name, content)
        except OSError as error:
            log.error("A result cannot be stored (%s).", error.strerror or type(error).__name__)
            return self._keep(name, content)
        self._written += len(content)
        self._look()
        return name

    async def content(self, name: str) -> bytes | memoryview | None:
        if not _NAME.fullmatch(name):
            return None
        return await super().content(name) or await asyncio.to_thread(self._read, name)

    def _read(self, name: str) -> bytes | memoryview | None:
        try:
            return self._store.read(name, self.hours * 3600)
        except OSError as error:
            log.error("A result cannot be read (%s).", error.strerror or type(error).__name__)
            return None

    def _look(self) -> None:
        """Removes what is too old or too much, while nobody waits: a large store lists long."""
        now = time.monotonic()
        due = now - self._looked > _LOOK_SECONDS or self._written > self.most_bytes / 20
        if due and (not self._looking or self._looking.done()):
            self._looked, self._written = now, 0
            self._looking = asyncio.ensure_future(asyncio.to_thread(self._remove_surplus))

    def _remove_surplus(self) -> None:
        try:
            self._make_room(0)
        except OSError as error:
            log.error("Old results cannot be removed (%s).", error.strerror)

    def _write(self, name: str, content: bytes) -> None:
        try:
            self._store.write(name, content)
        except OSError:  # the disk may be full
            self._make_room(self.most_bytes // 2)
            self._store.write(name, content)

    def _make_room(self, size: int) -> None:
        """Removes what is too old, and the oldest until `size` more bytes are within the limit.

        Servers that do so at the same time remove the same files, and no more.
        """
        found = [file for file in self._store.files() if _NAME.fullmatch(file.name)]
        held = sum(file.size for file in found)
        for file in sorted(found, reverse=True):
            # A file of the future is as new as can be: the clock was set back.
            if file.age < self.hours * 3600 and held + size <= self.most_bytes:
                return
            with suppress(OSError):
                self._store.remove(file.name)
                held -= file.size
