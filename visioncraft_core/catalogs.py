"""Names for choices: what the server said last over what the pack brings along.

`names` answers at once from memory, for widgets; only `remember` writes, and nothing here opens a
connection or raises.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path

log = logging.getLogger("visioncraft")


@cache
def bundled() -> dict[str, list[str]]:
    """Every catalog as publicly known around the specification's date."""
    return json.loads(Path(__file__).with_name("bundled.json").read_text("utf-8"))


class Catalogs:
    """The catalogs of one server, cached in `home`."""

    def __init__(self, home: Path, base_url: str) -> None:
        digest = sha256(base_url.encode()).hexdigest()[:16]
        self._path = home / "catalogs" / f"{digest}.json"
        self._known: dict[str, list[str]] | None = None

    def names(self, catalog: str) -> list[str]:
        """The names as last seen, else the bundled ones."""
        if self._known is None:
            self._known = self._read()
        return list(self._known.get(catalog) or bundled()[catalog])

    def remember(self, catalog: str, names: Sequence[str]) -> None:
        """Keeps a live list for the next start. A disk that refuses is no reason to fail."""
        self._known = {**self._read(), catalog: list(names)}
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                "w", encoding="utf-8", dir=self._path.parent, delete=False
            ) as part:
                json.dump(self._known, part, ensure_ascii=False)
            os.replace(part.name, self._path)
        except OSError as error:
            log.warning("The catalog %s could not be kept: %s", catalog, error)

    def _read(self) -> dict[str, list[str]]:
        try:
            stored = json.loads(self._path.read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        lists = stored.items() if isinstance(stored, dict) else ()
        return {
            name: names
            for name, names in lists
            if isinstance(names, list) and all(isinstance(n, str) for n in names)
        }
