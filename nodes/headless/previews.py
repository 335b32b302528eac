"""The folder of a user's previews, which a run leaves there for the next one to remove.

A preview is looked at after the run, when its path has been printed; ComfyUI too empties its temp
folder when it starts, not when a workflow ends. So nothing adds up, and every path that was printed
stays true until the next run. What a run that still goes on has made stays for a day at least.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

from filelock import BaseFileLock, FileLock

LOCK = ".lock"
DAY = 24 * 3600.0  # seconds

_held: list[BaseFileLock] = []  # a lock ends when nobody refers to it


def clear(folder: Path) -> None:
    """Removes the previews of runs that have ended. Never raises: they cost nothing but room."""
    with suppress(OSError):
        entries = list(folder.iterdir())  # before the locks: what a run adds from now on stays
        ended = all([_unlock(entry) for entry in entries if entry.suffix == LOCK])
        latest = time.time() - (0.0 if ended else DAY)
        for entry in entries:
            with suppress(OSError):
                if entry.suffix != LOCK and entry.lstat().st_mtime <= latest:
                    entry.unlink()


def enter(folder: Path) -> Path:
    """`folder`, kept from others until this process ends; another one if it cannot be used."""
    path = folder / f"{token_hex(8)}{LOCK}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(0o600)
    except OSError:
        return Path(tempfile.mkdtemp(prefix="visioncraft-"))
    lock = FileLock(path, mode=0o600)
    with suppress(OSError, NotImplementedError):  # a network folder without locks
        lock.acquire(timeout=1.0)  # another run clears, but not for longer
    _held.append(lock)
    return folder


def _unlock(path: Path) -> bool:
    """Removes the lock of a run that has ended, however it ended; False where it still goes on."""
    try:
        with FileLock(path).acquire(blocking=False):
            path.unlink(missing_ok=True)
    except (OSError, NotImplementedError):
        return False
    return True
