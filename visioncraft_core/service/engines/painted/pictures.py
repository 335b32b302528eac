"""The sandbox's pictures: composed from the words of a prompt, redone from a picture, enlarged.

The same arguments give the same bytes in every process. Nobody can take a picture for a model's:
each one is a flat illustration and says at its foot where it comes from.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from PIL import Image, ImageFilter

from . import actors, redrawing
from .caption import sign, strip_of
from .ground import paint_ground
from .scene import read
from .sky import paint_sky, paint_weather
from .stage import LIGHTS, Stage
from .style import Treatment, without
from .town import paint_dust

UPSCALING = 4

__all__ = ["Brief", "compose", "restyle", "sign", "upscale"]


@dataclass(frozen=True, kw_only=True)
class Brief:
    """What a request asks to see. The shares run from 0 to 1.

    `style` is a model's name: the same prompt on two models differs in treatment. `guidance` is how
    strictly the prompt counts, `detail` how finely it is drawn, `refined` a crisper finish.
    """

    prompt: str
    negative_prompt: str = ""
    style: str = ""
    guidance: float = 0.5
    detail: float = 0.5
    refined: bool = False


def compose(brief: Brief, *, width: int, height: int, seed: int, phase: float = 0.0) -> Image.Image:
    """An RGB picture of exactly `width` x `height` pixels.

    `phase` from 0 to 1 is a place in a loop without a seam: clouds drift, water glitters, animals
    wag their tails.
    """
    scale = 2 if width * height <= 640 * 640 else 1.5 if width * height <= 2**20 else 1
    scene = read(brief.prompt, brief.negative_prompt)
    treatment = Treatment.of(brief.style)
    stage = Stage(
        image=Image.new("RGB", (max(8, round(width * scale)), max(8, round(height * scale)))),
        scene=scene,
        light=LIGHTS[scene.light],
        rng=Random(seed),
        phase=phase,
        detail=brief.detail,
    )
    stage.horizon = stage.rng.uniform(0.56, 0.64)
    paint_sky(stage)
    paint_ground(stage)
    actors.perform(stage, outline=treatment.outline, volume=treatment.volume)
    paint_weather(stage)
    paint_dust(stage)
    picture = stage.image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)
    picture = treatment.finish(picture, seed=seed, guidance=brief.guidance)
    picture = without(picture, scene.banned)
    if brief.refined:
        picture = picture.filter(ImageFilter.UnsharpMask(2, 60, 2))
    return sign(picture, brief.prompt)


def restyle(picture: Image.Image, brief: Brief, *, strength: float, seed: int) -> Image.Image:
    """`picture` redone as the brief asks, same size, RGB.

    Strength 0 gives its very pixels, 1 leaves nothing of it. On the way it first takes on the
    colours of what is asked for, then gives way to its shapes; the distance from the given picture
    only grows.
    """
    given = picture.convert("RGB")
    if strength <= 0:
        return given
    fresh = compose(brief, width=given.width, height=given.height, seed=seed)
    if strength >= 1:
        return fresh
    top = given.height - strip_of(*given.size)
    redone = redrawing.between(given, fresh, strength) if top > 0 else fresh.copy()
    # The strip says what was asked for, not half of it.
    redone.paste(fresh.crop((0, top, given.width, given.height)), (0, top))
    return redone


def upscale(picture: Image.Image) -> Image.Image:
    """`picture` four times as wide and high by Lanczos; transparency is kept."""
    transparent = "A" in picture.getbands() or "transparency" in picture.info
    plain = picture.convert("RGBA" if transparent else "RGB")
    size = (plain.width * UPSCALING, plain.height * UPSCALING)
    return plain.resize(size, Image.Resampling.LANCZOS)
