"""What the engines that draw with Stable Diffusion have in common: their models and sizes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from ...api import endpoints as api
from ...api.fields import Request
from ..engine import InputRejected
from .samplers import (
    IMAGE_SCHEDULERS,
    NO_REFINER,
    REFINERS,
    SAMPLERS,
    XL_SAMPLERS,
    XL_SCHEDULERS,
)

BASE_SHARE = 0.8  # of the steps; the refiner does the rest. As cog-sdxl's high_noise_frac
REFINED = 0.3  # how much of a finished picture the refiner redraws, as diffusers does
GOOD, BAD = 6.0, 2.5  # aesthetic scores, as SDXL's authors use the refiner

V = TypeVar("V")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A Stable Diffusion model, and what its author recommends for it.

    `steps` and `cfg` count where a request has none: /generate-xl, and `cfg` for /img2img. `size`
    is the width and height in pixels of what it draws where a request has none; a picture that it
    redraws is reduced to as many pixels.
    """

    file: str  # as the engine names it
    steps: int = 30
    cfg: float = 7.5  # of replicate's cog-sdxl, which stood behind /img2img
    size: tuple[int, int] = (512, 512)
    refiner: str = ""  # the file of a second model, for XL; without one none is offered


@dataclass(frozen=True, kw_only=True)
class VideoModel:
    """Stable Video Diffusion: 14 frames with svd, 25 with svd_xt.

    Videos have about as many pixels as `size`, in the proportions of the picture.
    """

    file: str
    frames: int = 14
    fps: int = 7  # frames a second
    steps: int = 20
    cfg: float = 2.5
    size: tuple[int, int] = (1024, 576)
    motion: int = 127  # 1 to 255; more moves more


@dataclass(frozen=True, kw_only=True)
class GifModel:
    """Draws GIFs: with AnimateDiff where `motion` names a file and the engine can, else one still
    that the engine's VideoModel animates."""

    checkpoint: Checkpoint
    motion: str = ""  # a motion module
    frames: int = 16  # with AnimateDiff
    fps: int = 8  # frames a second, with AnimateDiff


@dataclass(frozen=True, kw_only=True)
class PictureOffers:
    """The models of an engine. What is left out is not offered.

    Mappings are from the API's names, in the order in which they are listed.
    """

    models: Mapping[str, Checkpoint] = field(default_factory=dict)
    loras: Mapping[str, str] = field(default_factory=dict)  # to files
    models_xl: Mapping[str, Checkpoint] = field(default_factory=dict)
    img2img: Checkpoint | None = None
    video: VideoModel | None = None
    gif: GifModel | None = None
    negative_prompt: str = ""  # where a request has none

    def catalogs(self) -> Mapping[str, Sequence[str]]:
        names: dict[str, Sequence[str]] = {}
        if self.models:
            names.update({"models": list(self.models), "loras": list(self.loras)})
        if self.models or self.gif:
            names["samplers"] = list(SAMPLERS)
        if self.models_xl:
            names["models-xl"] = list(self.models_xl)
            names.update({"samplers-xl": XL_SAMPLERS, "schedulers-xl": XL_SCHEDULERS})
        if self.img2img:
            names["img2img/schedulers"] = list(IMAGE_SCHEDULERS)
            names["img2img/refiners"] = REFINERS if self.img2img.refiner else (NO_REFINER,)
        return names

    def serves(self, request: Request) -> bool:
        if isinstance(request, api.Generate):
            return find(self.models, request.model) is not None
        if isinstance(request, api.GenerateXL):
            return find(self.models_xl, request.model) is not None
        if isinstance(request, api.GenerateGif):
            return bool(self.gif and (self.gif.motion or self.video))
        by_kind = {api.ImageToImage: self.img2img, api.ImageToVideo: self.video}
        return by_kind.get(type(request)) is not None

    def file_of(self, request: Request) -> str:
        """The model that draws it, "" where none does."""
        model: Checkpoint | VideoModel | None = None
        if isinstance(request, api.Generate):
            model = find(self.models, request.model)
        elif isinstance(request, api.GenerateXL):
            model = find(self.models_xl, request.model)
        elif isinstance(request, api.ImageToImage):
            model = self.img2img
        elif isinstance(request, api.ImageToVideo):
            model = self.video
        elif isinstance(request, api.GenerateGif) and self.gif:
            model = self.gif.checkpoint
        return model.file if model else ""


def find(known: Mapping[str, V], name: str) -> V | None:
    """By its name in any case of letters."""
    wanted = name.lower()
    return next((value for each, value in known.items() if each.lower() == wanted), None)


def found(known: Mapping[str, V], field: str, name: str) -> V:
    """Raises InputRejected."""
    if (value := find(known, name)) is None:
        raise InputRejected(field, f"has {name[:60]}, which this server doesn't have")
    return value


def xl_model(offers: PictureOffers, request: api.GenerateXL) -> Checkpoint:
    """Raises InputRejected."""
    model = found(offers.models_xl, "model", request.model)
    if request.refiner and not model.refiner:
        raise InputRejected("refiner", f"is not offered with {request.model[:60]}")
    return model


def lacking() -> InputRejected:
    """The error for a file that the configuration names and that is not there. Nothing is made."""
    return InputRejected(
        "model", "is offered, but the server lacks a file of it. Tell whoever runs the server"
    )


def fit(size: tuple[int, int], like: tuple[int, int], multiple: int) -> tuple[int, int]:
    """`size` with as many pixels as `like`, its sides multiples; at most three times as long as
    high, or as high as long."""
    ratio = min(3.0, max(1 / 3, size[0] / size[1]))
    width = math.sqrt(like[0] * like[1] * ratio)
    return _rounded(width, multiple), _rounded(width / ratio, multiple)


def reduced(size: tuple[int, int], to: tuple[int, int]) -> tuple[int, int]:
    """`size` with at most as many pixels as `to`, its sides multiples of eight, at least 64."""
    scale = min(1.0, math.sqrt(to[0] * to[1] / (size[0] * size[1])))
    return max(64, _rounded(size[0] * scale, 8)), max(64, _rounded(size[1] * scale, 8))


def ensemble(steps: int, strength: float = 1.0) -> tuple[int, int, int]:
    """How many steps there are, the first one, and the one at which the refiner takes over."""
    steps = max(2, steps)
    switch = max(1, min(steps - 1, round(steps * BASE_SHARE)))
    return steps, steps - part(steps, strength), switch


def part(steps: int, strength: float) -> int:
    """How many of the steps redraw a picture so much."""
    return max(1, round(steps * strength))


def multiples(width: int, height: int, of: int = 8) -> tuple[int, int]:
    """The smallest sides that hold the picture and that models can draw."""
    return math.ceil(width / of) * of, math.ceil(height / of) * of


def _rounded(side: float, multiple: int) -> int:
    return max(multiple, round(side / multiple) * multiple)
