"""Pictures of nothing but colours: bold shapes in every colour that the prompt names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from .colour import INK, PAPER, RGB, luminance, mix, turned
from .pen import Point
from .stage import Stage

_BEYOND = 1.6  # a frame's place that no turn brings into the picture


@dataclass(frozen=True)
class Palette:
    """The named colours in the order they are laid on, and what sets them off."""

    named: tuple[RGB, ...]
    deep: RGB
    pale: RGB
    ground: RGB

    @classmethod
    def of(cls, stage: Stage) -> Palette:
        named = list(dict.fromkeys(stage.scene.tints))
        stage.rng.shuffle(named)
        first, light = named[0], luminance(named[0])
        deep = (
            mix(turned(first, -8, 1.1, 0.5), INK, 0.3) if light > 0.22 else mix(first, PAPER, 0.3)
        )
        pale = mix(first, PAPER, 0.55) if light < 0.8 else turned(first, 0, 1.0, 0.84)
        ground = pale if max(map(luminance, named)) > 0.85 else PAPER  # white is lost on paper
        return cls(tuple(named), deep, pale, ground)

    def in_turn(self, count: int) -> list[RGB]:
        """`count` colours, each named one as often as the others."""
        return [self.named[number % len(self.named)] for number in range(count)]

    def companion(self, number: int) -> RGB:
        """What stands beside the named colour of that number."""
        if len(self.named) == 1:
            return (self.ground, self.deep, self.pale)[number % 3]
        return (self.named[(number + 1) % len(self.named)], self.ground, self.deep)[number % 3]

    def cycle(self) -> list[RGB]:
        """Colours for fields of one size; a single named one takes every other field."""
        if len(self.named) == 1:
            return [self.named[0], self.ground, self.named[0], self.deep]
        return [*self.named, self.ground] if len(self.named) < 3 else [*self.named]


class Frame:
    """A canvas turned by an angle, with -1..1 reaching just to its corners both ways."""

    def __init__(self, image: Image.Image, turn: float) -> None:
        self.image, self.draw = image, ImageDraw.Draw(image)
        width, height = image.size
        self._cos, self._sin = math.cos(turn), math.sin(turn)
        self._middle = (width / 2, height / 2)
        self.along = (width * abs(self._cos) + height * abs(self._sin)) / 2
        self.across = (width * abs(self._sin) + height * abs(self._cos)) / 2

    def place(self, u: float, v: float) -> Point:
        x, y = u * self.along, v * self.across
        return (
            self._middle[0] + x * self._cos - y * self._sin,
            self._middle[1] + x * self._sin + y * self._cos,
        )

    def fill(self, points: Sequence[Point], colour: RGB) -> None:
        self.draw.polygon([self.place(u, v) for u, v in points], colour)

    def field(self, u0: float, u1: float, colour: RGB) -> None:
        """Everything between two places along the frame."""
        corners = ((u0, -_BEYOND), (u1, -_BEYOND), (u1, _BEYOND), (u0, _BEYOND))
        self.fill(corners, colour)


def paint_abstract(stage: Stage) -> None:
    """One of several compositions, as chance wants it."""
    palette = Palette.of(stage)
    compose = stage.rng.choice(_COMPOSITIONS if len(palette.named) < 4 else _EVEN)
    compose(stage, palette)


def _lean(stage: Stage, count: int) -> float:
    """An angle for so many lanes. The more there are, the more of the outer ones a slant hides."""
    return stage.rng.uniform(-0.65, 0.65) * (5 / count) ** 2


def _bands(stage: Stage, palette: Palette) -> None:
    """Waves across the picture, and a disc that rises behind one of them."""
    count = max(5, 2 * len(palette.named))
    colours = palette.in_turn(count)
    edges = np.cumsum([0.0, *(stage.rng.uniform(0.85, 1.15) for _ in range(count))])
    edges = (edges / edges[-1] * 2 - 1).tolist()
    starts, calm = (stage.rng.random(), stage.rng.random()), 5 / count
    frame = Frame(stage.image, _lean(stage, count))
    rising, side = stage.rng.randrange(2, count - 1), stage.rng.uniform(-0.5, 0.5)
    frame.field(-_BEYOND, _BEYOND, colours[0])
    reach = np.linspace(-_BEYOND, _BEYOND, 80).tolist()
    for number in range(1, count):
        if number == rising:
            _sun(frame, palette, (side, edges[number] - 0.12), 0.62 * calm)
        crest = [
            (u, edges[number] + calm * _swell(u, starts, stage.phase + 0.06 * number))
            for u in reach
        ]
        seam = [(u, v - calm * (0.03 + 0.02 * math.sin(2.2 * u + number))) for u, v in crest]
        foot = [(_BEYOND, 2.0), (-_BEYOND, 2.0)]
        frame.fill([*seam, *foot], palette.companion(number))
        frame.fill([*crest, *foot], colours[number])


def _swell(u: float, starts: tuple[float, float], phase: float) -> float:
    first = math.sin(math.tau * (0.36 * u + starts[0] + phase))
    return 0.11 * first + 0.05 * math.sin(math.tau * (0.8 * u + starts[1]) + first)


def _sun(frame: Frame, palette: Palette, centre: Point, size: float) -> None:
    x, y = frame.place(*centre)
    radius = size * 0.5 * min(frame.image.size)
    for share, colour in ((1.0, palette.ground), (0.86, palette.deep), (0.62, palette.named[-1])):
        _disc(frame.draw, (x, y), radius * share, colour)


def _disc(draw: ImageDraw.ImageDraw, centre: Point, radius: float, colour: RGB | int) -> None:
    x, y = centre
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), colour)


def _orbits(stage: Stage, palette: Palette) -> None:
    """Rings around one place, cut into quarters: every quarter has colours of its own."""
    width, height = stage.size
    rings, cycle = 6, palette.cycle()
    centre = (stage.rng.uniform(0.36, 0.64) * width, stage.rng.uniform(0.36, 0.6) * height)
    reach = math.hypot(*(max(c, side - c) for c, side in zip(centre, stage.size, strict=True)))
    start = stage.rng.uniform(0, 90) + 8 * math.sin(math.tau * stage.phase)
    shift = stage.rng.randrange(len(cycle))
    draw = ImageDraw.Draw(stage.image)
    for number in range(rings):
        radius = reach * ((rings - number) / rings) ** 1.15
        box = (centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius)
        for quarter in range(4):
            angle = start + 90 * quarter
            colour = cycle[(number + quarter + shift) % len(cycle)]
            draw.pieslice(box, angle, angle + 90, colour)


def _counterchange(stage: Stage, palette: Palette) -> None:
    """Fields side by side; where a disc lies on their border they change colours."""
    cycle = palette.cycle() if len(palette.named) > 1 else [*palette.named, palette.ground]
    slant = stage.rng.choice((0.0, 0.4, -0.4, 0.7)) if len(cycle) < 3 else 0.0
    turn = slant + stage.rng.choice((0.0, math.pi / 2))  # slanted, an outer field is only a corner
    swapped, mask = Image.new("RGB", stage.size), Image.new("L", stage.size, 0)
    frame, other = Frame(stage.image, turn), Frame(swapped, turn)
    wide, draw = 2 / len(cycle), ImageDraw.Draw(mask)
    frame.field(-_BEYOND, _BEYOND, cycle[0])
    size = min(0.46 * wide * frame.along, 0.36 * min(stage.size))
    for number in range(1, len(cycle)):
        border = number * wide - 1
        frame.field(border, _BEYOND, cycle[number])
        other.field(border - wide / 2, border, cycle[number])
        other.field(border, border + wide / 2, cycle[number - 1])
        for v in _along_border(stage, size / frame.across, number):
            _target(draw, frame.place(border, v), size)
    stage.image.paste(swapped, mask=mask)


def _along_border(stage: Stage, size: float, number: int) -> list[float]:
    """Where discs of that size stand on a border: as many as fit, every other one set off."""
    count = max(1, round(0.8 / size))
    drift = 0.05 * math.sin(math.tau * (stage.phase + number / 2))
    loose = stage.rng.uniform(-0.15, 0.15) / count
    return [(2 * n + 1) / count - 1 + loose + drift for n in range(count)]


def _target(draw: ImageDraw.ImageDraw, centre: Point, size: float) -> None:
    for share, value in ((1.0, 255), (0.5, 0)):
        _disc(draw, centre, size * share, value)


def _strokes(stage: Stage, palette: Palette) -> None:
    """Broad strokes of a dry brush, one beside the other on paper."""
    count = max(5, 2 * len(palette.named))
    single = [palette.named[0], palette.deep, palette.named[0], palette.pale]
    colours = [single[n % 4] for n in range(count)]
    if len(palette.named) > 1:
        colours = palette.in_turn(count)
    frame = Frame(stage.image, _lean(stage, count))
    frame.field(-_BEYOND, _BEYOND, palette.ground)
    lanes = list(enumerate(colours))
    stage.rng.shuffle(lanes)
    bend, start = (
        stage.rng.choice((-1, 1)) * stage.rng.uniform(0.4, 1.0) / count,
        stage.rng.random(),
    )
    for lane, colour in lanes:
        middle = (lane + 0.5) / count * 2 - 1
        _stroke(stage, frame, (middle, 2.3 / count), colour, (bend, start))


def _stroke(
    stage: Stage, frame: Frame, lane: Point, colour: RGB, curve: tuple[float, float]
) -> None:
    """One stroke along a lane (its middle and its width), hair by hair."""
    middle, wide = lane
    bend, start = curve
    left, right = stage.rng.uniform(-1.08, -0.86), stage.rng.uniform(0.9, 1.1)
    hairs = 34
    thick = max(1, math.ceil(1.7 * wide * frame.across / hairs))
    for hair in range(hairs):
        v = middle + wide * ((hair + 0.5) / hairs - 0.5)
        ends = left + stage.rng.uniform(0, 0.09), right - stage.rng.uniform(0, 0.2)
        shade = stage.rng.uniform(-0.16, 0.16)
        tone = mix(colour, PAPER if shade > 0 else INK, abs(shade))
        path = [
            frame.place(u, v + bend * math.sin(math.tau * (0.3 * u + start + stage.phase)))
            for u in np.linspace(*ends, 28).tolist()
        ]
        frame.draw.line(path, tone, thick, joint="curve")


_EVEN = (_bands, _counterchange)  # these leave each of many colours its share
_COMPOSITIONS = (*_EVEN, _orbits, _strokes)
