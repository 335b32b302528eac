"""Where settings, caches and paid results lie on this computer."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ..errors import ConfigError


def shown(path: Path) -> str:
    """`path` for a message: with ~ for the user's folder, because errors are pasted into issues."""
    with suppress(RuntimeError, ValueError):
        return str("~" / path.relative_to(Path.home()))
    return str(path)


def named_home(environ: Mapping[str, str] | None = None) -> Path | None:
    """The folder that VISIONCRAFT_HOME names, inside ComfyUI and outside."""
    environ = os.environ if environ is None else environ
    named = environ.get("VISIONCRAFT_HOME")
    # A shell expands no "~" between quotes, nor does a service manager.
    return Path(os.path.expanduser(named)) if named else None


def default_home(environ: Mapping[str, str] | None = None) -> Path:
    """Where settings and caches lie outside ComfyUI: the system's folder for a user's data.

    Raises ConfigError.
    """
    environ = os.environ if environ is None else environ
    if named := named_home(environ):
        return named
    try:
        if sys.platform == "win32":
            data = environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
        elif sys.platform == "darwin":
            data = Path.home() / "Library" / "Application Support"
        else:
            data = environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
        return Path(data, "visioncraft")
    except RuntimeError:  # a container may run as a user of whom the system knows nothing
        raise ConfigError(
            "There is no home folder to keep settings and results in.",
            "Name a folder for them in VISIONCRAFT_HOME.",
        ) from None
