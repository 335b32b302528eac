"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PART = ".part"


def write_whole(path: Path, content: bytes, *, secret: bool = False, durable: bool = False) -> None:
    """Writes `content` to `path` by way of a temporary file beside it. Raises OSError.

    A `secret` file can be read by its owner only; a `durable` one is on the disk when this returns,
    so that not even a power cut leaves half of it.
    """
    with part_of(path.parent, content, secret=secret, durable=durable) as part:
        os.replace(part, path)


@contextmanager
def part_of(
    folder: Path, content: bytes, *, secret: bool = False, durable: bool = False
) -> Iterator[Path]:
    """A temporary file in `folder` that holds `content`; at the end it is gone. Raises OSError."""
    handle, name = tempfile.mkstemp(dir=folder, suffix=PART)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        if not secret:  # mkstemp's own 0600 is for secrets, not for pictures
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(name, 0o666 & ~umask)
        yield Path(name)
    finally:
        with suppress(OSError):
            os.unlink(name)


def name_first_free(part: Path, candidates: Iterable[Path]) -> Path:
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
