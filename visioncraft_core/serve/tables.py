"""The tables of a visioncraft.toml, and what is wrong in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..plain_text import plain
from ..spelling import did_you_mean
from . import checks
from .checks import Check

Table = Mapping[str, Any]


class Tables:
    """Goes through a file once; what is wrong is noted in `faults` and left out."""

    def __init__(self, file_name: str, given: Table) -> None:
        self.given = given
        self.faults: list[str] = []
        self._file_name = file_name

    def fault(self, place: str, words: str) -> None:
        self.faults.append(plain(f"{self._file_name}, {place} {words}"))

    def checked(
        self, place: str, given: Any, known_keys: Mapping[str, Check], required: Iterable[str] = ()
    ) -> dict[str, Any]:
        """The values of a table that are right."""
        if not isinstance(given, dict):
            self.fault(place, f"is no table. Write its keys in it: {', '.join(known_keys)}.")
            return {}
        values: dict[str, Any] = {}
        for name, value in given.items():
            if name not in known_keys:
                known = did_you_mean(name, known_keys) or f"Use {', '.join(known_keys)}."
                self.fault(f"{place} {name}", f"is not known. {known}")
                continue
            try:
                values[name] = known_keys[name](value)
            except ValueError as error:
                self.fault(f"{place} {name}", f"cannot be {checks.shown(value)}. Write {error}.")
        for name in required:
            if name not in given:
                self.fault(f"{place} {name}", "is missing. " + checks.wanted(known_keys[name]))
        return values

    def table(self, name: str, known_keys: Mapping[str, Check]) -> dict[str, Any]:
        return self.checked(f"[{name}]", self.given.get(name, {}), known_keys)

    def names(self, name: str) -> Table:
        """A table of names."""
        given = self.given.get(name, {})
        if isinstance(given, dict):
            seen: dict[str, str] = {}
            for each in given:
                if (other := seen.setdefault(each.lower(), each)) != each:
                    self.fault(f'[{name}] "{each}"', f'is "{other}" as well. Keep one of them.')
            return given
        self.fault(f"[{name}]", 'is no table. Write lines such as "name" = "file.safetensors".')
        return {}
