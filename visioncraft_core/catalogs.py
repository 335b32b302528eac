"""Names for choices: what the server said last over what the pack brings along.

`names` answers at once from memory, for widgets; only `remember` writes, and nothing here opens a
connection or raises.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Literal

from .files import write_whole

Source = Literal["live", "cached", "bundled"]

log = logging.getLogger("visioncraft")


@cache
def bundled() -> dict[str, list[str]]:
    """Every catalog as publicly known around the specification's date."""
    return json.loads(Path(__file__).with_name("bundled.json").read_text("utf-8"))


@dataclass(frozen=True)
class Listing:
    """The names of one catalog and where they come from. `seen` is seconds since 1970."""

    names: tuple[str, ...]
    source: Source = "bundled"
    seen: float = 0.0

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
        self._path = home / "catalogs" / f"{digest}.json"
        self._known: dict[str, Listing] | None = None

    def names(self, catalog: str) -> list[str]:
        """The names as last seen, else the bundled ones."""
        return list(self.last(catalog).names)

    def last(self, catalog: str) -> Listing:
        """The cached listing, else the bundled one."""
        if self._known is None:
            self._known = self._read()
        return self._known.get(catalog) or Listing(tuple(bundled()[catalog]))

    def remember(self, catalog: str, names: Sequence[str]) -> Listing:
        """Keeps a live list for the next start. A disk that refuses is no reason to fail."""
        now = time.time()
        self._known = {**self._read(), catalog: Listing(tuple(names), "cached", now)}
        stored = {
            name: {"names": known.names, "seen": known.seen} for name, known in self._known.items()
        }
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._path, json.dumps(stored, ensure_ascii=False).encode())
        except OSError as error:
            log.warning("The catalog %s could not be kept: %s", catalog, error)
        return Listing(tuple(names), "live", now)

    def _read(self) -> dict[str, Listing]:
        try:
            stored = json.loads(self._path.read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        entries = stored.items() if isinstance(stored, dict) else ()
        return {name: known for name, entry in entries if (known := _listing(entry))}


def _listing(entry: object) -> Listing | None:
    names = entry.get("names") if isinstance(entry, dict) else None
    seen = entry.get("seen") if isinstance(entry, dict) else None
    usable = isinstance(names, list) and names and all(isinstance(n, str) for n in names)
    if not isinstance(names, list) or not usable or not isinstance(seen, int | float):
        return None
    return Listing(tuple(names), "cached", float(seen))
