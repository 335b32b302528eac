"""People, and those who look a little like them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ..colour import INK, RGB
from ..pen import Pen, ring
from .kind import Kind

SKIN: RGB = (242, 200, 168)
HAIR: RGB = (92, 58, 46)
GLASS: RGB = (168, 214, 232)
WARM: RGB = (255, 222, 140)
STEEL: RGB = (176, 186, 200)


def _person(pen: Pen, *, hair: str = "long", hat: str = "", suit: bool = False) -> None:
    sway = 0.03 * pen.beat
    if hair == "long" and not suit:
        pen.blob([(-0.34, -0.5), (0, -0.98), (0.34, -0.5), (0.4, 0.12), (-0.4, 0.12)], HAIR)
    pen.blob([(-0.5, 1.0), (-0.42, 0.3), (-0.16, 0.02), (0.16, 0.02), (0.42, 0.3), (0.5, 1.0)])
    pen.box(-0.09, -0.16, 0.09, 0.14, SKIN)
    pen.blob([(-0.52, 1.0), (-0.44, 0.3), (-0.3, 0.2), (-0.26, 1.0)], "dark", within=True)
    pen.oval(sway, -0.44, 0.29, 0.34, SKIN)
    if suit:
        pen.oval(sway, -0.44, 0.46, 0.46, "white")
        pen.oval(sway, -0.42, 0.34, 0.31, (46, 62, 92))
        pen.oval(sway + 0.1, -0.52, 0.12, 0.07, GLASS, turn=-30)
        pen.box(-0.2, 0.4, 0.2, 0.66, STEEL, soft=0.05)
        pen.dot(-0.08, 0.53, 0.05, (226, 92, 82))
        pen.dot(0.08, 0.53, 0.05, (92, 168, 226))
        return
    fringe = [(-0.31, -0.42), (-0.28, -0.74), (0, -0.86), (0.28, -0.74), (0.31, -0.42)]
    pen.blob([*fringe, (0.16, -0.62), (-0.1, -0.58)], HAIR)
    pen.dot(-0.11 + sway, -0.4, 0.035)
    pen.dot(0.11 + sway, -0.4, 0.035)
    pen.dot(-0.17 + sway, -0.3, 0.05, (236, 164, 142), 0.03)
    pen.dot(0.17 + sway, -0.3, 0.05, (236, 164, 142), 0.03)
    smile = [(-0.07 + sway, -0.26), (sway, -0.22), (0.07 + sway, -0.26)]
    pen.stroke(smile, 0.025, (168, 74, 74))
    if hair == "beard":
        _beard(pen, sway)
    if hat:
        HATS[hat](pen, sway)


def _beard(pen: Pen, sway: float) -> None:
    grey = (226, 222, 226)
    x = sway
    pen.blob([(x - 0.3, -0.4), (x - 0.24, -0.2), (x - 0.08, -0.29), (x, -0.26), (x + 0.08, -0.29),
              (x + 0.24, -0.2), (x + 0.3, -0.4), (x + 0.28, 0.0), (x, 0.5), (x - 0.28, 0.0)], grey)  # fmt: skip
    pen.stroke([(x - 0.07, -0.22), (x, -0.19), (x + 0.07, -0.22)], 0.025, (168, 74, 74))


def _pointed(pen: Pen, sway: float) -> None:
    pen.shape([(sway - 0.3, -0.66), (sway + 0.06, -1.18), (sway + 0.3, -0.66)], "dark")
    pen.shape([(sway - 0.3, -0.7), (sway + 0.3, -0.7), (sway + 0.3, -0.62), (sway - 0.3, -0.62)],
              (248, 208, 96))  # fmt: skip
    pen.oval(sway, -0.62, 0.5, 0.07, "dark")


def _crown(pen: Pen, sway: float) -> None:
    gold = (250, 206, 88)
    points = [(-0.26, -0.7), (-0.3, -0.98), (-0.15, -0.84), (0.0, -1.06), (0.15, -0.84),
              (0.3, -0.98), (0.26, -0.7)]  # fmt: skip
    pen.shape([(x + sway, y) for x, y in points], gold)
    for x, y in ((-0.3, -1.0), (0.0, -1.08), (0.3, -1.0)):
        pen.dot(x + sway, y, 0.045, (226, 84, 92))


HATS: dict[str, Callable[[Pen, float], None]] = {"pointed": _pointed, "crown": _crown}


def _robot(pen: Pen) -> None:
    nod = 0.03 * pen.beat
    pen.stroke([(0, -0.7), (0, -0.98 + nod)], 0.05, "dark", straight=True)
    pen.lit(ring(0, -0.98 + nod, 0.08, 0.08), (255, 120, 96))
    for side in (-1, 1):
        pen.stroke([(side * 0.44, 0.1), (side * 0.68, 0.3 + nod), (side * 0.6, 0.62)], 0.14, "dark")
        pen.box(side * 0.22 - 0.11, 0.66, side * 0.22 + 0.11, 1.0, "dark", soft=0.05)
    pen.box(-0.44, -0.02, 0.44, 0.74, "base", soft=0.14)
    pen.box(-0.4, -0.72 + nod, 0.4, -0.06 + nod, "base", soft=0.16)
    pen.box(-0.3, -0.58 + nod, 0.3, -0.24 + nod, INK, soft=0.1)
    for side in (-1, 1):
        pen.lit(ring(side * 0.14, -0.41 + nod, 0.07, 0.09), (132, 232, 240))
    pen.box(-0.24, 0.18, 0.24, 0.48, "light", soft=0.06)
    pen.lit(ring(-0.12, 0.33, 0.06, 0.06), (120, 226, 140))
    pen.lit(ring(0.1, 0.33, 0.06, 0.06), WARM)


KINDS: dict[str, Kind] = {
    "person": Kind(_person, "person woman lady girl mother daughter sister grandmother frau femme nurse "
                   "dancer ballerina bride", (196, 86, 106), coat=True, setting="meadow"),
    "man": Kind(partial(_person, hair="short"), "man boy gentleman father grandfather son brother monk knight "
                "farmer sailor samurai people child kid mann homme", (70, 104, 158), coat=True),
    "wizard": Kind(partial(_person, hair="beard", hat="pointed"), "wizard sorcerer magician gandalf merlin", (84, 78, 168), coat=True, setting="forest"),
    "witch": Kind(partial(_person, hat="pointed"), "witch sorceress", (112, 66, 142), coat=True, setting="forest"),
    "queen": Kind(partial(_person, hat="crown"), "queen princess empress", (172, 72, 142), coat=True),
    "king": Kind(partial(_person, hair="beard", hat="crown"), "king prince emperor", (162, 62, 72), coat=True),
    "astronaut": Kind(partial(_person, suit=True), "astronaut cosmonaut spaceman diver", (232, 234, 240), setting="space"),
    "robot": Kind(_robot, "robot android cyborg droid machine mech", (122, 158, 190), setting="city"),
}  # fmt: skip
