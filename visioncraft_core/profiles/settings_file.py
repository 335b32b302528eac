"""`profiles.json` on the disk: read on each use, changed by one program at a time."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

from ..atomic import file_lock, link_first_free, write_atomic
from ..errors import ConfigError, clip
from .paths import shown
from .profile import FILE

LOCK = "profiles.lock"
BROKEN = f"{FILE}.broken"

log = logging.getLogger("visioncraft")


def read(home: Path) -> dict[str, Any]:
    """The object in the file, with "profiles" at least. Raises ConfigError."""
    path = home / FILE
    try:
        _keep_private(path)
        stored = json.loads(path.read_text("utf-8-sig"))
    except (FileNotFoundError, NotADirectoryError):
        return {"profiles": {}}
    except OSError as error:
        raise _unreadable(path, str(error.strerror)) from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise _unreadable(path, f"it is no JSON from {place} on") from None
    except (ValueError, RecursionError):
        raise _unreadable(path, "it is no JSON in UTF-8") from None
    if not isinstance(stored, dict):
        raise _unreadable(path, "it is not an object")
    if not isinstance(stored.get("profiles", {}), dict):
        raise _unreadable(path, "its profiles are not an object")
    return {"profiles": {}, **stored}


def _unreadable(path: Path, why: str) -> ConfigError:
    return ConfigError(
        f"The settings in {clip(shown(path), 100)} cannot be read: {why}.",
        'Make it a JSON object like {"profiles": {"work": {"base_url": ..., "key": ...}}}.',
    )


def is_broken(home: Path) -> bool:
    """Whether there is a file that cannot be read."""
    try:
        read(home)
    except ConfigError:
        return True
    return False


@contextmanager
def change(home: Path) -> Iterator[dict[str, Any]]:
    """The object in the file, to be changed in place; it is written where nothing was raised.

    A file that cannot be read is kept as `profiles.json.broken`, and a new one begins. Raises
    ConfigError.
    """
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with file_lock(home / LOCK):
            broken = is_broken(home)
            stored = {"profiles": {}} if broken else read(home)
            yield stored
            content = json.dumps(stored, indent=2, ensure_ascii=False).encode()
            if broken:
                _set_aside(home)
            write_atomic(home / FILE, content, secret=True)
    except OSError as error:
        raise ConfigError(
            f"The settings could not be stored in {clip(shown(home), 100)} ({error.strerror}).",
            "Make this folder writable, or name another in VISIONCRAFT_HOME.",
        ) from None


def _set_aside(home: Path) -> None:
    """Keeps the file under the first free name; one that was kept before is not overwritten."""
    names = (home / (BROKEN if n == 1 else f"{BROKEN}.{n}") for n in count(1))
    kept = link_first_free(home / FILE, names)
    log.warning("%s could not be read; it is kept as %s.", FILE, kept.name)


def _keep_private(path: Path) -> None:
    """Makes a file with keys readable by its owner only, and warns where it was not."""
    if os.name == "posix" and path.stat().st_mode & 0o077:
        with suppress(OSError):  # somebody else's file, as in a container
            path.chmod(0o600)
        _warn_of_readers(path)


@cache  # once a file: where the mode cannot be changed, each use would warn
def _warn_of_readers(path: Path) -> None:
    log.warning("%s could be read by other users of this computer.", path.name)
