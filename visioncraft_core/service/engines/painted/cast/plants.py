"""What grows."""

from __future__ import annotations

import math
from functools import partial

from ..colour import RGB
from ..pen import Pen
from .kind import Kind

WOOD: RGB = (140, 96, 64)


def _tree(pen: Pen, *, conical: bool = False) -> None:
    pen.box(-0.1, 0.3, 0.1, 1.0, WOOD, soft=0.03)
    sway = 0.03 * pen.beat
    if conical:
        for top, low, wide in ((-1.0, -0.3, 0.34), (-0.7, 0.14, 0.5), (-0.34, 0.62, 0.66)):
            pen.shape([(sway, top), (wide, low), (-wide, low)], "base")
            pen.shape([(sway, top), (wide, low), (wide * 0.2, low)], "dark", within=True)
        return
    for x, y, r, tone in ((-0.36, -0.1, 0.42, "dark"), (0.38, -0.06, 0.42, "dark"),
                          (0, -0.42, 0.54, "base"), (-0.16, -0.56, 0.28, "light")):  # fmt: skip
        pen.oval(x + sway, y, r, r * 0.92, tone)


def _flower(pen: Pen) -> None:
    lean = 0.05 * pen.beat
    pen.stroke([(0, 1.0), (0.06, 0.5), (lean, -0.1)], 0.07, (92, 152, 92))
    pen.oval(0.24, 0.58, 0.24, 0.1, (112, 172, 104), turn=-35)
    pen.oval(-0.2, 0.72, 0.22, 0.09, (92, 152, 92), turn=35)
    for turn in range(8):
        angle = math.tau * turn / 8
        x, y = lean + 0.36 * math.cos(angle), -0.4 + 0.36 * math.sin(angle)
        pen.oval(x, y, 0.25, 0.16, "base" if turn % 2 else "dark", turn=math.degrees(angle))
    pen.oval(lean, -0.4, 0.2, 0.2, (250, 204, 92))


def _rose(pen: Pen) -> None:
    lean = 0.04 * pen.beat
    pen.stroke([(0.04, 1.0), (0, 0.5), (lean, 0.0)], 0.07, (84, 136, 84))
    pen.oval(0.24, 0.5, 0.22, 0.1, (84, 136, 84), turn=-30)
    pen.oval(lean, -0.36, 0.46, 0.46, "dark")
    for x, y, r, tone in ((-0.14, -0.3, 0.32, "base"), (0.16, -0.34, 0.3, "base"),
                          (0, -0.46, 0.26, "light"), (0.03, -0.44, 0.15, "dark")):  # fmt: skip
        pen.oval(lean + x, y, r, r * 0.9, tone)
    pen.stroke([(lean - 0.06, -0.46), (lean + 0.02, -0.54), (lean + 0.1, -0.44)], 0.04, "base")


def _mushroom(pen: Pen) -> None:
    pen.blob([(-0.2, 1.0), (-0.16, 0.3), (0.16, 0.3), (0.2, 1.0)], (248, 236, 216))
    pen.blob([(-0.8, 0.3), (-0.6, -0.4), (0, -0.76), (0.6, -0.4), (0.8, 0.3), (0, 0.4)], "base")
    for x, y, r in (
        (-0.36, -0.16, 0.13),
        (0.1, -0.44, 0.12),
        (0.42, -0.06, 0.12),
        (-0.02, 0.1, 0.1),
    ):
        pen.oval(x, y, r, r * 0.86, "white", within=True)


def _apple(pen: Pen) -> None:
    pen.stroke([(0, -0.4), (0.05, -0.74)], 0.08, WOOD)
    pen.oval(0.24, -0.66, 0.22, 0.11, (112, 172, 92), turn=-25)
    pen.blob([(0, -0.42), (0.42, -0.56), (0.78, -0.1), (0.6, 0.7), (0.2, 1.0), (0, 0.94), (-0.2, 1.0),
              (-0.6, 0.7), (-0.78, -0.1), (-0.42, -0.56)])  # fmt: skip
    pen.oval(-0.38, -0.06, 0.13, 0.24, "light", turn=20, within=True)


KINDS: dict[str, Kind] = {
    "tree": Kind(_tree, "tree oak maple willow baum bonsai apple-tree", (98, 152, 82), behind=True, size=1.2),
    "pine": Kind(partial(_tree, conical=True), "pine fir spruce christmas", (62, 118, 92), behind=True, size=1.2, setting="snow"),
    "flower": Kind(_flower, "flower daisy sunflower tulip blossom lily blume fleur orchid poppy", (236, 128, 162), size=0.8, setting="garden"),
    "rose": Kind(_rose, "rose peony", (206, 52, 74), size=0.8, setting="garden"),
    "mushroom": Kind(_mushroom, "mushroom toadstool fungus", (214, 70, 62), size=0.6, setting="forest"),
    "apple": Kind(_apple, "apple fruit cherry peach tomato orange-fruit pear plum", (214, 62, 58), size=0.8, setting="room"),
}  # fmt: skip
