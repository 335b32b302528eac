"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

PART = ".part"


def write_whole(path: Path, content: bytes, *, secret: bool = False, durable: bool = False) -> None:
    """Writes `content` to `path` by way of a temporary file beside it. Raises OSError.

    A `secret` file can be read by its owner only; a `durable` one is on the disk when this returns,
    so that not even a power cut leaves half of it.
    """
    handle, part = tempfile.mkstemp(dir=path.parent, suffix=PART)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        if not secret:  # mkstemp's own 0600 is for secrets, not for pictures
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(part, 0o666 & ~umask)
        os.replace(part, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(part)
        raise
