"""The one place of a user's previews, which a run leaves there for the next one to remove.

A preview is looked at after the run, when its path has been printed; ComfyUI too empties its temp
folder when it starts, not when a workflow ends. So nothing adds up, and every path that was told
stays true until the next run. What a run that still goes on has made stays for a day at least.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

LOCK = ".lock"
DAY = 24 * 3600.0  # seconds


def clear(folder: Path) -> None:
    """Removes the previews of runs that have ended. Never raises: they cost nothing but room."""
    with suppress(OSError):
        handle = os.open(folder / LOCK, os.O_RDWR)
        try:
            _remove(folder, unchanged_for=0.0 if _alone(handle) else DAY)
        finally:
            os.close(handle)


def enter(folder: Path) -> Path:
    """`folder`, kept from others until this process ends; another one if it cannot be used."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Never closed: the system frees the lock however the process ends.
        _share(os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError:
        return Path(tempfile.mkdtemp(prefix="visioncraft-"))
    return folder


def _remove(folder: Path, unchanged_for: float) -> None:
    latest = time.time() - unchanged_for
    for entry in os.scandir(folder):
        if entry.name != LOCK and entry.is_file(follow_symlinks=False):
            with suppress(OSError):
                if entry.stat(follow_symlinks=False).st_mtime <= latest:
                    os.unlink(entry)


if sys.platform == "win32":

    def _alone(handle: int) -> bool:
        del handle
        return False  # it has no lock that several can share, so only what is old goes

    def _share(handle: int) -> None:
        os.close(handle)

else:
    import fcntl

    def _alone(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _share(handle: int) -> None:
        with suppress(OSError):  # a network folder without locks
            fcntl.flock(handle, fcntl.LOCK_SH)  # waits while another run clears, not longer
