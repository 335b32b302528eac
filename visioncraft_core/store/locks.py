"""Lets one process at a time work on a request, by a lock on a file of its own.

The system releases the lock of a process that ends, however it ends. A file is left behind: to
remove it at once would give the next two processes locks on different files.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

from filelock import BaseFileLock, FileLock, Timeout

from ..cancellation import POLL_INTERVAL, ShouldCancel
from ..errors import Cancelled

LEFT_BEHIND = 3600.0  # seconds after which a file that nobody has locked may go


@contextmanager
def request_lock(
    path: Path, should_cancel: ShouldCancel, on_wait: Callable[[], object]
) -> Iterator[None]:
    """Waits until nobody else holds `path`, and holds it; `on_wait` is called before a wait.

    Where the disk is full or not writable, or knows no locks, nobody waits. Raises Cancelled.
    """
    lock = _lock(path)
    # FileLock raises NotImplementedError where a system has no locks at all.
    with suppress(OSError, NotImplementedError):
        if not _acquire(lock):
            _refuse_disk_without_locks(path)
            on_wait()
            while not _acquire(lock):
                if should_cancel():
                    raise Cancelled("Cancelled.", phase="queue", charged="no")
                time.sleep(POLL_INTERVAL)
    try:
        yield
    finally:
        with suppress(OSError):
            lock.release()


def remove_unused_locks(folder: Path) -> None:
    """Removes the files that were left behind in `folder`."""
    with suppress(OSError, NotImplementedError):
        for path in list(folder.iterdir()):
            if time.time() - path.stat().st_mtime > LEFT_BEHIND and _acquire(lock := _lock(path)):
                with lock, suppress(OSError):  # on Windows `lock` itself removes it
                    path.unlink()


def _lock(path: Path) -> BaseFileLock:
    return FileLock(path, mode=0o600)


def _acquire(lock: BaseFileLock) -> bool:
    # Not with a timeout: FileLock would wait without a look at should_cancel.
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    return True


def _refuse_disk_without_locks(path: Path) -> None:
    """Raises OSError where not even a new file can be locked: filelock before 3.24 takes that for
    a lock that somebody holds."""
    probe = path.with_name(f"{path.name}.{token_hex(8)}")
    with _lock(probe).acquire(blocking=False):
        pass
    probe.unlink(missing_ok=True)
