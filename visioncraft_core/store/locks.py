"""Lets one process at a time work on a thing, by an advisory lock on a file of its own.

The system takes the lock from a process that ends, however it ends.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..cancellation import LOOK_EVERY, ShouldCancel
from ..errors import Cancelled

if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)

    def _unlock(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)  # closing alone may take a while to count
else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_UN)


@contextmanager
def request_lock(path: Path, should_cancel: ShouldCancel) -> Iterator[None]:
    """Waits until nobody else holds `path`, and holds it; at the end it is gone.

    Where the disk is full or not writable, or knows no locks, nobody waits. Raises Cancelled.
    """
    handle = _held(path, should_cancel)
    try:
        yield
    finally:
        if handle is not None:
            with suppress(OSError):  # Windows keeps the name of an open file; the next one uses it
                os.unlink(path)
            with suppress(OSError):
                _unlock(handle)
            os.close(handle)


def _held(path: Path, should_cancel: ShouldCancel) -> int | None:
    while True:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:
            return None
        try:
            _lock(handle)
            if _is(handle, path):
                return handle
            os.close(handle)  # the last holder took the file away after this one opened it
            continue
        except (BlockingIOError, PermissionError):
            os.close(handle)
        except OSError:
            os.close(handle)
            return None
        if should_cancel():
            raise Cancelled("Cancelled.", phase="queue", charged="no")
        time.sleep(LOOK_EVERY)


def _is(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False
