"""Birds."""

from __future__ import annotations

from functools import partial

from ..pen import Pen
from .kind import Kind


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


KINDS: dict[str, Kind] = {
    "bird": Kind(_bird, "bird sparrow robin finch parrot canary raven crow dove pigeon seagull gull eagle hawk "
                 "vogel oiseau kingfisher hummingbird chick chicken hen rooster", (74, 144, 206), size=0.7),
    "owl": Kind(_owl, "owl", (150, 108, 78), (240, 220, 188), setting="forest", size=0.8),
    "penguin": Kind(_penguin, "penguin puffin", (52, 58, 78), setting="snow", size=0.85),
    "duck": Kind(_duck, "duck duckling goose geese", (250, 208, 84), place="water", setting="lake", size=0.7),
    "swan": Kind(partial(_duck, neck=0.42), "swan flamingo heron", (250, 246, 240), place="water",
                 setting="lake", size=0.8),
}  # fmt: skip
