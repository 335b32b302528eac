"""Where settings, caches and paid results lie on this computer."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path


def named_home(environ: Mapping[str, str] = os.environ) -> Path | None:
    """The folder that VISIONCRAFT_HOME names, inside ComfyUI and outside."""
    return Path(environ["VISIONCRAFT_HOME"]) if environ.get("VISIONCRAFT_HOME") else None


def default_home(environ: Mapping[str, str] = os.environ) -> Path:
    """Where settings and caches lie outside ComfyUI: the system's folder for a user's data."""
    if named := named_home(environ):
        return named
    if sys.platform == "win32":
        base = Path(environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "visioncraft"
