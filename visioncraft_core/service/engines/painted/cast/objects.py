"""What stands on a table."""

from __future__ import annotations

from functools import partial

from ..colour import INK, RGB
from ..pen import Pen
from .kind import Kind

WARM: RGB = (255, 222, 140)
WOOD: RGB = (140, 96, 64)
STEEL: RGB = (176, 186, 200)


def _cup(pen: Pen, *, spout: bool = False) -> None:
    if spout:
        pen.stroke([(0.4, 0.6), (0.74, 0.3), (0.9, -0.1)], 0.2, "base", end=0.12)
        pen.stroke([(-0.4, 0.0), (-0.9, 0.06), (-0.84, 0.6), (-0.4, 0.72)], 0.1, "dark")
        pen.blob(
            [
                (-0.52, 0.0),
                (0, -0.2),
                (0.52, 0.0),
                (0.6, 0.6),
                (0.34, 1.0),
                (-0.34, 1.0),
                (-0.6, 0.6),
            ]
        )
        pen.blob([(-0.4, -0.06), (0, -0.3), (0.4, -0.06)], "dark")
        pen.dot(0, -0.32, 0.09, "accent")
        return
    pen.stroke([(0.46, 0.24), (0.86, 0.3), (0.8, 0.66), (0.4, 0.74)], 0.1, "dark")
    pen.blob([(-0.54, 0.06), (0.54, 0.06), (0.44, 0.9), (0.24, 1.0), (-0.24, 1.0), (-0.44, 0.9)])
    pen.oval(0, 0.08, 0.54, 0.12, "light")
    pen.oval(0, 0.09, 0.44, 0.08, (112, 72, 52))
    for x in (-0.18, 0.16):
        curl = 0.08 * pen.beat
        pen.stroke(
            [(x, -0.12), (x + 0.1 + curl, -0.36), (x - curl, -0.62)], 0.05, "white", end=0.02
        )


def _book(pen: Pen) -> None:
    for side in (-1, 1):
        pen.shape([(0, 0.3), (side * 0.94, 0.1), (side * 0.94, 0.86), (0, 1.0)], "base")
        pen.shape([(0, 0.22), (side * 0.86, 0.04), (side * 0.86, 0.76), (0, 0.92)], "white")
        for line in range(4):
            y = 0.3 + line * 0.12
            ends = [(side * 0.1, y), (side * 0.74, y - 0.13)]
            pen.stroke(ends, 0.025, (168, 160, 152), straight=True)


def _guitar(pen: Pen) -> None:
    pen.box(-0.07, -0.86, 0.07, 0.1, WOOD)
    pen.box(-0.12, -1.0, 0.12, -0.8, "dark", soft=0.04)
    pen.blob([(-0.3, 0.06), (0, 0.0), (0.3, 0.06), (0.3, 0.34), (0.52, 0.66), (0.34, 0.98), (-0.34, 0.98),
              (-0.52, 0.66), (-0.3, 0.34)])  # fmt: skip
    pen.dot(0, 0.42, 0.16, INK)
    pen.box(-0.2, 0.74, 0.2, 0.8, "dark")
    for x in (-0.04, 0, 0.04):
        pen.stroke([(x, -0.84), (x, 0.76)], 0.012, STEEL, straight=True)


def _lamp(pen: Pen) -> None:
    pen.box(-0.34, 0.9, 0.34, 1.0, "dark", soft=0.04)
    pen.stroke([(0, 0.92), (0, 0.0)], 0.08, "dark", straight=True)
    pen.lit([(-0.26, -0.7), (0.26, -0.7), (0.56, 0.1), (-0.56, 0.1)], WARM)
    pen.shape([(-0.26, -0.7), (0.26, -0.7), (0.28, -0.62), (-0.28, -0.62)], "base")
    pen.shape([(-0.53, 0.02), (0.53, 0.02), (0.56, 0.12), (-0.56, 0.12)], "base")


KINDS: dict[str, Kind] = {
    "cup": Kind(_cup, "cup mug coffee tea espresso cappuccino", (92, 142, 176), size=0.8, setting="room"),
    "teapot": Kind(partial(_cup, spout=True), "teapot kettle pot jug", (92, 142, 176), size=0.85, setting="room"),
    "book": Kind(_book, "book novel diary notebook", (142, 62, 72), size=0.85, setting="room"),
    "guitar": Kind(_guitar, "guitar violin cello ukulele lute", (196, 122, 62), size=1.0, setting="room"),
    "lamp": Kind(_lamp, "lamp lantern light-bulb candle", (206, 148, 62), size=0.95, setting="room"),
}  # fmt: skip
