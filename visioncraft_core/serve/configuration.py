"""Reads visioncraft.toml: which engines there are, what each offers, and the limits of keys.

Every fault is named, all in one go, with the file, the place in it and what to write there. The
file's tables and keys are described in web/docs/serve.md.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeVar

from ..errors import ConfigError
from ..profiles.paths import default_home
from ..service.engines.comfyui.settings import (
    Checkpoint,
    ComfyUISettings,
    GifModel,
    Upscaler,
    VideoModel,
)
from ..service.engines.openai import OpenAIServer
from ..service.engines.upscale import MODELS
from ..spelling import did_you_mean
from ..urls import has_host
from .database import Tier, check_address

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE_NAME = "visioncraft.toml"
COMFYUI, OPENAI, UPSCALE, PAINTED = KINDS = ("comfyui", "openai", "upscale", "painted")
LLM_TABLES = ("models-llm", "models-llm-premium")
TABLES = (
    *("server", "limits", "tiers", "engine", "models", "loras", "models-xl", *LLM_TABLES),
    *("img2img", "gif", "video", "upscale"),
)
LARGEST = 10**9

T = TypeVar("T")
Check = Callable[[Any], Any]  # gives the value; raises ValueError that tells what to write
Table = Mapping[str, Any]


@dataclass(frozen=True)
class UpscaleSettings:
    """Real-ESRGAN on the CPU; see UpscaleEngine."""

    model: str = "x4plus"
    threads: int = 0


@dataclass(frozen=True)
class EngineSettings:
    """One engine, and how many requests it works on and lets wait."""

    name: str
    kind: str
    at_once: int
    queue: int
    settings: ComfyUISettings | OpenAIServer | UpscaleSettings | None


@dataclass(frozen=True)
class Configuration:
    """A file without faults. `data` holds the database and the results."""

    path: Path
    engines: tuple[EngineSettings, ...]
    tiers: Mapping[bool, Tier] = field(default_factory=dict)  # of premium keys and others
    host: str = "127.0.0.1"
    port: int = 8787
    base_url: str = ""
    proxies: Sequence[str] = ()
    data: Path = Path()
    database: str = field(default="", repr=False)
    results_hours: float = 24.0
    results_mib: int = 2048
    stop_seconds: float = 60.0
    body_mib: int = 32
    connections: int = 4096


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
        text = path.read_bytes().decode()
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
    reader = _Reader(path, given, environ)
    configuration = reader.configuration()
    if reader.faults:
        raise FaultyConfiguration(path, reader.faults)
    return configuration


def default_data() -> Path:
    """Where a server keeps its data unless told otherwise. Raises ConfigError."""
    return default_home() / "server"


def default_database(data: Path | None = None) -> str:
    """The address of the database in the folder `data`."""
    return f"sqlite:///{(data or default_data()) / 'visioncraft.db'}"


class _Reader:
    """Goes through a file once; what is wrong is noted in `faults` and left out."""

    def __init__(self, path: Path, given: Table, environ: Mapping[str, str]) -> None:
        self.faults: list[str] = []
        self._path = path
        self.given = given
        self._environ = environ

    def configuration(self) -> Configuration:
        for name in self.given:
            if name not in TABLES:
                known = did_you_mean(name, TABLES) or f"Use {', '.join(TABLES)}."
                self.fault(f"[{name}]", f"is not known. {known}")
        server = self._table("server", _SERVER)
        limits = self._table("limits", _LIMITS)
        database = self._database(server.pop("database", ""), server.pop("database_env", ""))
        data = server.pop("data", "")
        data = self._path.parent / os.path.expanduser(data) if data else default_data()
        if server.get("base_url") and "proxies" not in server:
            server["proxies"] = ("127.0.0.1", "::1")
        return Configuration(
            path=self._path,
            engines=self._engines(),
            tiers=self._tiers(),
            data=data,
            database=database or default_database(data),
            **server,
            **limits,
        )

    def fault(self, place: str, words: str) -> None:
        self.faults.append(f"{self._path.name}, {place} {words}")

    def checked(
        self, place: str, given: Any, checks: Mapping[str, Check], required: Iterable[str] = ()
    ) -> dict[str, Any]:
        """The values of a table that are right."""
        if not isinstance(given, dict):
            self.fault(place, f"is no table. Write its keys in it: {', '.join(checks)}.")
            return {}
        values: dict[str, Any] = {}
        for name, value in given.items():
            if name not in checks:
                known = did_you_mean(name, checks) or f"Use {', '.join(checks)}."
                self.fault(f"{place} {name}", f"is not known. {known}")
                continue
            try:
                values[name] = checks[name](value)
            except ValueError as error:
                self.fault(f"{place} {name}", f"cannot be {_shown(value)}. Write {error}.")
        for name in required:
            if name not in given:
                self.fault(f"{place} {name}", "is missing. " + _wanted(checks[name]))
        return values

    def _table(self, name: str, checks: Mapping[str, Check]) -> dict[str, Any]:
        return self.checked(f"[{name}]", self.given.get(name, {}), checks)

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

    def _database(self, address: str, variable: str) -> str:
        place = "[server] database"
        if variable:
            place = f"{place}_env"
            address = self._environ.get(variable, "")
            if not address:
                self.fault(place, f"names {variable}, which is not set. Set it to the address.")
        if address:
            try:
                check_address(address)
            except ConfigError as error:
                self.fault(place, f"is wrong. {error.advice}")
        return address

    def _tiers(self) -> dict[bool, Tier]:
        limit = _whole(0, LARGEST)
        checks: dict[str, Check] = {"per_minute": limit, "per_day": limit, "at_once": limit}
        given = self._table("tiers", {"free": _any, "premium": _any})
        return {
            premium: Tier(**self.checked(f"[tiers.{name}]", given.get(name, {}), checks))
            for name, premium in (("free", False), ("premium", True))
        }

    def _engines(self) -> tuple[EngineSettings, ...]:
        given = self.given.get("engine", [])
        if not isinstance(given, list) or not given:
            self.fault(
                "[[engine]]", 'is missing. Write [[engine]] with name = "pictures" and kind.'
            )
            return ()
        tables = [self._engine(number, table) for number, table in enumerate(given, 1)]
        engines = {table["name"]: table for table in tables if {"name", "kind"} <= table.keys()}
        if len(engines) < sum("name" in table for table in tables):
            names = [table.get("name") for table in tables]
            for name in sorted({n for n in names if n and names.count(n) > 1}):
                self.fault(f'[[engine]] name = "{name}"', "is there twice. Choose another name.")
        offers = _Offers(self, engines)
        return tuple(
            EngineSettings(
                name, table["kind"], table["at_once"], table["queue"], offers.of(name, table)
            )
            for name, table in engines.items()
        )

    def _engine(self, number: int, table: Any) -> dict[str, Any]:
        name = table.get("name", number) if isinstance(table, dict) else number
        place = f"[[engine]] {name}:"
        kind = table.get("kind") if isinstance(table, dict) else None
        own = _ENGINES.get(kind, {}) if isinstance(kind, str) else {}
        every = {**_ENGINE, **own}
        if kind not in KINDS:  # then its other keys cannot be judged
            every = {**every, **{key: _any for keys in _ENGINES.values() for key in keys}}
        required = ("name", "kind", *(("url",) if "url" in own else ()))
        values = self.checked(place, table, every, required)
        defaults = {"at_once": 8 if kind == OPENAI else 1, "queue": 100}
        if variable := values.get("key_env"):
            values["key"] = self._environ.get(variable, "")
            if not values["key"]:
                self.fault(
                    f"{place} key_env", f"names {variable}, which is not set. Set it to the key."
                )
        return {**defaults, **values}


class _Offers:
    """What each engine offers, from the tables of names."""

    def __init__(self, reader: _Reader, engines: Mapping[str, Table]) -> None:
        self._reader = reader
        self._engines = engines
        self._models = self._named("models", COMFYUI, self._checkpoint)
        self._models_xl = self._named("models-xl", COMFYUI, self._checkpoint_xl)
        self._loras = self._named("loras", COMFYUI, self._file)
        self._llms = {table: self._named(table, OPENAI, self._llm) for table in LLM_TABLES}
        self._single = {
            "img2img": self._one("img2img", {**_CHECKPOINT, "model": _text}, self._drawing),
            "gif": self._one("gif", {**_CHECKPOINT, **_GIF, "model": _text}, self._animated),
            "video": self._one("video", _VIDEO, self._video),
        }
        self._upscale = self._upscaler()

    def of(self, name: str, table: Table) -> Any:
        """The settings of one engine."""
        kind = table["kind"]
        if kind == UPSCALE:
            given = {key: table[key] for key in ("model", "threads") if key in table}
            return UpscaleSettings(**given)
        if kind == OPENAI:
            models = {each: _for(name, offered) for each, offered in self._llms.items()}
            given = {key: table[key] for key in ("key", "silence") if key in table}
            return OpenAIServer(table.get("url", ""), models, **given)
        if kind != COMFYUI:
            return None
        single: dict[str, Any] = {
            key: offered[1]
            for key, offered in (*self._single.items(), ("upscaler", self._upscale))
            if offered and name in offered[0]
        }
        return ComfyUISettings(
            url=table.get("url", ""),
            models=_for(name, self._models),
            models_xl=_for(name, self._models_xl),
            loras=_for(name, self._loras),
            negative_prompt=table.get("negative_prompt", ""),
            **single,
        )

    def _named(
        self, table: str, kind: str, build: Callable[[str, Table], T | None]
    ) -> dict[str, tuple[Sequence[str], T]]:
        """By offered name: the engines that offer it, and what it is there."""
        found = {}
        for name, given in self._reader.names(table).items():
            place = f'[{table}] "{name}"'
            short = {"name" if kind == OPENAI else "file": given}
            given = short if isinstance(given, str) else given
            if not name.strip() or len(name) > 200:
                self._reader.fault(place, "is no name. Write 1 to 200 characters.")
            engines = self._chosen(place, given, kind)
            if (built := build(place, given)) is not None:
                found[name] = engines, built
        return found

    def _one(
        self, table: str, checks: Mapping[str, Check], build: Callable[[str, dict[str, Any]], Any]
    ) -> tuple[Sequence[str], Any] | None:
        if table not in self._reader.given:
            return None
        place, given = f"[{table}]", self._reader.given[table]
        values = self._reader.checked(place, given, {**checks, "engine": _names})
        engines = self._chosen(place, given, COMFYUI)
        built = build(place, values)
        return built and (engines, built)

    def _chosen(self, place: str, given: Any, *kinds: str) -> Sequence[str]:
        """The engines that are named, else all of those kinds."""
        fitting = [name for name, table in self._engines.items() if table["kind"] in kinds]
        if not isinstance(given, dict) or "engine" not in given:
            if not fitting:
                kind = " or ".join(kinds)
                self._reader.fault(place, f"has no engine. Add an [[engine]] of kind {kind}.")
            return fitting
        try:
            names = _names(given["engine"])
        except ValueError:  # noted where the table was checked
            return ()
        for name in names:
            if name not in fitting:
                known = ", ".join(fitting) or f"an [[engine]] of kind {' or '.join(kinds)}"
                self._reader.fault(f"{place} engine", f"cannot be {name}. Use {known}.")
        return names

    def _checkpoint(self, place: str, given: Table, **usual: Any) -> Checkpoint | None:
        checks = {**_CHECKPOINT, "engine": _names}
        values = self._reader.checked(place, given, checks, ("file",))
        values.pop("engine", None)
        return Checkpoint(**{**usual, **values}) if "file" in values else None

    def _checkpoint_xl(self, place: str, given: Table) -> Checkpoint | None:
        return self._checkpoint(place, given, size=(1024, 1024))

    def _file(self, place: str, given: Table) -> str | None:
        values = self._reader.checked(place, given, {"file": _text, "engine": _names}, ("file",))
        return values.get("file")

    def _llm(self, place: str, given: Table) -> str | None:
        values = self._reader.checked(place, given, {"name": _text, "engine": _names}, ("name",))
        return values.get("name")

    def _drawing(self, place: str, values: dict[str, Any]) -> Checkpoint | None:
        """A model of its own, or one that is offered under a name."""
        if "model" in values:
            name = values["model"].lower()
            for offered in (self._models_xl, self._models):
                for each, (_, checkpoint) in offered.items():
                    if each.lower() == name:
                        return checkpoint
            known = [*self._models, *self._models_xl]
            hint = did_you_mean(values["model"], known) or "Write a name from those tables."
            self._reader.fault(f"{place} model", f"is not in [models] or [models-xl]. {hint}")
            return None
        own = {key: values[key] for key in _CHECKPOINT if key in values}
        if "file" not in own:
            self._reader.fault(place, "has no model. Write model = or file =.")
            return None
        return Checkpoint(**own)

    def _animated(self, place: str, values: dict[str, Any]) -> GifModel | None:
        checkpoint = self._drawing(place, values)
        own = {key: values[key] for key in _GIF if key in values}
        if checkpoint and not own.get("motion") and "video" not in self._reader.given:
            self._reader.fault(
                place, "cannot move. Write motion = with an AnimateDiff file, or add [video]."
            )
        return checkpoint and GifModel(checkpoint=checkpoint, **own)

    def _video(self, place: str, values: dict[str, Any]) -> VideoModel | None:
        values.pop("engine", None)
        if "file" not in values:
            self._reader.fault(f"{place} file", "is missing. " + _wanted(_text))
            return None
        return VideoModel(**values)

    def _upscaler(self) -> tuple[Sequence[str], Upscaler] | None:
        """[upscale] is for a ComfyUI; an engine of kind upscale needs no table."""
        return self._one("upscale", {"file": _text, "scale": _whole(1, 8)}, self._enlarging)

    def _enlarging(self, place: str, values: dict[str, Any]) -> Upscaler | None:
        values.pop("engine", None)
        if "file" not in values:
            self._reader.fault(f"{place} file", "is missing. " + _wanted(_text))
            return None
        return Upscaler(**values)


def _for(engine: str, offered: Mapping[str, tuple[Sequence[str], T]]) -> dict[str, T]:
    return {name: what for name, (engines, what) in offered.items() if engine in engines}


def _shown(value: Any) -> str:
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _wanted(check: Check) -> str:
    try:
        check(None)
    except ValueError as error:
        return f"Write {error}."
    return "Write it."


def _any(value: Any) -> Any:
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError('text in quotes, such as "name"')
    return value


def _words(value: Any) -> str:
    return value if value == "" else _text(value)


def _one_of(*choices: str) -> Check:
    def check(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return value

    return check


def _whole(low: int, high: int) -> Check:
    def check(value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return value

    return check


def _number(low: float, high: float) -> Check:
    def check(value: Any) -> float:
        if type(value) not in (int, float) or not low <= value <= high:
            raise ValueError(f"a number from {low:g} to {high:g}")
        return float(value)

    return check


def _size(value: Any) -> tuple[int, int]:
    sides = [value, value] if type(value) is int else value
    right = isinstance(sides, list) and len(sides) == 2
    if not right or not all(type(s) is int and 64 <= s <= 4096 and s % 8 == 0 for s in sides):
        raise ValueError("pixels, such as 512 or [1024, 576]: multiples of 8, from 64 to 4096")
    return sides[0], sides[1]


def _url(value: Any) -> str:
    if not isinstance(value, str) or not has_host(value):
        raise ValueError('an address, such as "http://127.0.0.1:8188"')
    return value


def _names(value: Any) -> Sequence[str]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        raise ValueError("the name of an engine, or a list of names")
    return tuple(names)


def _addresses(value: Any) -> Sequence[str]:
    try:
        if not isinstance(value, list):
            raise ValueError
        return tuple(str(ip_address(each)) for each in value)
    except ValueError:
        raise ValueError('a list of IP addresses, such as ["127.0.0.1"]') from None


_SERVER: Mapping[str, Check] = {
    "host": _text,
    "port": _whole(0, 65535),
    "base_url": _url,
    "proxies": _addresses,
    "data": _text,
    "database": _text,
    "database_env": _text,
    "results_hours": _number(0.01, 24 * 365),
    "results_mib": _whole(1, LARGEST),
    "stop_seconds": _number(0, 3600),
}
_LIMITS: Mapping[str, Check] = {"body_mib": _whole(1, 1024), "connections": _whole(4, 65535)}
_ENGINE: Mapping[str, Check] = {
    "name": _text,
    "kind": _one_of(*KINDS),
    "at_once": _whole(1, 10_000),
    "queue": _whole(0, 100_000),
}
_ENGINES: Mapping[str, Mapping[str, Check]] = {
    COMFYUI: {"url": _url, "negative_prompt": _words},
    OPENAI: {"url": _url, "key_env": _text, "silence": _number(1, 86_400)},
    UPSCALE: {"model": _one_of(*MODELS), "threads": _whole(0, 1024)},
    PAINTED: {},
}
_CHECKPOINT: Mapping[str, Check] = {
    "file": _text,
    "steps": _whole(1, 150),
    "cfg": _number(0, 30),
    "size": _size,
    "refiner": _text,
}
_GIF: Mapping[str, Check] = {"motion": _text, "frames": _whole(2, 128), "fps": _whole(1, 60)}
_VIDEO: Mapping[str, Check] = {
    "file": _text,
    "frames": _whole(2, 128),
    "fps": _whole(1, 60),
    "steps": _whole(1, 150),
    "cfg": _number(0, 30),
    "size": _size,
    "motion": _whole(1, 255),
}
