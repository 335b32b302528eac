"""Four-legged friends that sit and look at you: one body, and a table of what differs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ..colour import RGB
from ..pen import Fill, Pen, Point
from .kind import Kind


@dataclass(frozen=True)
class Beast:
    """What tells one sitting animal from another."""

    ears: str
    tail: str = "slim"
    nose: str = "small"
    head: tuple[float, float] = (0.47, 0.4)
    cheeks: float = 0.0
    marks: str = ""
    muzzle: Fill = "accent"
    whiskers: bool = False
    girth: float = 1.0


def _tail_slim(pen: Pen) -> None:
    tip = 0.1 * pen.beat
    pen.stroke(
        [(0.3, 0.86), (0.78, 0.84), (0.86, 0.4), (0.7 + tip, 0.12)], 0.17, end=0.12, fill="base"
    )


def _tail_brush(pen: Pen) -> None:
    sway = 0.07 * pen.beat
    brush = [(0.2, 0.95), (0.62, 1.0), (0.98, 0.66), (0.92, 0.2), (0.7 + sway, -0.12), (0.6, 0.2),
             (0.5, 0.52)]  # fmt: skip
    pen.blob(brush, "base")
    tip = [(0.98, 0.34), (0.92, 0.1), (0.7 + sway, -0.12), (0.6, 0.14), (0.62, 0.32), (0.74, 0.22),
           (0.84, 0.36)]  # fmt: skip
    pen.blob(tip, "accent", within=True)


def _tail_short(pen: Pen) -> None:
    pen.oval(0.46, 0.82 + 0.02 * pen.beat, 0.15, 0.14, "light")


def _tail_tuft(pen: Pen) -> None:
    tip = 0.08 * pen.beat
    pen.stroke([(0.3, 0.9), (0.78, 0.86), (0.84, 0.5), (0.8 + tip, 0.3)], 0.1, fill="base")
    pen.oval(0.8 + tip, 0.24, 0.11, 0.14, "dark")


TAILS: dict[str, Callable[[Pen], None]] = {
    "slim": _tail_slim,
    "brush": _tail_brush,
    "short": _tail_short,
    "tuft": _tail_tuft,
}

EARS: dict[str, tuple[list[Point], list[Point]]] = {
    "point": (
        [(-0.46, -0.42), (-0.46, -0.42), (-0.47, -0.94), (-0.44, -0.95), (-0.08, -0.62), (-0.08, -0.62)],
        [(-0.4, -0.5), (-0.4, -0.5), (-0.41, -0.8), (-0.38, -0.8), (-0.18, -0.6), (-0.18, -0.6)],
    ),
    "big": (
        [(-0.48, -0.4), (-0.48, -0.4), (-0.58, -1.06), (-0.54, -1.07), (-0.08, -0.62), (-0.08, -0.62)],
        [(-0.44, -0.5), (-0.44, -0.5), (-0.49, -0.9), (-0.46, -0.91), (-0.2, -0.6), (-0.2, -0.6)],
    ),
    "round": (
        [(-0.5, -0.66), (-0.36, -0.86), (-0.16, -0.74), (-0.18, -0.52), (-0.36, -0.44)],
        [(-0.43, -0.65), (-0.35, -0.76), (-0.23, -0.69), (-0.24, -0.58), (-0.36, -0.54)],
    ),
    "wide": (
        [(-0.82, -0.66), (-0.62, -0.92), (-0.3, -0.78), (-0.26, -0.44), (-0.56, -0.3), (-0.8, -0.42)],
        [(-0.72, -0.64), (-0.6, -0.79), (-0.4, -0.7), (-0.36, -0.48), (-0.56, -0.41), (-0.7, -0.5)],
    ),
    "long": (
        [(-0.3, -0.5), (-0.42, -0.86), (-0.32, -1.17), (-0.16, -1.12), (-0.08, -0.8), (-0.08, -0.5)],
        [(-0.24, -0.55), (-0.32, -0.86), (-0.27, -1.05), (-0.2, -1.02), (-0.16, -0.8), (-0.16, -0.55)],
    ),
    "floppy": (
        [(-0.26, -0.68), (-0.5, -0.64), (-0.66, -0.3), (-0.6, 0.06), (-0.44, 0.04), (-0.36, -0.3)],
        [(-0.4, -0.52), (-0.54, -0.36), (-0.56, -0.1), (-0.5, -0.06), (-0.44, -0.24), (-0.4, -0.4)],
    ),
}  # fmt: skip


def mirrored(points: list[Point]) -> list[Point]:
    """The same on the other side of the body."""
    return [(-x, y) for x, y in points]


def _ears(pen: Pen, ears: str) -> None:
    outer, inner = EARS[ears]
    flop = ears == "floppy"
    for side in (outer, mirrored(outer)):
        pen.blob(side, "dark" if flop else "base")
    for side in (inner, mirrored(inner)):
        pen.blob(side, "dark" if flop else "accent")


def _body(pen: Pen, beast: Beast) -> None:
    g = beast.girth
    pen.blob([(-0.2 * g, 0.0), (0.2 * g, 0.0), (0.38 * g, 0.4), (0.5 * g, 0.8), (0.4 * g, 1.0),
              (-0.4 * g, 1.0), (-0.5 * g, 0.8), (-0.38 * g, 0.4)])  # fmt: skip
    pen.oval(0, 0.5, 0.22 * g, 0.36, "accent", within=True)
    for side in (-1, 1):
        pen.oval(side * 0.4 * g, 0.84, 0.18, 0.17, "base")
        pen.oval(side * 0.36 * g, 0.95, 0.17, 0.075, "light")
        pen.stroke([(side * 0.15, 0.42), (side * 0.14, 0.9)], 0.19, fill="base", straight=True)
        pen.oval(side * 0.15, 0.94, 0.13, 0.075, "light")
        if pen.fine:
            for toe in (-0.045, 0.045):
                pen.stroke([(side * 0.15 + toe, 0.92), (side * 0.15 + toe, 0.97)], 0.014, "dark")


def _head(pen: Pen, beast: Beast) -> None:
    rx, ry = beast.head
    c = beast.cheeks
    pen.blob([(0, -0.28 - ry), (rx * 0.7, -0.28 - ry * 0.72), (rx, -0.24), (rx * (0.74 + c), -0.02),
              (rx * 0.3, 0.1), (0, 0.13), (-rx * 0.3, 0.1), (-rx * (0.74 + c), -0.02), (-rx, -0.24),
              (-rx * 0.7, -0.28 - ry * 0.72)])  # fmt: skip


def _marks(pen: Pen, marks: str) -> None:
    if marks == "mask":
        for s in (-1, 1):
            pen.blob([(s * 0.02, 0.14), (s * 0.03, -0.1), (s * 0.2, -0.2), (s * 0.42, -0.22),
                      (s * 0.62, -0.05), (s * 0.4, 0.14)], "accent", within=True)  # fmt: skip
    elif marks == "patches":
        for s in (-1, 1):
            pen.oval(s * 0.22, -0.24, 0.13, 0.16, "ink", turn=s * 24)
    elif marks == "stripes":
        for s in (-1, 1):
            for y in (-0.34, -0.2, -0.06):
                pen.shape(
                    [(s * 0.5, y - 0.04), (s * 0.28, y), (s * 0.5, y + 0.05)], "ink", within=True
                )
            for y in (0.3, 0.46, 0.62):
                pen.shape(
                    [(s * 0.6, y - 0.05), (s * 0.22, y), (s * 0.6, y + 0.05)], "ink", within=True
                )
        for x in (-0.1, 0.0, 0.1):
            pen.shape([(x - 0.03, -0.7), (x, -0.46), (x + 0.03, -0.7)], "ink", within=True)
    elif marks == "bandit":
        pen.blob([(-0.48, -0.2), (-0.2, -0.32), (0, -0.2), (0.2, -0.32), (0.48, -0.2), (0.24, -0.1),
                  (0, -0.14), (-0.24, -0.1)], "ink", within=True)  # fmt: skip


def _mane(pen: Pen) -> None:
    lobes = 13
    points: list[Point] = []
    for i in range(lobes * 2):
        r = 0.72 if i % 2 == 0 else 0.6
        from math import cos, sin, tau

        points.append((r * cos(tau * i / lobes / 2), -0.22 + r * sin(tau * i / lobes / 2)))
    pen.blob(points, "dark")


def _nose_small(pen: Pen) -> None:
    pen.blob([(-0.07, -0.1), (0.07, -0.1), (0.03, -0.04), (0, -0.02), (-0.03, -0.04)], "ink")
    pen.stroke([(-0.1, 0.02), (-0.05, 0.045), (0, -0.01), (0.05, 0.045), (0.1, 0.02)], 0.022)


def _nose_big(pen: Pen) -> None:
    pen.oval(0, -0.09, 0.11, 0.075, "ink")
    pen.dot(0.03, -0.12, 0.03, "light", 0.015)
    pen.stroke([(0, -0.04), (0, 0.03)], 0.022)
    pen.stroke([(-0.1, 0.01), (-0.05, 0.045), (0, 0.03), (0.05, 0.045), (0.1, 0.01)], 0.022)


def _nose_snout(pen: Pen) -> None:
    pen.oval(0, -0.06, 0.19, 0.13, "dark")
    pen.oval(0, -0.07, 0.17, 0.11, "accent")
    for s in (-1, 1):
        pen.dot(s * 0.065, -0.07, 0.03, "dark", 0.045)
    pen.stroke([(-0.09, 0.07), (0, 0.1), (0.09, 0.07)], 0.022)


def _nose_trunk(pen: Pen) -> None:
    sway = 0.06 * pen.beat
    pen.stroke([(0, -0.12), (0.0, 0.16), (0.06 + sway, 0.42), (0.26 + sway, 0.5)], 0.28, end=0.15,
               fill="light")  # fmt: skip
    if pen.fine:
        for y in (0.06, 0.17, 0.28):
            pen.stroke([(-0.09, y), (0.0, y + 0.025), (0.1, y)], 0.016, "dark")
    for s in (-1, 1):
        pen.stroke(
            [(s * 0.2, 0.02), (s * 0.27, 0.18), (s * 0.22, 0.27)], 0.075, end=0.03, fill="white"
        )


NOSES: dict[str, Callable[[Pen], None]] = {
    "small": _nose_small,
    "big": _nose_big,
    "snout": _nose_snout,
    "trunk": _nose_trunk,
}


def draw_beast(pen: Pen, beast: Beast) -> None:
    """A sitting animal, seen from the front."""
    TAILS[beast.tail](pen)
    _body(pen, beast)
    if beast.marks == "mane":
        _mane(pen)
    if beast.ears != "floppy":
        _ears(pen, beast.ears)
    _head(pen, beast)
    _marks(pen, beast.marks)
    if beast.ears == "floppy":
        _ears(pen, beast.ears)
    if beast.nose in ("small", "big") and beast.marks != "mask":
        pen.oval(0, -0.02, 0.2, 0.13, beast.muzzle, within=True)
    NOSES[beast.nose](pen)
    masked = beast.marks in ("patches", "bandit")
    for s in (-1, 1):
        if masked:
            pen.dot(s * 0.21, -0.23, 0.078, "white")
        pen.eye(s * 0.21, -0.23, 0.062 if masked else 0.072)
        if beast.whiskers and pen.fine:
            for lift in (-0.05, 0.04):
                pen.stroke([(s * 0.22, -0.03), (s * 0.56, -0.03 + lift)], 0.014, "light")


def _beast(words: str, colour: RGB, accent: RGB | None, beast: Beast, **rest: float | str) -> Kind:
    return Kind(partial(draw_beast, beast=beast), words, colour, accent, **rest)  # type: ignore[arg-type]


CREAM: RGB = (250, 238, 222)

KINDS: dict[str, Kind] = {
    "cat": _beast("cat kitten kitty kitties tomcat feline katze chat gato", (232, 148, 78), CREAM,
                  Beast("point", whiskers=True), setting="room"),
    "dog": _beast("dog puppy puppies pup hound doggo retriever corgi labrador poodle hund chien perro",
                  (200, 142, 86), CREAM, Beast("floppy", nose="big", head=(0.45, 0.41))),
    "fox": _beast("fox vixen fuchs renard zorro", (226, 104, 44), CREAM,
                  Beast("big", "brush", cheeks=0.26, marks="mask", nose="small"), setting="forest"),
    "wolf": _beast("wolf husky coyote jackal", (128, 138, 152), (226, 230, 234),
                   Beast("big", "brush", nose="big", cheeks=0.22, marks="mask"), setting="forest"),
    "bear": _beast("bear cub grizzly teddy", (134, 88, 56), None,
                   Beast("round", "short", "big", (0.5, 0.42), girth=1.2), setting="forest"),
    "panda": _beast("panda", (244, 240, 234), (250, 248, 244),
                    Beast("round", "short", "big", (0.52, 0.43), marks="patches", girth=1.2),
                    setting="forest"),
    "koala": _beast("koala", (154, 162, 174), (232, 232, 234),
                    Beast("wide", "short", "big", (0.46, 0.4), girth=1.1), setting="forest"),
    "rabbit": _beast("rabbit bunny hare bunnies", (206, 178, 150), (252, 226, 222),
                     Beast("long", "short", head=(0.42, 0.37), whiskers=True)),
    "mouse": _beast("mouse rat hamster gerbil", (168, 162, 172), (248, 214, 214),
                    Beast("wide", "slim", head=(0.4, 0.36), whiskers=True), size=0.6, setting="room"),
    "squirrel": _beast("squirrel chipmunk", (184, 96, 52), CREAM,
                       Beast("point", "brush", head=(0.42, 0.37)), size=0.75, setting="forest"),
    "raccoon": _beast("raccoon racoon badger", (134, 132, 140), (226, 224, 224),
                      Beast("point", "brush", cheeks=0.2, marks="bandit"), setting="forest"),
    "lion": _beast("lion lioness", (232, 178, 92), (250, 228, 180),
                   Beast("round", "tuft", "big", (0.44, 0.38), marks="mane", girth=1.1)),
    "tiger": _beast("tiger tigress", (240, 146, 52), CREAM,
                    Beast("round", "slim", "big", (0.5, 0.42), marks="stripes", girth=1.1),
                    setting="forest"),
    "leopard": _beast("leopard cheetah panther puma jaguar lynx", (232, 186, 104), CREAM,
                      Beast("round", "slim", "small", (0.46, 0.4))),
    "pig": _beast("pig piglet boar", (244, 172, 176), (252, 204, 204),
                  Beast("point", "short", "snout", (0.48, 0.42), girth=1.15)),
    "monkey": _beast("monkey ape gorilla chimp chimpanzee", (124, 84, 60), (232, 192, 152),
                     Beast("wide", "slim", "small", (0.4, 0.38)), setting="forest"),
    "elephant": _beast("elephant mammoth", (140, 152, 170), (214, 190, 196),
                       Beast("wide", "short", "trunk", (0.46, 0.42), girth=1.25), size=1.2),
}  # fmt: skip
