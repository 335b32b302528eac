"""What carries people over land, through the air and across water."""

from __future__ import annotations

from ..colour import INK, RGB
from ..pen import Pen, ring
from .kind import Kind

GLASS: RGB = (168, 214, 232)
WARM: RGB = (255, 222, 140)
WOOD: RGB = (140, 96, 64)
STEEL: RGB = (176, 186, 200)


def _car(pen: Pen) -> None:
    pen.blob([(-0.6, 0.42), (-0.42, 0.02), (0.3, 0.02), (0.62, 0.42)], "base")
    pen.shape([(-0.47, 0.4), (-0.34, 0.12), (-0.06, 0.12), (-0.06, 0.4)], GLASS)
    pen.shape([(0.03, 0.4), (0.03, 0.12), (0.26, 0.12), (0.46, 0.4)], GLASS)
    pen.box(-0.98, 0.38, 0.98, 0.8, "base", soft=0.16)
    pen.box(-0.96, 0.62, 0.96, 0.7, "dark")
    pen.lit(ring(0.9, 0.52, 0.08, 0.08), WARM)
    _wheels(pen, (-0.54, 0.54), 0.22)


def _wheels(pen: Pen, places: tuple[float, ...], size: float) -> None:
    for x in places:
        pen.dot(x, 1.0 - size, size, INK)
        pen.dot(x, 1.0 - size, size * 0.5, STEEL)


def _train(pen: Pen) -> None:
    pen.box(-0.96, -0.2, -0.2, 0.74, "base", soft=0.06)
    pen.box(-1.02, -0.3, -0.14, -0.18, "dark", soft=0.04)
    pen.box(-0.82, -0.06, -0.36, 0.26, GLASS, soft=0.04)
    pen.box(-0.2, 0.14, 0.86, 0.74, "base", soft=0.14)
    pen.box(0.42, -0.22, 0.62, 0.2, "dark")
    pen.box(0.36, -0.3, 0.68, -0.2, "dark", soft=0.04)
    for number in range(3):
        puff = 0.1 + 0.05 * number
        drift = 0.1 * number + 0.06 * pen.beat
        pen.oval(0.52 - drift, -0.46 - 0.2 * number, puff * 1.3, puff, "white")
    pen.lit(ring(0.88, 0.36, 0.08, 0.08), WARM)
    pen.box(-0.96, 0.7, 0.98, 0.8, INK)
    _wheels(pen, (-0.7, -0.32, 0.12, 0.5, 0.8), 0.16)


def _boat(pen: Pen) -> None:
    pen.stroke([(0, 0.6), (0, -0.95)], 0.06, WOOD, straight=True)
    swell = 0.05 * pen.beat
    pen.blob([(0.05, -0.9), (0.3, -0.4), (0.66 + swell, 0.36), (0.05, 0.42)], "white")
    pen.blob([(-0.05, -0.7), (-0.3, -0.2), (-0.52 + swell, 0.36), (-0.05, 0.4)], "light")
    pen.shape([(0, -1.06), (0.26, -0.98), (0, -0.9)], "base")
    pen.blob([(-0.9, 0.52), (0, 0.58), (0.94, 0.48), (0.62, 0.96), (-0.6, 0.96)], "base")
    pen.blob(
        [(-0.9, 0.52), (0, 0.58), (0.94, 0.48), (0.86, 0.64), (-0.8, 0.66)], "dark", within=True
    )


def _ship(pen: Pen) -> None:
    pen.box(-0.5, -0.06, 0.5, 0.5, "white", soft=0.05)
    pen.box(-0.3, -0.4, 0.34, -0.04, "white", soft=0.05)
    for x in (-0.08, 0.22):
        pen.box(x - 0.1, -0.8, x + 0.1, -0.38, "base")
        pen.box(x - 0.1, -0.8, x + 0.1, -0.68, INK)
    for x in (-0.36, -0.12, 0.12, 0.36):
        pen.lit(ring(x, 0.2, 0.06, 0.06), (120, 176, 206))
    pen.shape([(-0.98, 0.4), (1.0, 0.4), (0.74, 0.98), (-0.76, 0.98)], "base")
    pen.box(-0.88, 0.64, 0.9, 0.7, "light")


def _balloon(pen: Pen) -> None:
    pen.stroke([(-0.3, 0.2), (-0.14, 0.7)], 0.03, WOOD, straight=True)
    pen.stroke([(0.3, 0.2), (0.14, 0.7)], 0.03, WOOD, straight=True)
    pen.blob([(0, -1.0), (0.62, -0.7), (0.66, -0.2), (0.3, 0.3), (-0.3, 0.3), (-0.66, -0.2),
              (-0.62, -0.7)])  # fmt: skip
    for half, tone in ((0.4, "light"), (0.14, "base")):
        pen.blob([(0, -1.0), (half, -0.6), (half, -0.1), (half * 0.4, 0.34), (-half * 0.4, 0.34),
                  (-half, -0.1), (-half, -0.6)], tone, within=True)  # fmt: skip
    pen.box(-0.18, 0.66, 0.18, 0.96, WOOD, soft=0.05)


def _rocket(pen: Pen) -> None:
    flame = 0.1 * pen.beat
    pen.lit(
        [(-0.18, 0.6), (0.18, 0.6), (0.06, 0.86), (0, 1.05 + flame), (-0.06, 0.86)], (255, 168, 72)
    )
    pen.lit([(-0.1, 0.6), (0.1, 0.6), (0, 0.86 + flame)], (255, 236, 168))
    for side in (-1, 1):
        pen.blob(
            [(side * 0.26, 0.1), (side * 0.6, 0.56), (side * 0.56, 0.8), (side * 0.24, 0.56)],
            "dark",
        )
    pen.blob([(0, -1.0), (0.26, -0.6), (0.34, -0.1), (0.26, 0.62), (-0.26, 0.62), (-0.34, -0.1),
              (-0.26, -0.6)], "white")  # fmt: skip
    pen.blob(
        [(0, -1.0), (0.26, -0.6), (0.24, -0.5), (-0.24, -0.5), (-0.26, -0.6)], "base", within=True
    )
    pen.box(-0.3, 0.36, 0.3, 0.5, "base")
    pen.dot(0, -0.2, 0.17, "base")
    pen.dot(0, -0.2, 0.11, GLASS)


KINDS: dict[str, Kind] = {
    "car": Kind(_car, "car taxi truck van automobile auto bus jeep vehicle", (214, 74, 66), setting="city", size=0.95),
    "train": Kind(_train, "train locomotive tram railway", (66, 118, 106), size=1.1, setting="mountains"),
    "boat": Kind(_boat, "boat sailboat yacht sail sailing canoe dinghy", (178, 86, 62), place="water", setting="sea"),
    "ship": Kind(_ship, "ship ferry steamer cruise vessel submarine", (72, 92, 140), place="water", setting="sea", size=1.15),
    "balloon": Kind(_balloon, "balloon airship zeppelin", (226, 92, 82), place="sky", setting="mountains"),
    "rocket": Kind(_rocket, "rocket spaceship spacecraft missile shuttle starship", (222, 82, 74), place="sky", setting="space"),
}  # fmt: skip
