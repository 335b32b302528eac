"""Animals that stand on hooves, in profile."""

from __future__ import annotations

import math
from functools import partial

from ..pen import Pen
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


KINDS: dict[str, Kind] = {
    "horse": Kind(_horse, "horse pony stallion mare donkey pferd cheval caballo", (158, 98, 62), (74, 48, 44),
                  size=1.15),
    "unicorn": Kind(partial(_horse, horn=True), "unicorn pegasus", (248, 240, 246), (236, 142, 196), size=1.15),
    "zebra": Kind(partial(_horse, stripes=True), "zebra", (246, 242, 236), (48, 44, 52), size=1.1),
    "deer": Kind(partial(_horse, antlers=True), "deer stag elk moose reindeer fawn doe antelope", (176, 116, 70),
                 (246, 232, 212), setting="forest", size=1.1),
    "cow": Kind(_cow, "cow bull calf cattle ox goat", (248, 244, 238), size=1.1),
    "sheep": Kind(partial(_cow, wool=True), "sheep lamb ram ewe", (250, 244, 232)),
}  # fmt: skip
