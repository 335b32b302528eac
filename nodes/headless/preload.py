"""Loads torch while a run waits for its server: that takes seconds."""

from __future__ import annotations

import threading
from contextlib import suppress
from importlib import import_module


def torch() -> None:
    """Begins; the node that needs it waits for the rest."""
    threading.Thread(target=_load, name="visioncraft-torch", daemon=True).start()


def _load() -> None:
    with suppress(Exception):  # the node that needs it gets the same, and says so
        import_module("torch")
