"""Names for choices: what the server listed last, else what the pack brings along.

Only `save` writes; nothing here opens a connection or raises.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Literal

from ..atomic import file_lock, write_atomic
from ..errors import VisionCraftError
from ..spelling import nearest

Source = Literal["live", "cached", "bundled"]

log = logging.getLogger("visioncraft")


@cache
def bundled() -> dict[str, list[str]]:
    """Every catalog as publicly known around the specification's date."""
    return json.loads(Path(__file__).with_name("bundled.json").read_text("utf-8"))


@dataclass(frozen=True)
class CatalogSnapshot:
    """The names of one catalog and where they come from. `seen` is seconds since 1970; `error` is
    why they are not live, where they were asked for."""

    names: tuple[str, ...]
    source: Source = "bundled"
    seen: float = 0.0
    error: VisionCraftError | None = None

    def describe(self, now: float | None = None) -> str:
        """Source and age in words."""
        if self.source == "live":
            return "live from the server"
        if self.source == "bundled":
            return "the bundled list of February 2024"
        hours = max(0.0, ((time.time() if now is None else now) - self.seen) / 3600)
        age = f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.0f} hours"
        return f"as the server listed it {age} ago"


class Catalogs:
    """The catalogs of one server, cached in `home`."""

    def __init__(self, home: Path, base_url: str) -> None:
        digest = sha256(base_url.encode()).hexdigest()[:16]
        self._home = home
        self._path = home / "catalogs" / f"{digest}.json"
        self._unsaved: dict[str, CatalogSnapshot] = {}

    def names(self, catalog: str) -> list[str]:
        """What a menu shows: the names as last seen, else, or where there are none, the bundled
        ones."""
        return list(self.last(catalog).names) or list(bundled()[catalog])

    def last(self, catalog: str) -> CatalogSnapshot:
        """The cached names, else the bundled ones."""
        return self._read().get(catalog) or CatalogSnapshot(tuple(bundled()[catalog]))

    def nearest(self, catalog: str, name: str) -> list[str]:
        """At most three names of a catalog that are spelled like `name`, the nearest first; none if
        it is listed itself. Servers take names in any case."""
        known = self.last(catalog).names
        return [] if name.lower() in map(str.lower, known) else nearest(name, known)

    def save(self, catalog: str, names: Sequence[str]) -> CatalogSnapshot:
        """Keeps a live list for the next start; if the disk refuses it, for this object."""
        live = CatalogSnapshot(tuple(names), "live", time.time())
        new = {catalog: replace(live, source="cached")}
        try:
            self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._path.parent.mkdir(exist_ok=True)
            with file_lock(self._path.with_suffix(".lock")):  # others may save another list
                known = {**self._read(), **new}
                stored = {n: {"names": each.names, "seen": each.seen} for n, each in known.items()}
                write_atomic(self._path, json.dumps(stored, ensure_ascii=False).encode())
        except OSError as error:
            if not self._unsaved:  # the next ones fail for the same reason
                log.warning("The server's lists could not be kept (%s).", error.strerror)
            self._unsaved = {**self._read(), **new}
        else:
            self._unsaved = {}
        return live

    def _read(self) -> dict[str, CatalogSnapshot]:
        if self._unsaved:
            return self._unsaved
        try:
            found = self._path.stat()
            return _read_file(self._path, (found.st_ino, found.st_size, found.st_mtime_ns))
        except (OSError, ValueError, RecursionError):
            return {}


@lru_cache(maxsize=16)  # menus ask for each list of each node
def _read_file(path: Path, _version: tuple[int, ...]) -> dict[str, CatalogSnapshot]:
    stored = json.loads(path.read_text("utf-8"))
    entries = stored.items() if isinstance(stored, dict) else ()
    return {name: known for name, entry in entries if (known := _parsed(entry))}


def _parsed(entry: object) -> CatalogSnapshot | None:
    match entry:
        case {"names": [*names], "seen": int() | float() as seen}:
            if all(isinstance(name, str) for name in names):
                return CatalogSnapshot(tuple(names), "cached", float(seen))
    return None
