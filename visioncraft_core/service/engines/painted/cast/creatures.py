"""Creatures with a shape of their own: in the water, on the wing, out of tales."""

from __future__ import annotations

import math
from functools import partial

from ..pen import Pen, Point
from .beasts import mirrored
from .kind import Kind


def _fish(pen: Pen) -> None:
    wag = 0.08 * pen.beat
    pen.blob(
        [(-0.5, 0.0), (-0.5, 0.0), (-1.0, -0.42 + wag), (-0.94, 0.0 + wag), (-1.0, 0.42 + wag)],
        "dark",
    )
    pen.blob([(0.2, -0.4), (0.0, -0.78), (-0.34, -0.62), (-0.3, -0.3)], "dark")
    pen.blob([(0.1, 0.4), (-0.1, 0.7), (-0.3, 0.56), (-0.2, 0.3)], "dark")
    pen.blob([(-0.62, 0.0), (-0.3, -0.36), (0.2, -0.5), (0.66, -0.36), (0.94, -0.02), (0.66, 0.34),
              (0.2, 0.48), (-0.3, 0.34)])  # fmt: skip
    pen.blob([(0.9, 0.1), (0.6, 0.5), (0, 0.6), (-0.5, 0.3), (0.2, 0.22)], "accent", within=True)
    for x in (0.24, -0.12):
        pen.blob([(x + 0.06, -0.6), (x + 0.12, 0.0), (x + 0.06, 0.6), (x - 0.08, 0.6), (x - 0.02, 0.0),
                  (x - 0.08, -0.6)], "light", within=True)  # fmt: skip
    pen.blob([(0.3, 0.06), (0.06, 0.04), (-0.06, 0.22 + wag), (0.2, 0.26)], "dark")
    pen.dot(0.62, -0.1, 0.13, "white")
    pen.eye(0.64, -0.1, 0.085)
    pen.stroke([(0.86, 0.12), (0.78, 0.16), (0.72, 0.15)], 0.03)


def _whale(pen: Pen) -> None:
    wag = 0.06 * pen.beat
    pen.blob([(-0.66, 0.3), (-0.9, 0.0 + wag), (-1.1, -0.24 + wag), (-0.86, -0.22 + wag), (-0.74, -0.3 + wag),
              (-0.72, -0.1), (-0.5, 0.26)], "dark")  # fmt: skip
    pen.blob([(-0.8, 0.1), (-0.4, 0.3), (-0.1, -0.14), (0.4, -0.3), (0.86, -0.1), (0.98, 0.3), (0.7, 0.68),
              (0.1, 0.8), (-0.5, 0.6)])  # fmt: skip
    pen.blob(
        [(1.0, 0.36), (0.5, 0.5), (0.0, 0.56), (-0.3, 0.76), (0.3, 1.0), (0.9, 0.8)],
        "accent",
        within=True,
    )
    pen.blob([(0.3, 0.5), (0.1, 0.56), (0.0, 0.86), (0.26, 0.76)], "dark")
    pen.eye(0.66, 0.24, 0.06)
    for s in (-1, 1):
        pen.stroke([(0.36, -0.34), (0.36 + s * 0.05, -0.6), (0.36 + s * 0.24, -0.7 + wag)], 0.05,
                   (190, 226, 244), end=0.09)  # fmt: skip


def _turtle(pen: Pen) -> None:
    paddle = 0.06 * pen.beat
    for x, s in ((-0.44, -1), (0.34, 1)):
        pen.blob(
            [(x - 0.16, 0.66), (x + 0.16, 0.66), (x + 0.14 + s * paddle, 1.0), (x - 0.14, 1.0)],
            "light",
        )
    pen.blob(
        [(0.5, 0.56), (0.72, 0.24), (0.96, 0.2), (1.08, 0.4), (0.96, 0.56), (0.7, 0.74)], "light"
    )
    pen.shape([(-0.66, 0.72), (-0.96, 0.84), (-0.66, 0.84)], "light")
    pen.blob([(-0.76, 0.76), (-0.76, 0.76), (-0.7, 0.3), (-0.36, -0.06), (0.0, -0.14), (0.36, -0.02),
              (0.62, 0.36), (0.66, 0.76), (0.66, 0.76)])  # fmt: skip
    for x, y, r in (
        (-0.04, 0.16, 0.2),
        (-0.42, 0.34, 0.15),
        (0.34, 0.36, 0.15),
        (-0.04, 0.56, 0.17),
    ):
        hexagon = [
            (x + r * math.cos(math.tau * i / 6), y + r * math.sin(math.tau * i / 6))
            for i in range(6)
        ]
        pen.shape(hexagon, "dark")
    pen.box(-0.82, 0.7, 0.72, 0.8, "dark", soft=0.05)
    pen.eye(0.9, 0.34, 0.05)


def _octopus(pen: Pen) -> None:
    for i in range(6):
        x = -0.6 + i * 0.24
        sway = 0.1 * math.sin(math.tau * pen.phase + i)
        pen.stroke([(x * 0.6, 0.1), (x, 0.5), (x * 1.3 + sway, 0.94)], 0.24, end=0.08,
                   fill="base" if i % 2 else "dark")  # fmt: skip
    pen.blob(
        [
            (0, -0.92),
            (0.5, -0.7),
            (0.6, -0.2),
            (0.4, 0.26),
            (-0.4, 0.26),
            (-0.6, -0.2),
            (-0.5, -0.7),
        ]
    )
    for s in (-1, 1):
        pen.dot(s * 0.22, -0.14, 0.14, "white")
        pen.eye(s * 0.2, -0.13, 0.09)
    pen.stroke([(-0.1, 0.1), (0, 0.15), (0.1, 0.1)], 0.03)
    pen.oval(-0.28, -0.6, 0.12, 0.08, "light", turn=-30)


def _butterfly(pen: Pen, *, bee: bool = False) -> None:
    fold = 1 - 0.22 * (1 + pen.beat) / 2
    if bee:
        _bee(pen)
        return
    wings: list[tuple[list[Point], str]] = [
        ([(0.04, 0.0), (0.3, 0.1), (0.7, 0.2), (0.8, 0.5), (0.56, 0.82), (0.26, 0.6), (0.06, 0.26)], "dark"),
        ([(0.04, 0.02), (0.2, -0.5), (0.62, -0.92), (0.98, -0.8), (0.96, -0.36), (0.7, 0.02), (0.3, 0.14)], "base"),
        ([(0.24, -0.08), (0.36, -0.46), (0.66, -0.72), (0.82, -0.62), (0.76, -0.34), (0.56, -0.08)], "accent"),
        ([(0.3, 0.24), (0.58, 0.28), (0.64, 0.5), (0.5, 0.62), (0.34, 0.46)], "light"),
    ]  # fmt: skip
    for points, fill in wings:
        half = [(x * fold, y) for x, y in points]
        pen.blob(half, fill)
        pen.blob(mirrored(half), fill)
    for s in (-1, 1):
        pen.dot(s * 0.86 * fold, -0.72, 0.05, "white")
        pen.stroke([(0, -0.3), (s * 0.1, -0.6), (s * 0.24, -0.74)], 0.025)
        pen.dot(s * 0.24, -0.74, 0.035)
    pen.stroke([(0, -0.3), (0, 0.5)], 0.12, end=0.07, straight=True)
    pen.oval(0, -0.34, 0.09, 0.09, "ink")


def _bee(pen: Pen) -> None:
    lift = 0.1 * pen.beat
    for x, turn in ((-0.24, -30), (0.08, 10)):
        pen.oval(x, -0.42 - lift, 0.2, 0.4, (226, 240, 250), turn=turn)
    pen.oval(-0.08, 0.18, 0.64, 0.44)
    for x in (-0.42, -0.1):
        pen.shape(
            [(x - 0.08, -0.4), (x + 0.1, -0.4), (x + 0.1, 0.8), (x - 0.08, 0.8)], "ink", within=True
        )
    pen.oval(0.5, 0.08, 0.3, 0.3, "base")
    pen.eye(0.6, 0.02, 0.09)


def _dragon(pen: Pen) -> None:
    flap = 0.14 * pen.beat
    wing = [(-0.1, 0.02), (-0.1, 0.02), (-0.34, -0.66 - flap), (-0.86, -1.02 - flap), (-0.86, -1.02 - flap),
            (-0.82, -0.6 - flap), (-1.06, -0.38), (-1.06, -0.38), (-0.78, -0.24), (-0.74, 0.06),
            (-0.74, 0.06), (-0.5, -0.08), (-0.3, 0.18)]  # fmt: skip
    pen.blob([(x + 0.34, y + 0.02) for x, y in wing], "dark")
    pen.stroke([(-0.3, 0.5), (-0.7, 0.82), (-1.04, 0.66), (-0.98, 0.4)], 0.3, end=0.06, fill="base")
    pen.shape([(-1.08, 0.44), (-0.98, 0.16), (-0.86, 0.42)], "accent")
    pen.stroke([(0.1, 0.2), (0.5, -0.06), (0.36, -0.44), (0.56, -0.68)], 0.4, end=0.24, fill="base")
    pen.blob(
        [
            (-0.5, 0.4),
            (-0.2, 0.06),
            (0.2, 0.02),
            (0.44, 0.3),
            (0.34, 0.66),
            (0.0, 0.8),
            (-0.36, 0.72),
        ]
    )
    pen.blob(
        [(0.5, 0.1), (0.4, 0.5), (0.1, 0.78), (-0.2, 0.8), (0.1, 0.5), (0.24, 0.2)],
        "accent",
        within=True,
    )
    for x in (-0.2, 0.2):
        pen.stroke([(x, 0.56), (x - 0.02, 0.92)], 0.24, fill="base", end=0.18)
        for toe in (-0.08, 0.02, 0.12):
            pen.shape(
                [(x + toe - 0.04, 0.94), (x + toe + 0.05, 0.94), (x + toe + 0.02, 1.04)], "white"
            )
    pen.blob([(0.38, -0.86), (0.66, -0.94), (0.86, -0.76), (1.08, -0.64), (1.06, -0.48), (0.72, -0.48),
              (0.44, -0.54)])  # fmt: skip
    for x in (0.4, 0.54):
        pen.shape([(x, -0.84), (x + 0.1, -0.88), (x - 0.14, -1.14)], "accent")
    for x, y in ((0.2, -0.48), (0.18, -0.26), (0.28, -0.08)):
        pen.shape([(x + 0.06, y - 0.1), (x + 0.08, y + 0.1), (x - 0.12, y - 0.06)], "accent")
    pen.blob(wing, "accent")
    pen.stroke([(-0.12, 0.04), (-0.36, -0.6 - flap), (-0.84, -0.98 - flap)], 0.07, "dark", end=0.03)
    pen.eye(0.72, -0.74, 0.055)
    pen.dot(1.0, -0.6, 0.02)


def _dinosaur(pen: Pen) -> None:
    pen.stroke([(-0.1, 0.5), (-0.5, 0.74), (-1.0, 0.78)], 0.5, end=0.05, fill="base")
    pen.blob([(-0.4, 0.5), (-0.2, 0.1), (0.1, -0.2), (0.24, -0.6), (0.5, -0.86), (0.84, -0.8), (1.0, -0.56),
              (0.96, -0.4), (0.6, -0.34), (0.52, 0.0), (0.44, 0.5), (0.1, 0.8), (-0.3, 0.76)])  # fmt: skip
    pen.blob(
        [(0.6, -0.3), (0.5, 0.3), (0.3, 0.76), (0.1, 0.8), (0.28, 0.3), (0.4, -0.2)],
        "accent",
        within=True,
    )
    for i, (x, y) in enumerate(
        ((0.3, -0.76), (0.12, -0.46), (0.0, -0.16), (-0.2, 0.12), (-0.46, 0.42))
    ):
        s = 0.13 + 0.02 * (i % 2)
        pen.shape([(x + s, y - s * 0.4), (x - s * 0.2, y + s), (x - s, y - s * 0.9)], "dark")
    for x in (-0.16, 0.22):
        pen.stroke([(x, 0.6), (x, 0.92)], 0.26, fill="base", straight=True)
        pen.oval(x + 0.06, 0.95, 0.18, 0.06, "dark")
    pen.stroke([(0.46, 0.06), (0.66, 0.12), (0.7, 0.24)], 0.1, end=0.07, fill="dark")
    pen.eye(0.68, -0.66, 0.065)
    pen.stroke([(0.98, -0.5), (0.8, -0.46), (0.68, -0.48)], 0.025)


def _snail(pen: Pen) -> None:
    pen.blob([(-0.94, 0.98), (-0.5, 0.72), (0.3, 0.74), (0.56, 0.4), (0.62, 0.0), (0.9, 0.02), (0.94, 0.5),
              (0.8, 0.98)], "accent")  # fmt: skip
    for x in (0.66, 0.86):
        pen.stroke([(x, 0.06), (x + 0.06, -0.24)], 0.05, "accent")
        pen.dot(x + 0.07, -0.26, 0.06)
    pen.oval(-0.16, 0.24, 0.6, 0.6)
    coil = [(-0.16 + r * math.cos(r * 14), 0.24 + r * math.sin(r * 14)) for r in
            (0.06 + i * 0.022 for i in range(22))]  # fmt: skip
    pen.stroke(coil, 0.05, "dark")


KINDS: dict[str, Kind] = {
    "fish": Kind(_fish, "fish goldfish salmon trout tuna koi shark fisch poisson", (246, 142, 62), place="air",
                 setting="underwater", size=0.8),
    "whale": Kind(_whale, "whale dolphin orca narwhal", (72, 118, 168), (214, 230, 240), place="water",
                  setting="sea", size=1.1),
    "turtle": Kind(_turtle, "turtle tortoise", (86, 146, 92), setting="beach", size=0.8),
    "octopus": Kind(_octopus, "octopus squid jellyfish", (214, 96, 128), place="air", setting="underwater"),
    "butterfly": Kind(_butterfly, "butterfly butterflies moth", (240, 132, 62), (255, 206, 120), place="air",
                      size=0.75),
    "bee": Kind(partial(_butterfly, bee=True), "bee bumblebee wasp", (250, 196, 62), place="air", size=0.55),
    "dragon": Kind(_dragon, "dragon wyvern drache", (72, 158, 108), (244, 200, 112), setting="mountains",
                   size=1.25),
    "dinosaur": Kind(_dinosaur, "dinosaur dino trex godzilla raptor lizard crocodile frog", (108, 176, 104),
                     size=1.15),
    "snail": Kind(_snail, "snail slug", (206, 128, 92), (240, 214, 168), size=0.5),
}  # fmt: skip
