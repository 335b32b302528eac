"""Reads visioncraft.toml: which engines there are, what each offers, and the limits of keys.

Every fault is named, all in one go, with the file, the place in it and what to write there. The
file's tables and keys are described in web/docs/serve.md.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..profiles.paths import default_home
from ..service.engines.upscale import MODELS
from ..spelling import did_you_mean
from . import checks
from .checks import Check
from .database import Tier
from .database_engine import check_address
from .offers import LLM_TABLES, Offers
from .settings import (
    COMFYUI,
    DIFFUSERS,
    KINDS,
    OPENAI,
    PAINTED,
    UPSCALE,
    Configuration,
    EngineSettings,
    Scale,
)
from .tables import Table, Tables

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pyright: ignore[reportMissingImports]

FILE_NAME = "visioncraft.toml"
TABLES = (
    *("server", "limits", "tiers", "engine", "models", "loras", "models-xl", *LLM_TABLES),
    *("img2img", "gif", "video", "upscale"),
)
LARGEST = 10**9


class FaultyConfiguration(ConfigError):
    """A configuration that cannot be used. `faults` names each in one line."""

    def __init__(self, path: Path, faults: Sequence[str]) -> None:
        count = "a fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__(
            f"{path.name} has {count}: {faults[0]}",
            "" if len(faults) == 1 else "See all with: visioncraft serve --check.",
        )
        self.faults = tuple(faults)


def read(path: Path, environ: Mapping[str, str] = os.environ) -> Configuration:
    """Raises FaultyConfiguration, and ConfigError where there is no file to read."""
    try:
        text = path.read_bytes().decode("utf-8-sig")  # as Windows saves it, too
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read ({error.strerror}).",
            "Name another file with --config, or write one with: visioncraft serve --suggest.",
        ) from None
    except UnicodeDecodeError:
        raise FaultyConfiguration(path, [f"{path.name}: it is no text in UTF-8."]) from None
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FaultyConfiguration(
            path, [f"{path.name}: it is no TOML: {error}. Correct that place."]
        ) from None
    except RecursionError:
        raise FaultyConfiguration(path, [f"{path.name}: it is nested too deeply."]) from None
    return judged(path, given, environ)


def judged(path: Path, given: Table, environ: Mapping[str, str]) -> Configuration:
    """The configuration that the parsed file holds. Raises FaultyConfiguration."""
    tables = Tables(path.name, given)
    configuration = _Reader(path, tables, environ).configuration()
    if tables.faults:
        raise FaultyConfiguration(path, tables.faults)
    return configuration


def default_data() -> Path:
    """Where a server keeps its data unless told otherwise. Raises ConfigError."""
    return default_home() / "server"


def default_database(data: Path | None = None) -> str:
    """The address of the database in the folder `data`."""
    return f"sqlite:///{(data or default_data()) / 'visioncraft.db'}"


class _Reader:
    def __init__(self, path: Path, tables: Tables, environ: Mapping[str, str]) -> None:
        self._path = path
        self._tables = tables
        self._environ = environ

    def configuration(self) -> Configuration:
        for name in self._tables.given:
            if name not in TABLES:
                known = did_you_mean(name, TABLES) or f"Use {', '.join(TABLES)}."
                self._tables.fault(f"[{name}]", f"is not known. {known}")
        server = self._tables.table("server", _SERVER)
        limits = self._tables.table("limits", _LIMITS)
        database = self._database(server.pop("database", ""), server.pop("database_env", ""))
        data = server.pop("data", "")
        data = self._path.parent / os.path.expanduser(data) if data else default_data()
        results = server.pop("results", "")
        if results and "://" not in results:
            results = str(self._path.parent / os.path.expanduser(results))
        if server.get("base_url") and "proxies" not in server:
            server["proxies"] = ("127.0.0.1", "::1")
        return Configuration(
            path=self._path,
            engines=self._engines(),
            tiers=self._tiers(),
            data=data,
            database=database or default_database(data),
            results=results,
            **server,
            **limits,
        )

    def _database(self, address: str, variable: str) -> str:
        place = "[server] database"
        if variable:
            place = f"{place}_env"
            address = self._environ.get(variable, "")
            if not address:
                self._tables.fault(
                    place, f"names {variable}, which is not set. Set it to the address."
                )
        if address:
            try:
                check_address(address)
            except ConfigError as error:
                self._tables.fault(place, f"is wrong. {error.advice}")
        return address

    def _tiers(self) -> dict[bool, Tier]:
        limit = checks.whole(0, LARGEST)
        limits: dict[str, Check] = {"per_minute": limit, "per_day": limit, "at_once": limit}
        given = self._tables.table("tiers", {"free": checks.any_value, "premium": checks.any_value})
        return {
            premium: Tier(**self._tables.checked(f"[tiers.{name}]", given.get(name, {}), limits))
            for name, premium in (("free", False), ("premium", True))
        }

    def _engines(self) -> tuple[EngineSettings, ...]:
        given = self._tables.given.get("engine", [])
        if not isinstance(given, list) or not given:
            self._tables.fault(
                "[[engine]]", 'is missing. Write [[engine]] with name = "pictures" and kind.'
            )
            return ()
        tables = [self._engine(number, table) for number, table in enumerate(given, 1)]
        engines = {table["name"]: table for table in tables if {"name", "kind"} <= table.keys()}
        if len(engines) < sum("name" in table for table in tables):
            names = [table.get("name") for table in tables]
            for name in sorted({n for n in names if n and names.count(n) > 1}):
                self._tables.fault(
                    f'[[engine]] name = "{name}"', "is there twice. Choose another name."
                )
        offers = Offers(self._tables, engines)
        return tuple(
            EngineSettings(
                name,
                table["kind"],
                table["at_once"],
                table["queue"],
                offers.of(name, table),
                self._scale(name, table),
                table.get("models", 0),
            )
            for name, table in engines.items()
        )

    def _scale(self, name: str, table: Mapping[str, Any]) -> Scale:
        given = {key: table[key] for key in _SCALE if key in table}
        if given.get("min_replicas", 0) > given.get("max_replicas", LARGEST):
            place = f"[[engine]] {name}: min_replicas"
            self._tables.fault(place, "is more than max_replicas. Write a smaller number.")
        return Scale(**given)

    def _engine(self, number: int, table: Any) -> dict[str, Any]:
        name = table.get("name", number) if isinstance(table, dict) else number
        place = f"[[engine]] {name}:"
        kind = table.get("kind") if isinstance(table, dict) else None
        own = _ENGINES.get(kind, {}) if isinstance(kind, str) else {}
        every = {**_ENGINE, **own}
        if kind not in KINDS:  # then its other keys cannot be judged
            every = {
                **every,
                **{key: checks.any_value for keys in _ENGINES.values() for key in keys},
            }
        required = ("name", "kind", *(key for key in ("url", "folder") if key in own))
        values = self._tables.checked(place, table, every, required)
        defaults = {"at_once": 8 if kind == OPENAI else 1, "queue": 100}
        if variable := values.get("key_env"):
            values["key"] = self._environ.get(variable, "")
            if not values["key"]:
                self._tables.fault(
                    f"{place} key_env", f"names {variable}, which is not set. Set it to the key."
                )
        if "folder" in values:
            values["folder"] = str(self._path.parent / os.path.expanduser(values["folder"]))
        return {**defaults, **values}


_SERVER: Mapping[str, Check] = {
    "host": checks.text,
    "port": checks.whole(0, 65535),
    "base_url": checks.public_url,
    "proxies": checks.addresses,
    "data": checks.text,
    "database": checks.text,
    "database_env": checks.text,
    "results": checks.text,
    "results_hours": checks.number(0.01, 24 * 365),
    "results_mib": checks.whole(1, LARGEST),
    "stop_seconds": checks.number(0, 3600),
}
_LIMITS: Mapping[str, Check] = {
    "body_mib": checks.whole(1, 1024),
    "connections": checks.whole(4, 65535),
}
_SCALE: Mapping[str, Check] = {  # in a Ray cluster
    "min_replicas": checks.whole(0, 10_000),
    "max_replicas": checks.whole(1, 10_000),
    "gpus": checks.number(0, 64),
}
_ENGINE: Mapping[str, Check] = {
    **_SCALE,
    "name": checks.name,
    "kind": checks.one_of(*KINDS),
    "at_once": checks.whole(1, 10_000),
    "queue": checks.whole(0, 100_000),
    "models": checks.whole(1, 1000),
}
_ENGINES: Mapping[str, Mapping[str, Check]] = {
    COMFYUI: {"url": checks.url, "negative_prompt": checks.words},
    DIFFUSERS: {
        "folder": checks.text,
        "device": checks.device,
        "memory_mib": checks.whole(0, LARGEST),
        "threads": checks.whole(0, 1024),
        "negative_prompt": checks.words,
    },
    OPENAI: {"url": checks.url, "key_env": checks.text, "silence": checks.number(1, 86_400)},
    UPSCALE: {"model": checks.one_of(*MODELS), "threads": checks.whole(0, 1024)},
    PAINTED: {},
}
