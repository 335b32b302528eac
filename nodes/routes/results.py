"""Routes of the store: how much is kept, and removing all of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...visioncraft_core.store.store import MAX_BYTES, Store
from .guard import Refused, Route, require_single_user


def size(home: Path, _body: dict[str, Any]) -> dict[str, int]:
    files, used = Store(home / "store").size()
    return {"files": files, "bytes": used, "most_bytes": MAX_BYTES}


def clear(home: Path, body: dict[str, Any]) -> dict[str, int]:
    """Removes everything. The page asks the user first and says so with {"confirmed": true}."""
    require_single_user()
    if body.get("confirmed") is not True:
        raise Refused("This removes all stored results.", 'Confirm it with {"confirmed": true}.')
    Store(home / "store").clear()
    return size(home, {})


ROUTES: tuple[Route, ...] = (
    ("GET", "results", size),
    ("POST", "results/clear", clear),
)
