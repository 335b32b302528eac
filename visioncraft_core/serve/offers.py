"""What each engine offers, from the tables of names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from ..service.engines.comfyui.settings import ComfyUISettings, Upscaler
from ..service.engines.diffusers.settings import DiffusersSettings
from ..service.engines.openai import OpenAIServer
from ..service.engines.pictures import Checkpoint, GifModel, VideoModel
from ..spelling import did_you_mean
from . import checks
from .checks import Check
from .settings import COMFYUI, DIFFUSERS, OPENAI, UPSCALE, UpscaleSettings
from .tables import Table, Tables

LLM_TABLES = ("models-llm", "models-llm-premium")
_DRAWING = (COMFYUI, DIFFUSERS)

T = TypeVar("T")

_CHECKPOINT: Mapping[str, Check] = {
    "file": checks.text,
    "steps": checks.whole(1, 150),
    "cfg": checks.number(0, 30),
    "size": checks.size,
    "refiner": checks.text,
}
_GIF: Mapping[str, Check] = {
    "motion": checks.text,
    "frames": checks.whole(2, 128),
    "fps": checks.whole(1, 60),
}
_VIDEO: Mapping[str, Check] = {
    "file": checks.text,
    "frames": checks.whole(2, 128),
    "fps": checks.whole(1, 60),
    "steps": checks.whole(1, 150),
    "cfg": checks.number(0, 30),
    "size": checks.size,
    "motion": checks.whole(1, 255),
}
_UPSCALE: Mapping[str, Check] = {"file": checks.text, "scale": checks.whole(1, 8)}


class Offers:
    """What each engine offers, from the tables of names."""

    def __init__(self, tables: Tables, engines: Mapping[str, Table]) -> None:
        self._tables = tables
        self._engines = engines
        self._models = self._named("models", _DRAWING, self._checkpoint)
        self._models_xl = self._named("models-xl", _DRAWING, self._checkpoint_xl)
        self._loras = self._named("loras", _DRAWING, self._text("file"))
        self._llms = {
            table: self._named(table, (OPENAI,), self._text("name")) for table in LLM_TABLES
        }
        self._single = {
            "img2img": self._one("img2img", {**_CHECKPOINT, "model": checks.text}, self._drawing),
            "gif": self._one("gif", {**_CHECKPOINT, **_GIF, "model": checks.text}, self._animated),
            "video": self._one("video", _VIDEO, self._with_file(VideoModel)),
        }
        # For a ComfyUI; an engine of kind upscale needs no table.
        self._upscale = self._one("upscale", _UPSCALE, self._with_file(Upscaler), (COMFYUI,))

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
        if kind not in _DRAWING:
            return None
        drawn: dict[str, Any] = {
            "models": _for(name, self._models),
            "models_xl": _for(name, self._models_xl),
            "loras": _for(name, self._loras),
            **{key: what[1] for key, what in self._single.items() if what and name in what[0]},
            "negative_prompt": table.get("negative_prompt", ""),
        }
        if kind == DIFFUSERS:
            keys = ("folder", "device", "memory_mib", "threads")
            return DiffusersSettings(**drawn, **{key: table[key] for key in keys if key in table})
        if self._upscale and name in self._upscale[0]:
            drawn["upscaler"] = self._upscale[1]
        return ComfyUISettings(url=table.get("url", ""), **drawn)

    def _named(
        self, table: str, kinds: Sequence[str], build: Callable[[str, Table], T | None]
    ) -> dict[str, tuple[Sequence[str], T]]:
        """By offered name: the engines that offer it, and what it is there."""
        found = {}
        for name, given in self._tables.names(table).items():
            place = f'[{table}] "{name}"'
            short = {"name" if OPENAI in kinds else "file": given}
            given = short if isinstance(given, str) else given
            if not name.strip() or len(name) > 200:
                self._tables.fault(place, "is no name. Write 1 to 200 characters.")
            engines = self._chosen(place, given, *kinds)
            if (built := build(place, given)) is not None:
                found[name] = engines, built
        return found

    def _one(
        self,
        table: str,
        keys: Mapping[str, Check],
        build: Callable[[str, dict[str, Any]], Any],
        kinds: Sequence[str] = _DRAWING,
    ) -> tuple[Sequence[str], Any] | None:
        if table not in self._tables.given:
            return None
        place, given = f"[{table}]", self._tables.given[table]
        values = self._tables.checked(place, given, {**keys, "engine": checks.names})
        engines = self._chosen(place, given, *kinds)
        built = build(place, values)
        return built and (engines, built)

    def _chosen(self, place: str, given: Any, *kinds: str) -> Sequence[str]:
        """The engines that are named, else all of those kinds."""
        fitting = [name for name, table in self._engines.items() if table["kind"] in kinds]
        if not isinstance(given, dict) or "engine" not in given:
            if not fitting:
                kind = " or ".join(kinds)
                words = f"has no engine. Add an [[engine]] of kind {kind}, or leave it out"
                self._tables.fault(place, f"{words}: other kinds have names of their own.")
            return fitting
        try:
            names = checks.names(given["engine"])
        except ValueError:  # noted where the table was checked
            return ()
        for name in names:
            if name not in fitting:
                known = ", ".join(fitting) or f"an [[engine]] of kind {' or '.join(kinds)}"
                self._tables.fault(f"{place} engine", f"cannot be {name}. Use {known}.")
        return names

    def _checkpoint(self, place: str, given: Table, **usual: Any) -> Checkpoint | None:
        keys = {**_CHECKPOINT, "engine": checks.names}
        values = self._tables.checked(place, given, keys, ("file",))
        values.pop("engine", None)
        return Checkpoint(**{**usual, **values}) if "file" in values else None

    def _checkpoint_xl(self, place: str, given: Table) -> Checkpoint | None:
        return self._checkpoint(place, given, size=(1024, 1024))

    def _text(self, key: str) -> Callable[[str, Table], str | None]:
        """Takes this key, the name of a file or at a server."""
        keys = {key: checks.text, "engine": checks.names}
        return lambda place, given: self._tables.checked(place, given, keys, (key,)).get(key)

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
            self._tables.fault(f"{place} model", f"is not in [models] or [models-xl]. {hint}")
            return None
        own = {key: values[key] for key in _CHECKPOINT if key in values}
        if "file" not in own:
            self._tables.fault(place, "has no model. Write model = or file =.")
            return None
        return Checkpoint(**own)

    def _animated(self, place: str, values: dict[str, Any]) -> GifModel | None:
        checkpoint = self._drawing(place, values)
        own = {key: values[key] for key in _GIF if key in values}
        if checkpoint and not own.get("motion") and "video" not in self._tables.given:
            self._tables.fault(
                place, "cannot move. Write motion = with an AnimateDiff file, or add [video]."
            )
        return checkpoint and GifModel(checkpoint=checkpoint, **own)

    def _with_file(self, build: Callable[..., T]) -> Callable[[str, dict[str, Any]], T | None]:
        def built(place: str, values: dict[str, Any]) -> T | None:
            values.pop("engine", None)
            if "file" not in values:
                self._tables.fault(f"{place} file", "is missing. " + checks.wanted(checks.text))
                return None
            return build(**values)

        return built


def _for(engine: str, offered: Mapping[str, tuple[Sequence[str], T]]) -> dict[str, T]:
    return {name: what for name, (engines, what) in offered.items() if engine in engines}
