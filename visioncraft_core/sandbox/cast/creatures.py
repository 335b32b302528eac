"""Animals with a shape of their own: in profile, on the wing, in the water."""

from __future__ import annotations

import math
from functools import partial

from ..pen import Pen, Point
from .beasts import mirrored
from .kind import Kind


def _horse(pen: Pen, *, horn: bool = False, stripes: bool = False, antlers: bool = False) -> None:
    for x, lean in ((-0.42, -0.03), (0.3, 0.05)):
        pen.stroke([(x, 0.35), (x + lean, 0.66), (x + lean, 0.92)], 0.15, end=0.09, fill="dark")
    swish = 0.08 * pen.beat
    tail = [(-0.6, 0.02), (-0.86, 0.1), (-0.92 - swish, 0.5), (-0.84 - swish, 0.74)]
    if antlers:
        pen.oval(-0.68, 0.02, 0.1, 0.08, "accent", turn=-30)
    else:
        pen.stroke(tail, 0.1, end=0.2, fill="accent")
    pen.blob([(-0.66, 0.1), (-0.5, -0.12), (-0.1, -0.06), (0.22, -0.16), (0.34, -0.5), (0.42, -0.74),
              (0.56, -0.84), (0.72, -0.72), (0.94, -0.5), (0.92, -0.38), (0.78, -0.36), (0.66, -0.42),
              (0.58, -0.2), (0.5, 0.2), (0.34, 0.42), (-0.1, 0.38), (-0.46, 0.46), (-0.66, 0.36)])  # fmt: skip
    for x, lean in ((-0.56, -0.02), (0.42, 0.03)):
        pen.stroke([(x, 0.3), (x + lean, 0.62), (x + lean, 0.9)], 0.19, end=0.1, fill="base")
    for x in (-0.58, 0.45, -0.45, 0.35):
        pen.shape([(x - 0.06, 0.9), (x + 0.05, 0.9), (x + 0.09, 1.0), (x - 0.07, 1.0)], "ink")
    pen.shape([(0.48, -0.76), (0.5, -1.0), (0.62, -0.78)], "base")
    if stripes:
        for i in range(7):
            x = -0.56 + i * 0.16
            pen.stroke([(x, -0.16), (x + 0.04, 0.1), (x - 0.02, 0.34)], 0.055, end=0.01, fill="ink")
    if not antlers:
        pen.blob([(0.46, -0.84), (0.56, -0.86), (0.5, -0.62), (0.4, -0.36), (0.18, -0.08), (0.1, -0.14),
                  (0.22, -0.42), (0.34, -0.72)], "accent")  # fmt: skip
    if horn:
        pen.shape([(0.58, -0.84), (0.66, -0.78), (0.86, -1.14)], (255, 214, 120))
    if antlers:
        for base, far in ((0.52, 0.3), (0.58, 0.72)):
            mid = (base + far) / 2
            pen.stroke([(base, -0.82), (mid, -0.98), (far, -1.16)], 0.05, end=0.03, fill="dark")
            pen.stroke([(mid, -0.98), (mid + 0.1, -1.14)], 0.04, end=0.02, fill="dark")
    pen.eye(0.66, -0.64, 0.05)
    pen.dot(0.87, -0.46, 0.022)


def _cow(pen: Pen, *, wool: bool = False) -> None:
    for x in (-0.5, -0.28, 0.22, 0.44):
        pen.stroke([(x, 0.5), (x, 0.9)], 0.14, fill="ink" if wool else "dark", straight=True)
    if wool:
        curls = [(0.02 + 0.66 * math.cos(math.tau * i / 22) * (1 + 0.12 * (i % 2)),
                  0.2 + 0.42 * math.sin(math.tau * i / 22) * (1 + 0.16 * (i % 2))) for i in range(22)]  # fmt: skip
        pen.blob(curls, "base")
    else:
        pen.box(-0.66, -0.14, 0.58, 0.62, "base", soft=0.24)
        for x, y, r in ((-0.38, 0.06, 0.2), (0.1, 0.38, 0.18), (0.24, -0.1, 0.16)):
            pen.oval(x, y, r * 1.2, r, "ink", within=True)
        pen.oval(-0.06, 0.62, 0.16, 0.09, (244, 176, 178))
    face = "ink" if wool else "base"
    for s in (-1, 1):
        pen.oval(0.66 + s * 0.3, -0.3, 0.13, 0.07, face, turn=s * 20)
        if not wool:
            pen.stroke(
                [(0.66 + s * 0.12, -0.46), (0.66 + s * 0.22, -0.58)], 0.07, end=0.03, fill="white"
            )
    pen.blob(
        [(0.42, -0.4), (0.66, -0.5), (0.9, -0.4), (0.86, 0.0), (0.66, 0.12), (0.46, 0.0)], face
    )
    if wool:
        pen.blob(
            [(0.42, -0.42), (0.54, -0.58), (0.7, -0.6), (0.86, -0.5), (0.84, -0.38), (0.6, -0.36)]
        )
    else:
        pen.oval(0.66, 0.02, 0.22, 0.14, (244, 190, 190))
    for s in (-1, 1):
        pen.dot(0.66 + s * 0.11, -0.22, 0.06, "white")
        pen.eye(0.66 + s * 0.11, -0.21, 0.045)
        pen.dot(0.66 + s * 0.08, 0.0, 0.022, "dark")


def _bird(pen: Pen) -> None:
    for x in (-0.06, 0.12):
        pen.stroke(
            [(x, 0.6), (x, 0.96), (x + 0.1, 0.98)], 0.035, fill=(224, 138, 60), straight=True
        )
    pen.blob([(-0.5, 0.2), (-1.0, 0.34), (-1.06, 0.5), (-0.86, 0.56), (-0.4, 0.5)], "dark")
    pen.blob([(-0.62, 0.3), (-0.4, -0.06), (-0.02, -0.3), (0.1, -0.58), (0.4, -0.7), (0.66, -0.52),
              (0.68, -0.22), (0.58, 0.2), (0.36, 0.52), (0.0, 0.66), (-0.4, 0.56)])  # fmt: skip
    pen.oval(0.34, 0.2, 0.32, 0.44, "accent", turn=18, within=True)
    flap = 0.06 * pen.beat
    pen.blob([(0.06, -0.06), (0.2, 0.16), (0.06, 0.42), (-0.4, 0.5), (-0.82, 0.4 + flap), (-0.5, 0.22),
              (-0.26, 0.0)], "dark")  # fmt: skip
    pen.shape([(0.64, -0.5), (0.98, -0.36), (0.66, -0.28)], (244, 168, 60))
    pen.eye(0.46, -0.44, 0.075)


def _owl(pen: Pen) -> None:
    for s in (-1, 1):
        pen.blob([(s * 0.44, -0.3), (s * 0.72, 0.1), (s * 0.62, 0.7), (s * 0.36, 0.84)], "dark")
    pen.blob([(-0.52, -0.9), (-0.52, -0.9), (-0.3, -0.74), (0, -0.7), (0.3, -0.74), (0.52, -0.9),
              (0.52, -0.9), (0.54, -0.4), (0.56, 0.3), (0.36, 0.84), (0, 0.94), (-0.36, 0.84),
              (-0.56, 0.3), (-0.54, -0.4)])  # fmt: skip
    pen.oval(0, 0.42, 0.38, 0.44, "accent", within=True)
    rows = 4 if pen.fine else 2
    for row in range(rows):
        for i in range(-1, 2):
            x, y = i * 0.2 + (row % 2) * 0.1, 0.16 + row * 0.17
            pen.stroke([(x - 0.06, y), (x, y + 0.07), (x + 0.06, y)], 0.03, "dark")
    for s in (-1, 1):
        pen.oval(s * 0.24, -0.34, 0.27, 0.27, "light")
        pen.dot(s * 0.22, -0.34, 0.19, (255, 206, 84))
        pen.eye(s * 0.21, -0.34, 0.12)
    pen.shape([(-0.08, -0.22), (0.08, -0.22), (0, -0.02)], (240, 154, 60))
    for s in (-1, 1):
        for toe in (-0.07, 0, 0.07):
            pen.oval(s * 0.2 + toe, 0.93, 0.04, 0.07, (240, 154, 60))


def _penguin(pen: Pen) -> None:
    for s in (-1, 1):
        pen.oval(s * 0.22, 0.94, 0.2, 0.07, (246, 166, 60))
        lift = 0.06 * pen.beat
        pen.blob(
            [(s * 0.4, -0.16), (s * (0.74 + lift), 0.3), (s * 0.66, 0.52), (s * 0.42, 0.3)], "dark"
        )
    pen.blob([(0, -0.94), (0.34, -0.78), (0.4, -0.4), (0.52, 0.2), (0.46, 0.78), (0, 0.96),
              (-0.46, 0.78), (-0.52, 0.2), (-0.4, -0.4), (-0.34, -0.78)])  # fmt: skip
    pen.blob([(0, -0.5), (0.3, -0.72), (0.32, -0.36), (0.36, 0.2), (0.3, 0.76), (0, 0.88), (-0.3, 0.76),
              (-0.36, 0.2), (-0.32, -0.36), (-0.3, -0.72)], "white", within=True)  # fmt: skip
    pen.shape([(-0.1, -0.46), (0.1, -0.46), (0, -0.3)], (246, 166, 60))
    for s in (-1, 1):
        pen.eye(s * 0.16, -0.58, 0.065)


def _duck(pen: Pen, *, neck: float = 0.0) -> None:
    pen.blob([(-0.92, 0.2), (-0.6, 0.34), (-0.1, 0.24), (0.3, 0.3), (0.62, 0.5), (0.6, 0.82), (0.3, 0.96),
              (-0.4, 0.96), (-0.76, 0.72)])  # fmt: skip
    pen.stroke(
        [(0.44, 0.62), (0.34 + neck * 0.3, 0.1), (0.46, -0.2 - neck)],
        0.34 - neck * 0.25,
        fill="base",
    )
    pen.oval(0.5, -0.26 - neck, 0.28 - neck * 0.12, 0.26 - neck * 0.1)
    pen.blob(
        [(0.7, -0.34 - neck), (1.02, -0.22 - neck), (1.0, -0.14 - neck), (0.7, -0.12 - neck)],
        (246, 150, 56),
    )
    pen.blob([(0.24, 0.46), (0.2, 0.74), (-0.3, 0.8), (-0.78, 0.42), (-0.3, 0.42)], "dark")
    pen.eye(0.56, -0.32 - neck, 0.06)


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
        pen.box(x - 0.07, -0.3, x + 0.09, 0.66, "base")
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
    "horse": Kind(_horse, "horse pony stallion mare donkey pferd cheval caballo", (158, 98, 62), (74, 48, 44),
                  size=1.15),
    "unicorn": Kind(partial(_horse, horn=True), "unicorn pegasus", (248, 240, 246), (236, 142, 196), size=1.15),
    "zebra": Kind(partial(_horse, stripes=True), "zebra", (246, 242, 236), (48, 44, 52), size=1.1),
    "deer": Kind(partial(_horse, antlers=True), "deer stag elk moose reindeer fawn doe antelope", (176, 116, 70),
                 (246, 232, 212), setting="forest", size=1.1),
    "cow": Kind(_cow, "cow bull calf cattle ox goat", (248, 244, 238), size=1.1),
    "sheep": Kind(partial(_cow, wool=True), "sheep lamb ram ewe", (250, 244, 232)),
    "bird": Kind(_bird, "bird sparrow robin finch parrot canary raven crow dove pigeon seagull gull eagle hawk "
                 "vogel oiseau kingfisher hummingbird chick chicken hen rooster", (74, 144, 206), size=0.7),
    "owl": Kind(_owl, "owl", (150, 108, 78), (240, 220, 188), setting="forest", size=0.8),
    "penguin": Kind(_penguin, "penguin puffin", (52, 58, 78), setting="snow", size=0.85),
    "duck": Kind(_duck, "duck duckling goose geese", (250, 208, 84), place="water", setting="lake", size=0.7),
    "swan": Kind(partial(_duck, neck=0.42), "swan flamingo heron", (250, 246, 240), place="water",
                 setting="lake", size=0.8),
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
