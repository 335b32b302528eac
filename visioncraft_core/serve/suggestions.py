"""Finds a ComfyUI and a language model server, and writes a configuration for what they offer."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from ..api.catalogs import bundled
from ..service.engine import EngineError
from ..service.engines.comfyui.inventory import Inventory, discover
from ..service.engines.openai import OpenAIEngine, OpenAIServer

COMFYUI_URL, LLM_URL = "http://127.0.0.1:8188", "http://127.0.0.1:11434/v1"
LOOK_SECONDS = 20.0
_NO_CHAT = re.compile(r"embed|rerank|whisper|tts", re.IGNORECASE)
_NOT_A_MODEL = re.compile(r"inpaint|cascade|flux|audio", re.IGNORECASE)


@dataclass(frozen=True)
class Found:
    """What answers; None and () are away. Names are those of files and models there."""

    comfyui: Inventory | None = None
    llms: Sequence[str] = ()
    comfyui_url: str = COMFYUI_URL
    llm_url: str = LLM_URL


@dataclass
class _Offers:
    """Tables of a configuration: the API's names and what is behind them."""

    models: dict[str, str] = field(default_factory=dict)
    models_xl: dict[str, str] = field(default_factory=dict)
    loras: dict[str, str] = field(default_factory=dict)
    refiner: str = ""
    video: str = ""
    motion: str = ""
    upscaler: str = ""


async def look(comfyui_url: str = COMFYUI_URL, llm_url: str = LLM_URL) -> Found:
    """Asks both; one that does not answer in time is away."""
    comfyui, llms = await asyncio.gather(_comfyui(comfyui_url), _llms(llm_url))
    return Found(comfyui, llms, comfyui_url, llm_url)


def summary(found: Found) -> list[str]:
    """What was found, a line each."""
    lines = []
    if found.comfyui:
        offers = _sorted(found.comfyui)
        lines.append(f"ComfyUI on {found.comfyui_url} would serve:")
        lines += [
            f"  {what}: {_some(names)}"
            for what, names in (
                ("/generate", offers.models),
                ("/generate-xl", offers.models_xl),
                ("LoRAs", offers.loras),
                ("/img2img", [*offers.models_xl, *offers.models][:1]),
                ("/generate-gif", _gif(offers) and [offers.motion or offers.video]),
                ("/img2video", [offers.video] if offers.video else ()),
                ("/upscale", [offers.upscaler] if offers.upscaler else ()),
            )
            if names
        ]
    if found.llms:
        lines.append(f"The language models on {found.llm_url} would serve:")
        lines.append(f"  /llm, /premium/llm: {_some(_llm_names(found.llms))}")
    return lines


def configuration_text(found: Found) -> str:
    """A visioncraft.toml that serves it."""
    parts = [
        "# What `visioncraft serve` serves. See web/docs/serve.md for every table and key.",
        "[server]\n"
        '# host = "0.0.0.0"  # to be reached by other computers; put a proxy with TLS in front\n'
        '# base_url = "https://pictures.example.org"  # where clients reach that proxy',
        "[tiers.free]\nper_minute = 20\nat_once = 2\nper_day = 1000",
        "[tiers.premium]\nat_once = 4",
    ]
    if found.comfyui:
        parts += _comfyui_parts(found.comfyui_url, _sorted(found.comfyui))
    if found.llms:
        parts.append(_engine("words", "openai", found.llm_url))
        names = _llm_names(found.llms)
        for table in ("models-llm", "models-llm-premium"):
            parts.append(_table(table, {name: _quoted(names[name]) for name in names}))
    return "\n\n".join(parts) + "\n"


async def _comfyui(url: str) -> Inventory | None:
    try:
        return await asyncio.wait_for(discover(url), LOOK_SECONDS)
    except (EngineError, asyncio.TimeoutError):
        return None


async def _llms(url: str) -> Sequence[str]:
    engine = OpenAIEngine(OpenAIServer(url, {}))
    try:
        return await asyncio.wait_for(engine.discover(), LOOK_SECONDS)
    except (EngineError, asyncio.TimeoutError):
        return ()
    finally:
        await engine.close()


def _sorted(found: Inventory) -> _Offers:
    """Guesses from the names of files what they are, as their authors name them."""
    offers = _Offers()
    for file in found.checkpoints:
        name = file.lower()
        if "refiner" in name:
            offers.refiner = offers.refiner or file
        elif re.search(r"\bsvd|svd[_-]|stable.?video", name):
            if found.video and (not offers.video or "xt" in offers.video.lower()):
                offers.video = file
        elif re.search(r"xl|playground", name):
            offers.models_xl[_api_name(file, "models-xl", offers.models_xl)] = file
        elif not _NOT_A_MODEL.search(name):
            offers.models[_api_name(file, "models", offers.models)] = file
    for file in found.loras:
        if "xl" not in file.lower():  # the API has LoRAs for Stable Diffusion 1.x only
            offers.loras[_api_name(file, "loras", offers.loras)] = file
    offers.motion = next(iter(found.motion_models), "")
    fours = [file for file in found.upscale_models if re.search(r"x4|4x", file.lower())]
    offers.upscaler = next(iter([*fours, *found.upscale_models]), "")
    return offers


def _comfyui_parts(url: str, offers: _Offers) -> Iterable[str]:
    yield _engine("pictures", "comfyui", url)
    if offers.models:
        yield _table("models", {n: _quoted(file) for n, file in offers.models.items()})
    if offers.loras:
        yield _table("loras", {n: _quoted(file) for n, file in offers.loras.items()})
    if offers.models_xl:
        yield "# Free keys may use the names sdxl-turbo and playground-V2 only, as the API says."
        yield _table("models-xl", {n: _xl(f, offers.refiner) for n, f in offers.models_xl.items()})
    if drawing := next(iter([*offers.models_xl, *offers.models]), ""):
        yield _table("img2img", {"model": _quoted(drawing)})
    if gif := _gif(offers):
        motion = {"motion": _quoted(offers.motion)} if offers.motion else {}
        yield _table("gif", {"model": _quoted(gif), **motion})
    if offers.video:
        frames = "25" if "xt" in offers.video.lower() else "14"
        yield _table("video", {"file": _quoted(offers.video), "frames": frames})
    if offers.upscaler:
        scale = re.search(r"x([1-8])(?!\d)|(?<!\d)([1-8])x", offers.upscaler.lower())
        times = next(filter(None, scale.groups()), "4") if scale else "4"
        yield _table("upscale", {"file": _quoted(offers.upscaler), "scale": times})


def _gif(offers: _Offers) -> str:
    """The model that draws GIFs, where something can move them."""
    movable = offers.motion or offers.video
    return next(iter(offers.models), "") if movable else ""


def _xl(file: str, refiner: str) -> str:
    quick = re.search(r"turbo|lightning|lcm|hyper", file.lower())
    steps = ", steps = 4, cfg = 1.0" if quick else ", steps = 30, cfg = 7.0"
    refined = f", refiner = {_quoted(refiner)}" if refiner and not quick else ""
    return f"{{ file = {_quoted(file)}{steps}{refined} }}"


def _llm_names(names: Iterable[str]) -> dict[str, str]:
    offered: dict[str, str] = {}
    for name in names:
        if not _NO_CHAT.search(name):
            offered[_api_name(name.removesuffix(":latest"), "models-llm", offered)] = name
    return offered


def _api_name(file: str, catalog: str, taken: Mapping[str, str]) -> str:
    """The name under which the API knew it, else its own without folder and ending."""
    own = re.sub(
        r"\.(safetensors|ckpt|pt|pth|gguf)$",
        "",
        PurePosixPath(file.replace("\\", "/")).name if catalog != "models-llm" else file,
    )
    plain = {_plain(known): known for known in bundled()[catalog]}
    name = plain.get(_plain(own), own) or "unnamed"
    used = {each.lower() for each in taken}
    choices = [name, own, *(f"{own}-{number}" for number in range(2, 1000))]
    return next(each for each in choices if each.lower() not in used)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - 5} more" if len(listed) > 5 else ""
    return ", ".join(listed[:5]) + more


def _engine(name: str, kind: str, url: str) -> str:
    return f'[[engine]]\nname = "{name}"\nkind = "{kind}"\nurl = {_quoted(url)}'


def _table(name: str, values: Mapping[str, str]) -> str:
    lines = (f"{_key(key)} = {value}" for key, value in values.items())
    return "\n".join([f"[{name}]", *lines])


def _key(name: str) -> str:
    return name if re.fullmatch(r"[a-z_]+", name) else _quoted(name)


def _quoted(text: str) -> str:
    """As TOML writes it, which is as JSON does."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
