"""The sandbox's pictures: composed from the words of a prompt, redone from a picture, enlarged.

The same arguments give the same bytes in every process. Nobody can take a picture for a model's:
each one is a flat illustration and says at its foot where it comes from.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageFont

from . import actors
from .ground import paint_ground
from .scene import digest, read
from .sky import paint_sky
from .stage import LIGHTS, Stage

MARK = "VisionCraft sandbox"
UPSCALING = 4


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
    outline = 0.035 if _drawn(brief.style) else 0.0
    actors.perform(stage, outline=outline)
    picture = stage.image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return sign(_finished(picture, brief, seed), brief.prompt)


def restyle(picture: Image.Image, brief: Brief, *, strength: float, seed: int) -> Image.Image:
    """`picture` redone as the brief asks, same size, RGB.

    Strength 0 gives its very pixels, 1 leaves nothing of it. In between its edges stay longest;
    no pixel ever comes back, so the distance from the given picture only grows.
    """
    given = picture.convert("RGB")
    if strength <= 0:
        return given
    fresh = compose(brief, width=given.width, height=given.height, seed=seed)
    edges = given.convert("L").filter(ImageFilter.FIND_EDGES).filter(ImageFilter.GaussianBlur(2))
    held = np.minimum(np.asarray(edges, np.float64) / 64.0, 1.0)[..., None]
    share = strength - 0.9 * strength * (1.0 - strength) * held
    mixed = np.asarray(given, np.float64) * (1.0 - share) + np.asarray(fresh, np.float64) * share
    return Image.fromarray(np.round(mixed).astype(np.uint8))


def upscale(picture: Image.Image) -> Image.Image:
    """`picture` four times as wide and high by Lanczos; transparency is kept."""
    transparent = "A" in picture.getbands() or "transparency" in picture.info
    plain = picture.convert("RGBA" if transparent else "RGB")
    size = (plain.width * UPSCALING, plain.height * UPSCALING)
    return plain.resize(size, Image.Resampling.LANCZOS)


def sign(picture: Image.Image, prompt: str) -> Image.Image:
    """`picture` with the prompt and the mark in small type on a strip at its foot."""
    width, height = picture.size
    letters = max(6, min(22, round(min(width, height) * 0.024)))
    font = ImageFont.load_default(size=letters)
    room = width - 2 * letters
    while letters > 4 and font.getlength(MARK) > room:
        letters -= 1
        font = ImageFont.load_default(size=letters)
        room = width - letters
    strip = min(height, round(letters * 1.9))
    signed = picture.copy()
    foot = signed.crop((0, height - strip, width, height))
    signed.paste(
        Image.blend(foot, Image.new("RGB", foot.size, (18, 16, 26)), 0.62), (0, height - strip)
    )
    draw = ImageDraw.Draw(signed)
    middle = height - strip / 2
    left = letters * 0.8
    draw.text((width - left, middle), MARK, (236, 232, 240), font, anchor="rm")
    space = width - font.getlength(MARK) - 4 * left
    if width >= 128 and (shown := _shortened(prompt, font, space)):
        draw.text((left, middle), shown, (200, 196, 210), font, anchor="lm")
    return signed


def _shortened(prompt: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, room: float) -> str:
    text = "".join(c if c.isprintable() else " " for c in prompt[:400]).strip()
    if font.getlength(text) <= room:
        return text
    while text and font.getlength(text + "...") > room:
        text = text[: int(len(text) * 0.96) if len(text) > 30 else -1]
    return text.rstrip() + "..." if text else ""


def _drawn(style: str) -> bool:
    return any(word in style.lower() for word in ("anime", "toon", "mix", "comic", "anything"))


def _photographic(style: str) -> bool:
    return any(word in style.lower() for word in ("real", "photo", "vision", "turbo", "base"))


def _finished(picture: Image.Image, brief: Brief, seed: int) -> Image.Image:
    """The treatment that a model's name stands for, and how strictly and finely it was asked."""
    character = Random(digest(brief.style))
    turn = character.uniform(-9, 9) if brief.style else 0.0
    picture = _turned(picture, turn)
    colour = 0.72 + 0.56 * brief.guidance + character.uniform(-0.08, 0.08)
    picture = ImageEnhance.Color(picture).enhance(colour * (1.12 if _drawn(brief.style) else 1.0))
    picture = ImageEnhance.Contrast(picture).enhance(0.94 + 0.14 * brief.guidance)
    if _photographic(brief.style):
        soft = picture.filter(ImageFilter.GaussianBlur(max(picture.size) * 0.008))
        picture = Image.blend(picture, ImageChops.screen(picture, soft), 0.22)
    if brief.refined:
        return picture.filter(ImageFilter.UnsharpMask(2, 60, 2))
    grain = 5.0 if _photographic(brief.style) else 0.0 if _drawn(brief.style) else 2.5
    return _grainy(picture, grain * (1.2 - 0.4 * brief.detail), seed)


def _turned(picture: Image.Image, degrees: float) -> Image.Image:
    hue, saturation, value = picture.convert("HSV").split()
    hue = hue.point([(h + round(degrees * 256 / 360)) % 256 for h in range(256)])
    return Image.merge("HSV", (hue, saturation, value)).convert("RGB")


def _grainy(picture: Image.Image, strength: float, seed: int) -> Image.Image:
    if strength <= 0:
        return picture
    noise = np.random.default_rng(seed).normal(0.0, strength, (picture.height, picture.width, 1))
    pixels = np.asarray(picture, np.float64) + noise
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
