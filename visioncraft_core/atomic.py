"""Files that appear whole or not at all, and are changed by one at a time."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

from filelock import FileLock

PART = ".part"
LONGEST_WAIT = 10.0  # seconds for a lock; a change takes milliseconds
# What tempfile opens its files with: a link that somebody left there is not followed.
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
_NEW |= getattr(os, "O_BINARY", 0)


def write_atomic(
    path: Path, content: bytes, *, secret: bool = False, durable: bool = False
) -> None:
    """Writes `content` to `path` by way of a temporary file beside it. Raises OSError.

    A `secret` file can be read by its owner only; a `durable` one is on the disk when this returns,
    so that not even a power cut leaves half of it.
    """
    with temporary_file(path.parent, content, secret=secret, durable=durable) as part:
        os.replace(part, path)


@contextmanager
def temporary_file(
    folder: Path, content: bytes, *, secret: bool = False, durable: bool = False
) -> Iterator[Path]:
    """A temporary file in `folder` that holds `content`; at the end it is gone. Raises OSError."""
    # Not mkstemp: its files are the owner's only, and to open them as the user's umask says would
    # take a look at it, which sets it for all threads meanwhile.
    name = folder / f"tmp{token_hex(8)}{PART}"
    handle = os.open(name, _NEW, 0o600 if secret else 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        yield name
    finally:
        with suppress(OSError):
            name.unlink()


def link_first_free(part: Path, candidates: Iterable[Path]) -> Path:
    """Gives the whole file `part` the first of the names that nobody has; the name it got.

    Looking first would not do: another process may take the name in between. Raises OSError.
    """
    for path in candidates:
        with suppress(FileExistsError):
            _name(part, path)
            return path
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))


def _name(part: Path, path: Path) -> None:
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:
        # Memory cards and some network folders have no links: an empty file holds the name until
        # the whole one replaces it.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        try:
            os.replace(part, path)
        except OSError:
            with suppress(OSError):
                os.unlink(path)
            raise


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Lets one thread of one process at a time change what the file `path` stands for.

    Some network drives have no locks, or seem to be locked for ever: there the last writer wins.
    """
    lock = FileLock(path, mode=0o600)
    with suppress(OSError, NotImplementedError):  # Timeout is an OSError, too
        lock.acquire(timeout=LONGEST_WAIT)
    try:
        yield
    finally:
        lock.release()
