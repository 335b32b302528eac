"""A pen that draws one subject on a sheet of its own, in unit coordinates."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from random import Random

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from .colour import RGB, Tones

Point = tuple[float, float]
Fill = str | RGB

OVERSAMPLING = 2
REACH = 1.2  # the sheet shows -REACH..REACH, so that ears and tails may leave the unit box


def smooth(points: Sequence[Point], *, closed: bool, steps: int = 9) -> list[Point]:
    """A Catmull-Rom curve through the points; a point given twice is a corner."""
    ring = np.asarray(points, dtype=np.float64)
    around = (ring[-1:], ring[:2]) if closed else (ring[:1], ring[-1:])
    if closed:
        padded = np.concatenate([around[0], ring, around[1]])
    else:
        padded = np.concatenate([around[0], ring, around[1]])
    a, b, c, d = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    t = (np.arange(steps) / steps)[:, None, None]
    curve = 0.5 * (
        2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - 3 * c + d - a) * t**3
    )
    path = curve.transpose(1, 0, 2).reshape(-1, 2)
    tail = [] if closed else [tuple(ring[-1])]
    return [(float(x), float(y)) for x, y in [*path, *tail]]


class Pen:
    """Draws in a box of -1..1 by -1..1, y downwards, the subject standing on y = 1.

    Fills are the name of a tone ("base", "dark", "light", "accent", "ink", "white") or an RGB.
    """

    def __init__(
        self,
        pixels: int,
        tones: Tones,
        *,
        rng: Random,
        phase: float = 0.0,
        fine: bool = True,
        outline: float = 0.0,
    ) -> None:
        side = max(8, pixels) * OVERSAMPLING
        self.tones = tones
        self.rng = rng
        self.beat = math.sin(math.tau * phase)
        self.phase = phase
        self.fine = fine
        self._outline = outline
        self._unit = side / (2 * REACH)
        self.sheet = Image.new("RGBA", (side, side), (*tones.dark, 0))
        self.glow = Image.new("RGBA", (side, side), (255, 240, 200, 0))
        self._draw = ImageDraw.Draw(self.sheet)
        self._shine = ImageDraw.Draw(self.glow)

    def _colour(self, fill: Fill) -> tuple[int, int, int, int]:
        rgb: RGB = getattr(self.tones, fill) if isinstance(fill, str) else fill
        return (*rgb, 255)

    def _pixels(self, points: Iterable[Point]) -> list[Point]:
        return [((x + REACH) * self._unit, (y + REACH) * self._unit) for x, y in points]

    def shape(self, points: Sequence[Point], fill: Fill = "base", *, within: bool = False) -> None:
        """A polygon; `within` keeps it inside what is already drawn."""
        path = self._pixels(points)
        if within:
            self._paint_within(path, fill)
            return
        self._draw.polygon(path, fill=self._colour(fill))
        if self._outline:
            width = max(1, round(self._outline * self._unit))
            self._draw.line([*path, *path[:2]], self._colour("ink"), width, joint="curve")

    def _paint_within(self, path: list[Point], fill: Fill) -> None:
        mask = Image.new("L", self.sheet.size, 0)
        ImageDraw.Draw(mask).polygon(path, fill=255)
        mask = ImageChops.multiply(mask, self.sheet.getchannel("A"))
        self.sheet.paste(self._colour(fill), mask=mask)

    def blob(self, points: Sequence[Point], fill: Fill = "base", *, within: bool = False) -> None:
        """A closed smooth curve through the points."""
        self.shape(smooth(points, closed=True), fill, within=within)

    def oval(
        self,
        x: float,
        y: float,
        rx: float,
        ry: float | None = None,
        fill: Fill = "base",
        *,
        turn: float = 0.0,
        within: bool = False,
    ) -> None:
        """An ellipse around (x, y), turned by `turn` degrees clockwise."""
        self.shape(ring(x, y, rx, rx if ry is None else ry, turn=turn), fill, within=within)

    def box(
        self, x0: float, y0: float, x1: float, y1: float, fill: Fill = "base", *, soft: float = 0.0
    ) -> None:
        """An upright rectangle, its corners rounded by `soft`."""
        if soft <= 0:
            self.shape([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], fill)
            return
        centres = [(x1, y0, 1, -1), (x1, y1, 1, 1), (x0, y1, -1, 1), (x0, y0, -1, -1)]
        path: list[Point] = []
        for turn, (x, y, sx, sy) in enumerate(centres):
            for step in range(7):
                angle = math.tau * (turn / 4 - 0.25 + step / 24)
                path.append(
                    (x - sx * soft + soft * math.cos(angle), y - sy * soft + soft * math.sin(angle))
                )
        self.shape(path, fill)

    def stroke(
        self,
        points: Sequence[Point],
        width: float,
        fill: Fill = "ink",
        *,
        end: float | None = None,
        straight: bool = False,
    ) -> None:
        """A line with round ends, running from `width` to `end`."""
        path = list(points) if straight else smooth(points, closed=False)
        if straight:
            path = _divided(path)
        last = width if end is None else end
        spine = np.asarray(path)
        along = np.gradient(spine, axis=0)
        normal = np.stack([-along[:, 1], along[:, 0]], axis=1)
        normal /= np.maximum(np.hypot(normal[:, :1], normal[:, 1:]), 1e-9)
        half = np.linspace(width, last, len(spine))[:, None] / 2
        sides = np.concatenate([spine + normal * half, (spine - normal * half)[::-1]])
        tips = [(path[0], width / 2), (path[-1], last / 2)]
        self._limb([(float(x), float(y)) for x, y in sides], tips, fill)

    def _limb(self, side: list[Point], tips: list[tuple[Point, float]], fill: Fill) -> None:
        rounds = [ring(x, y, r, r) for (x, y), r in tips]
        parts = [self._pixels(part) for part in (side, *rounds)]
        if self._outline and tips[0][1] > self._outline * 1.5:
            width = max(1, round(self._outline * self._unit * 2))
            for part in parts:
                self._draw.line([*part, part[0]], self._colour("ink"), width, joint="curve")
        for part in parts:
            self._draw.polygon(part, fill=self._colour(fill))

    def lit(self, points: Sequence[Point], fill: RGB) -> None:
        """A part that shines by itself: no shade falls on it, and at night it glows."""
        self._draw.polygon(self._pixels(points), fill=self._colour(fill))
        self._shine.polygon(self._pixels(points), fill=(*fill, 255))

    def eye(self, x: float, y: float, r: float, fill: Fill = "ink") -> None:
        """A dark eye with its glint."""
        self._spot(x, y, r, r * 1.12, fill)
        self._spot(x + r * 0.32, y - r * 0.4, r * 0.34, r * 0.34, "white")

    def dot(
        self, x: float, y: float, rx: float, fill: Fill = "ink", ry: float | None = None
    ) -> None:
        """A small oval that never gets an outline."""
        self._spot(x, y, rx, rx if ry is None else ry, fill)

    def _spot(self, x: float, y: float, rx: float, ry: float, fill: Fill) -> None:
        self._draw.polygon(self._pixels(ring(x, y, rx, ry)), fill=self._colour(fill))


def ring(x: float, y: float, rx: float, ry: float, *, turn: float = 0.0) -> list[Point]:
    """Points around an ellipse."""
    angles = np.arange(44) * (math.tau / 44)
    cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    u, v = rx * np.cos(angles), ry * np.sin(angles)
    return [
        (float(a), float(b))
        for a, b in zip(x + u * cos - v * sin, y + u * sin + v * cos, strict=True)
    ]


def _divided(path: Sequence[Point], steps: int = 6) -> list[Point]:
    points: list[Point] = []
    for (x0, y0), (x1, y1) in zip(path, path[1:], strict=False):
        points += [(x0 + (x1 - x0) * i / steps, y0 + (y1 - y0) * i / steps) for i in range(steps)]
    return [*points, path[-1]]
