"""Names for choices: what the server said last over what the pack brings along.

`names` answers at once from memory, for widgets; only `save` writes, and nothing here opens a
connection or raises.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Literal

from ..atomic import write_atomic
from ..errors import VisionCraftError

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
        self._path = home / "catalogs" / f"{digest}.json"
        self._unkept: dict[str, CatalogSnapshot] = {}  # what the disk refused

    def names(self, catalog: str) -> list[str]:
        """The names as last seen, else the bundled ones."""
        return list(self.last(catalog).names)

    def last(self, catalog: str) -> CatalogSnapshot:
        """The cached listing, else the bundled one."""
        known = self._unkept.get(catalog) or self._read().get(catalog)
        return known or CatalogSnapshot(tuple(bundled()[catalog]))

    def save(self, catalog: str, names: Sequence[str]) -> CatalogSnapshot:
        """Keeps a live list for the next start. A disk that refuses is no reason to fail."""
        now = time.time()
        listing = CatalogSnapshot(tuple(names), "cached", now)
        stored = {
            name: {"names": known.names, "seen": known.seen}
            for name, known in {**self._read(), **self._unkept, catalog: listing}.items()
        }
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self._path, json.dumps(stored, ensure_ascii=False).encode())
        except OSError as error:
            if not self._unkept:  # once: the next ones fail for the same reason
                log.warning("The server's lists could not be kept (%s).", error.strerror)
            self._unkept[catalog] = listing
        else:
            self._unkept.clear()
        return CatalogSnapshot(tuple(names), "live", now)

    def _read(self) -> Mapping[str, CatalogSnapshot]:
        """The listings of the file, which is read again only when it is another one."""
        try:
            status = self._path.stat()
            # Files are replaced, so even two of one moment and one size differ in their number.
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            last = _last_read.get(self._path)
            if last and last[0] == stamp:
                return last[1]
            stored = json.loads(self._path.read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        entries = stored.items() if isinstance(stored, dict) else ()
        known = {name: known for name, entry in entries if (known := _listing(entry))}
        _last_read[self._path] = stamp, known
        return known


# By file: its stamp and what it says. ComfyUI asks every node for its menus at once and often.
_last_read: dict[Path, tuple[tuple[int, int, int], Mapping[str, CatalogSnapshot]]] = {}


def _listing(entry: object) -> CatalogSnapshot | None:
    names = entry.get("names") if isinstance(entry, dict) else None
    seen = entry.get("seen") if isinstance(entry, dict) else None
    usable = isinstance(names, list) and names and all(isinstance(n, str) for n in names)
    if not isinstance(names, list) or not usable or not isinstance(seen, int | float):
        return None
    return CatalogSnapshot(tuple(names), "cached", float(seen))
