"""The stage: a canvas under way, the light on it, and the brushes that sky and ground share."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import numpy as np
from PIL import Image

from .colour import RGB, mix, times, turned
from .scene import Scene


@dataclass(frozen=True)
class Light:
    """How a time of day looks: the sky from top to horizon, and what it does to colours."""

    top: RGB
    horizon: RGB
    tone: tuple[float, float, float] = (1.0, 1.0, 1.0)
    orb: RGB = (255, 246, 214)
    height: float = 0.22  # of the sun or moon, as a share of the picture from its top
    haze: RGB = (226, 234, 240)
    stars: int = 0
    clouds: float = 0.6


LIGHTS: dict[str, Light] = {
    "day": Light((86, 160, 222), (206, 232, 240)),
    "gold": Light((118, 172, 214), (255, 224, 164), (1.06, 0.98, 0.86), (255, 240, 190), 0.34,
                  (250, 226, 186)),
    "dawn": Light((124, 140, 200), (255, 204, 178), (1.0, 0.92, 0.94), (255, 226, 190), 0.5,
                  (246, 208, 200)),
    "sunset": Light((74, 58, 128), (255, 148, 92), (0.98, 0.8, 0.78), (255, 214, 132), 0.52,
                    (240, 158, 128)),
    "night": Light((16, 22, 58), (52, 72, 128), (0.48, 0.54, 0.78), (250, 244, 214), 0.2,
                   (58, 74, 122), 90, 0.25),
    "storm": Light((58, 66, 84), (142, 152, 162), (0.7, 0.75, 0.82), (198, 204, 212), 0.16,
                   (132, 142, 154), 0, 1.0),
    "fog": Light((196, 206, 212), (232, 234, 230), (0.92, 0.94, 0.95), (252, 250, 240), 0.26,
                 (222, 226, 226), 0, 0.3),
    "neon": Light((26, 12, 58), (196, 46, 142), (0.7, 0.55, 0.95), (255, 92, 172), 0.42,
                  (96, 40, 130), 40, 0.0),
}  # fmt: skip


@dataclass
class Stage:
    """A canvas under way: where the ground begins, and where water is."""

    image: Image.Image
    scene: Scene
    light: Light
    rng: Random
    phase: float
    detail: float
    horizon: float = 0.62
    waterline: float = 1.0

    @property
    def size(self) -> tuple[int, int]:
        return self.image.size

    def lit(self, colour: RGB) -> RGB:
        return times(colour, self.light.tone)

    def far(self, colour: RGB, distance: float) -> RGB:
        """`colour` as seen from `distance` (0 near, 1 at the horizon)."""
        return mix(self.lit(colour), self.light.haze, distance)

    def tinted(self, colour: RGB, share: float = 0.55) -> RGB:
        """`colour`, drawn to a colour that the prompt gave to the place."""
        return mix(colour, self.scene.tints[0], share) if self.scene.tints else colour


def gradient(size: tuple[int, int], top: RGB, bottom: RGB) -> Image.Image:
    share = np.linspace(0, 1, size[1])[:, None]
    rows = np.array(top) * (1 - share) + np.array(bottom) * share
    return Image.fromarray(np.round(rows).astype(np.uint8)[:, None]).resize(size)


def glow(
    image: Image.Image, place: tuple[float, float], radius: float, colour: RGB, strength: float
) -> None:
    """A soft light around `place`."""
    side = max(2, round(radius * 2))
    fall = [round(max(0.0, 1 - v / 181) ** 2 * 255 * strength) for v in range(256)]
    mask = Image.radial_gradient("L").resize((side, side)).point(fall)
    image.paste(colour, (round(place[0] - side / 2), round(place[1] - side / 2)), mask)


def paper(stage: Stage) -> RGB:
    """What goes with the things on it: the opposite of the first one's colour."""
    if stage.scene.tints:
        return stage.scene.tints[0]
    first = next((s for s in stage.scene.subjects if s.colour or s.kind), None)
    colour = (first.colour or (first.kind.colour if first.kind else None)) if first else None
    return turned(colour, 170, 0.8, 1.1) if colour else stage.light.top
