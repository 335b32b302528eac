"""Keeps a store within its bounds: the least recently used go first.

What was written since the last look is counted in a file, so that many short processes look as
seldom as a long one: a look at 20,000 answers takes a fifth of a second.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ..atomic import PART

MOST_BYTES = 2 * 2**30
MOST_REQUESTS = 50_000  # words are so small that they would never come to so many bytes
TRIM_EVERY = 32 * 2**20  # bytes written between two looks
BLOCK = 4096  # what the smallest file takes on a disk
FORGOTTEN = 3600.0  # seconds after which what was never finished belongs to nobody


class Thing(NamedTuple):
    """A file or folder, and when it was last used, in nanoseconds since 1970."""

    used: int
    size: int
    path: str


class Bounds:
    """Of the `objects` and `requests` in `folder`. A request's folder is as new as its last use,
    and each object at least as old as the newest request that names it."""

    def __init__(self, folder: Path, most_bytes: int, most_requests: int) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._most_requests = most_requests
        self._every = min(TRIM_EVERY, most_bytes // 8) // BLOCK

    def count(self, amount: int) -> None:
        """Counts `amount` bytes that were written for a request; trims where it is time to."""
        counter = self._folder / "untrimmed"
        with suppress(OSError):  # the next one counts, or the disk is gone
            handle = os.open(counter, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                # A byte for each block, those of the record and its folder as well.
                os.write(handle, b"." * (amount // BLOCK + 3))
                blocks = os.fstat(handle).st_size
            finally:
                os.close(handle)
            if blocks >= self._every:
                os.unlink(counter)  # fails where another process was first, which trims
                self._trim()

    def _trim(self) -> None:
        objects = sorted(_used(self._folder / "objects"))
        requests = sorted(_used(self._folder / "requests"))
        total = sum(thing.size for thing in objects)
        gone = 0
        while gone < len(objects) and total > self._most_bytes:
            total -= objects[gone].size
            gone += 1
        # Both lists are cut at the same moment, so that neither names what the other lost.
        surplus = max(len(requests) - self._most_requests, 0)
        if gone and gone < len(objects):
            oldest = objects[gone].used
            surplus = max(surplus, sum(thing.used < oldest for thing in requests))
        if 0 < surplus < len(requests):
            # The files of a request may have come long before its last.
            oldest = requests[surplus].used - int(FORGOTTEN * 1e9)
            gone = max(gone, sum(thing.used < oldest for thing in objects))
        for entry in _entries(self._folder / "claims"):
            _drop_forgotten(entry)  # of a process that was killed
        for thing in objects[:gone]:
            _drop_file(thing)
        for thing in requests[:surplus]:
            _drop_folder(thing)


def _used(root: Path) -> Iterator[Thing]:
    """What lies in the folders of `root`, without what was never finished, which goes."""
    for shelf in _entries(root):
        for entry in _entries(shelf):
            with suppress(OSError):
                status = entry.stat()
                if not entry.name.endswith(PART):
                    yield Thing(status.st_mtime_ns, status.st_size, entry.path)
                else:
                    _drop_forgotten(entry)


def _entries(folder: Path | os.DirEntry[str]) -> list[os.DirEntry[str]]:
    with suppress(OSError), os.scandir(folder) as entries:
        return list(entries)
    return []


def _drop_forgotten(entry: os.DirEntry[str]) -> None:
    with suppress(OSError):
        if time.time() - entry.stat().st_mtime > FORGOTTEN:
            os.unlink(entry)


def _drop_file(thing: Thing) -> None:
    with suppress(OSError):
        if _is_unused(thing):
            os.unlink(thing.path)


def _drop_folder(thing: Thing) -> None:
    with suppress(OSError):
        if _is_unused(thing):
            for entry in _entries(Path(thing.path)):
                os.unlink(entry)
            os.rmdir(thing.path)


def _is_unused(thing: Thing) -> bool:
    """Whether nobody came by since it was listed: another process may just have paid for it."""
    return os.stat(thing.path).st_mtime_ns == thing.used
