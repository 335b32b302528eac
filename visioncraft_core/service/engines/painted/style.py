"""How a model's name looks: the same scene in another hand."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import numpy as np
from PIL import Image, ImageChops, ImageEnhance, ImageFilter

from .colour import RGB, hue_of
from .scene import digest

DRAWN = ("anime", "toon", "mix", "comic", "anything")
PHOTOGRAPHIC = ("real", "photo", "vision", "turbo", "base")
TEXTURES = ("canvas", "dots", "hatching", "paper")


@dataclass(frozen=True)
class Treatment:
    """What a hand does to every scene. Shares run from 0 to 1."""

    outline: float = 0.0  # thickness of the lines around subjects, in units of the pen
    volume: float = 0.5  # light and shade on subjects
    turn: float = 0.0  # of every hue, in degrees
    colour: float = 1.0  # factor on saturation
    warmth: float = 0.0  # -1 cold to 1 warm
    texture: str = ""
    grain: float = 2.5  # levels
    bloom: float = 0.0
    vignette: float = 0.0

    @classmethod
    def of(cls, style: str) -> Treatment:
        """The treatment that a model's name stands for; no name is the plain one."""
        name, chance = style.lower(), Random(digest(style))
        if not name:
            return cls()
        turn, warmth = chance.uniform(-9, 9), chance.uniform(-0.6, 0.6)
        if any(word in name for word in DRAWN):
            thick = chance.uniform(0.024, 0.04)
            return cls(thick, 0.0, turn, chance.uniform(1.1, 1.25), warmth * 0.5, grain=0.0)
        if any(word in name for word in PHOTOGRAPHIC):
            return cls(0.0, 1.0, turn / 2, 0.96, warmth, "", 3.0, 0.3, chance.uniform(0.2, 0.4))
        return cls(
            outline=chance.choice((0.0, 0.0, 0.014)),
            volume=chance.uniform(0.3, 0.8),
            turn=turn * 1.4,
            colour=chance.uniform(0.86, 1.14),
            warmth=warmth * 1.5,
            texture=chance.choice(TEXTURES),
            vignette=chance.uniform(0.0, 0.25),
        )

    def finish(self, picture: Image.Image, *, seed: int, guidance: float) -> Image.Image:
        """The picture's colours and surface; weak guidance is pale, strong guidance vivid."""
        picture = _turned(picture, self.turn)
        picture = ImageEnhance.Color(picture).enhance((0.72 + 0.56 * guidance) * self.colour)
        picture = ImageEnhance.Contrast(picture).enhance(0.94 + 0.14 * guidance)
        if self.bloom:
            soft = picture.filter(ImageFilter.GaussianBlur(max(picture.size) * 0.008))
            picture = Image.blend(picture, ImageChops.screen(picture, soft), self.bloom)
        return self._surfaced(picture, seed)

    def _surfaced(self, picture: Image.Image, seed: int) -> Image.Image:
        width, height = picture.size
        tint = np.array([1 + 0.06 * self.warmth, 1.0, 1 - 0.09 * self.warmth], np.float32)
        pixels = np.asarray(picture, np.float32) * tint
        shade = _vignette(width, height, self.vignette)
        if self.texture:
            dark = 1.0 - pixels[..., 1] / 255.0
            shade = shade - _texture(self.texture, width, height) * (0.05 + 0.16 * dark)
        pixels *= shade[..., None]
        if self.grain:
            noise = np.random.default_rng(seed).standard_normal((height, width), np.float32)
            pixels += self.grain * noise[..., None]
        return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def without(picture: Image.Image, banned: tuple[RGB, ...], *, reach: float = 44.0) -> Image.Image:
    """The picture with nothing left in the hues of `banned`: each moves on to its neighbour."""
    for colour in banned:
        hue = hue_of(colour)
        side = 1 if hue < 60 or hue > 330 else -1
        table = []
        for step in range(256):
            away = (step * 360 / 256 - hue + 180) % 360 - 180
            moved = hue + side * (reach + 8) if abs(away) < reach else step * 360 / 256
            table.append(round(moved * 256 / 360) % 256)
        bands = picture.convert("HSV").split()
        picture = Image.merge("HSV", (bands[0].point(table), *bands[1:])).convert("RGB")
    return picture


def _turned(picture: Image.Image, degrees: float) -> Image.Image:
    steps = round(degrees * 256 / 360)
    if not steps:
        return picture
    hue, saturation, value = picture.convert("HSV").split()
    hue = hue.point([(h + steps) % 256 for h in range(256)])
    return Image.merge("HSV", (hue, saturation, value)).convert("RGB")


def _vignette(width: int, height: int, strength: float) -> np.ndarray:
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    return 1.0 - strength * 0.5 * (x * x + y * y) ** 1.5


def _texture(name: str, width: int, height: int) -> np.ndarray:
    """How much a surface darkens, 0 to 1: rows by columns. It is as fine as the picture allows."""
    step = max(3.0, min(width, height) / 130)
    x = np.arange(width, dtype=np.float32)[None, :] * (2 * np.pi / step)
    y = np.arange(height, dtype=np.float32)[:, None] * (2 * np.pi / step)
    if name == "dots":
        return np.clip((np.cos(x + y) + np.cos(x - y)) * 0.9, 0, 1)
    if name == "hatching":
        return np.clip(np.cos((x + y) * 0.7) * 1.6 - 0.4, 0, 1)
    if name == "canvas":
        return 0.5 + 0.25 * (np.cos(x) + np.cos(y))
    side = 128
    fibres = np.random.default_rng(5).random((side, side), np.float32)
    fibres = (fibres + np.roll(fibres, 1, 0) + np.roll(fibres, (1, 1), (0, 1))) / 3
    return np.tile(fibres, (height // side + 1, width // side + 1))[:height, :width]
