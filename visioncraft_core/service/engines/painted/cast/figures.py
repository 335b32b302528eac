"""Geometric figures: they float before a plain ground."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from ..colour import RGB
from ..pen import Pen, Point
from .kind import Kind


def _polygon(pen: Pen, *, corners: int, star: bool = False) -> None:
    points: list[Point] = []
    for number in range(corners * (2 if star else 1)):
        angle = math.tau * number / (corners * (2 if star else 1)) - math.pi / 2
        reach = 0.42 if star and number % 2 else 0.92
        points.append((reach * math.cos(angle), 0.1 + reach * math.sin(angle)))
    pen.shape(points)


def _square(pen: Pen) -> None:
    pen.box(-0.74, -0.56, 0.74, 0.92, soft=0.04)


def _circle(pen: Pen) -> None:
    pen.oval(0, 0.14, 0.82, 0.82)


def _sphere(pen: Pen) -> None:
    for step in range(12):
        share = step / 11
        tone = tuple(
            round(a + (b - a) * share) for a, b in zip(pen.tones.dark, pen.tones.light, strict=True)
        )
        size = 0.84 * (1 - 0.8 * share)
        pen.dot(-0.28 * share, 0.14 - 0.3 * share, size, (tone[0], tone[1], tone[2]))


def _planet(pen: Pen) -> None:
    tilt = [(1.12 * math.cos(a), 0.3 * math.sin(a)) for a in (math.tau * n / 60 for n in range(61))]
    band = [(x * 0.94 - y * 0.34, 0.06 + x * 0.34 + y * 0.94) for x, y in tilt]
    pen.stroke(band[30:], 0.1, "accent")
    pen.oval(0, 0.06, 0.66, 0.66)
    for y, thick, tone in ((-0.3, 0.16, "light"), (0.1, 0.12, "dark"), (0.42, 0.2, "light")):
        stripe = [
            (-0.8, y - 0.26),
            (0.8, y + 0.26),
            (0.8, y + 0.26 + thick),
            (-0.8, y - 0.26 + thick),
        ]
        pen.shape(stripe, tone, within=True)
    pen.stroke(band[:31], 0.1, "accent")


def _heart(pen: Pen) -> None:
    beat = 1 + 0.05 * pen.beat
    curve = [(16 * math.sin(t) ** 3, 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t))
             for t in (math.tau * n / 60 for n in range(60))]  # fmt: skip
    pen.shape([(x / 18 * beat, 0.1 - y / 18 * beat) for x, y in curve])


def _cube(pen: Pen) -> None:
    pen.shape([(0, -0.8), (0.8, -0.38), (0, 0.04), (-0.8, -0.38)], "light")
    pen.shape([(-0.8, -0.38), (0, 0.04), (0, 0.96), (-0.8, 0.52)], "base")
    pen.shape([(0.8, -0.38), (0, 0.04), (0, 0.96), (0.8, 0.52)], "dark")


def _spiral(pen: Pen) -> None:
    turn = math.tau * pen.phase
    coil = [(r * math.cos(12 * r + turn), 0.1 + r * math.sin(12 * r + turn)) for r in
            (0.04 + 0.0145 * n for n in range(60))]  # fmt: skip
    pen.stroke(coil, 0.05, "base", end=0.16)


def _wave(pen: Pen) -> None:
    for number, tone in enumerate(("light", "base", "dark")):
        shift = math.tau * pen.phase + number
        line = [
            (x / 10, -0.3 + 0.42 * number + 0.16 * math.sin(x / 2.4 + shift))
            for x in range(-10, 11)
        ]
        pen.stroke(line, 0.18, tone)


def _figure(draw: Callable[[Pen], None], words: str, colour: RGB) -> Kind:
    return Kind(draw, words, colour, place="flat", setting="studio")


KINDS: dict[str, Kind] = {
    "planet": Kind(_planet, "planet saturn jupiter mars venus uranus", (222, 148, 96), (246, 220, 172), place="sky", setting="space"),
    "circle": _figure(_circle, "circle disc disk dot ball", (226, 96, 82)),
    "square": _figure(_square, "square rectangle box block", (72, 122, 190)),
    "triangle": _figure(partial(_polygon, corners=3), "triangle pyramid", (246, 190, 72)),
    "hexagon": _figure(partial(_polygon, corners=6), "hexagon pentagon polygon honeycomb", (236, 168, 72)),
    "star": _figure(partial(_polygon, corners=5, star=True), "star-shape pentagram", (250, 204, 82)),
    "heart": _figure(_heart, "heart love valentine", (226, 62, 92)),
    "cube": _figure(_cube, "cube dice", (92, 152, 200)),
    "sphere": _figure(_sphere, "sphere globe orb marble bubble", (106, 92, 190)),
    "spiral": _figure(_spiral, "spiral swirl vortex", (128, 92, 190)),
    "wave": _figure(_wave, "waveform ripple", (72, 142, 190)),
}  # fmt: skip
