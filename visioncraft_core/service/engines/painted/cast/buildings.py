"""What people build."""

from __future__ import annotations

from ..colour import INK, RGB
from ..pen import Pen, Point, ring
from .kind import Kind

WARM: RGB = (255, 222, 140)
WOOD: RGB = (140, 96, 64)


def _house(pen: Pen) -> None:
    pen.box(0.3, -0.7, 0.5, -0.2, "dark")
    pen.box(-0.66, -0.06, 0.66, 1.0, "base")
    pen.shape([(-0.86, 0.0), (0, -0.82), (0.86, 0.0)], "dark")
    pen.box(-0.16, 0.42, 0.16, 1.0, WOOD, soft=0.03)
    for x in (-0.44, 0.44):
        pen.lit([(x - 0.15, 0.2), (x + 0.15, 0.2), (x + 0.15, 0.52), (x - 0.15, 0.52)], WARM)
        pen.stroke([(x, 0.2), (x, 0.52)], 0.03, WOOD, straight=True)
        pen.stroke([(x - 0.15, 0.36), (x + 0.15, 0.36)], 0.03, WOOD, straight=True)
    pen.lit(ring(0, -0.34, 0.11, 0.11), WARM)


def _castle(pen: Pen) -> None:
    for x, top, wide in ((-0.72, -0.3, 0.22), (0.72, -0.3, 0.22), (0, -0.62, 0.26)):
        pen.box(x - wide, top, x + wide, 1.0, "base" if x else "light")
        pen.shape([(x - wide - 0.06, top), (x, top - 0.4), (x + wide + 0.06, top)], "dark")
        pen.stroke([(x, top - 0.4), (x, top - 0.58)], 0.025, INK, straight=True)
        wave = 0.04 * pen.beat
        pen.shape([(x, top - 0.58), (x + 0.18, top - 0.52 + wave), (x, top - 0.46)], (214, 84, 84))
        pen.lit(
            [
                (x - 0.06, top + 0.2),
                (x + 0.06, top + 0.2),
                (x + 0.06, top + 0.4),
                (x - 0.06, top + 0.4),
            ],
            WARM,
        )
    pen.box(-0.9, 0.3, 0.9, 1.0, "base")
    for number in range(6):
        left = -0.9 + number * 0.32
        pen.box(left, 0.18, left + 0.18, 0.34, "base")
    pen.blob([(-0.2, 1.0), (-0.2, 0.66), (0, 0.5), (0.2, 0.66), (0.2, 1.0)], WOOD)


def _lighthouse(pen: Pen) -> None:
    beam: list[Point] = [(0.06, -0.72), (0.98, -0.96), (0.98, -0.54)]
    if pen.phase == 0 or pen.beat > 0:
        pen.lit(beam, (255, 240, 184))
    pen.shape([(-0.22, -0.5), (0.22, -0.5), (0.34, 1.0), (-0.34, 1.0)], "white")
    for low, high in ((-0.3, -0.02), (0.28, 0.56)):
        wide = [0.22 + 0.08 * (y + 0.5) for y in (low, high)]
        pen.shape([(-wide[0], low), (wide[0], low), (wide[1], high), (-wide[1], high)], "base")
    pen.box(-0.3, -0.56, 0.3, -0.46, INK)
    pen.lit([(-0.17, -0.84), (0.17, -0.84), (0.17, -0.56), (-0.17, -0.56)], WARM)
    pen.shape([(-0.24, -0.84), (0, -1.06), (0.24, -0.84)], "base")
    pen.box(-0.08, 0.74, 0.08, 1.0, WOOD)


def _bridge(pen: Pen) -> None:
    for x in (-0.6, 0.6):
        pen.box(x - 0.08, -0.6, x + 0.08, 1.0, "base")
    for half in (-1, 1):
        hang = [(half * 1.15, 0.2), (half * 0.6, -0.56), (0, 0.16)]
        pen.stroke(hang, 0.05, "dark")
    for step in range(-9, 10):
        x = step * 0.12
        depth = abs(abs(x) - 0.6) / 0.6
        pen.stroke([(x, 0.3), (x, -0.5 + 0.7 * min(1.0, depth))], 0.02, "dark", straight=True)
    pen.box(-1.18, 0.26, 1.18, 0.4, "base")


KINDS: dict[str, Kind] = {
    "house": Kind(_house, "house cabin cottage hut home barn farmhouse villa haus maison", (232, 206, 168), behind=True, size=1.1),
    "castle": Kind(_castle, "castle palace fortress tower kingdom schloss temple", (178, 174, 188), behind=True, size=1.35, setting="mountains"),
    "lighthouse": Kind(_lighthouse, "lighthouse beacon", (214, 74, 66), behind=True, size=1.3, setting="sea"),
    "bridge": Kind(_bridge, "bridge viaduct", (196, 92, 72), behind=True, size=1.3, place="water", setting="river"),
}  # fmt: skip
