"""The ground of each setting: hills, water, woods; what people made is in town."""

from __future__ import annotations

import math
from collections.abc import Callable

from PIL import Image, ImageDraw

from . import town
from .abstract import paint_abstract
from .colour import RGB, mix
from .stage import Stage, gradient


def paint_ground(stage: Stage) -> None:
    """Draws over the lower part of the sky; tells the stage where horizon and water are."""
    _GROUNDS[stage.scene.setting](stage)


def _ridge(
    stage: Stage, base: float, height: float, colour: RGB, *, sharp: bool, waves: float
) -> None:
    """A line of hills or peaks across the picture, filled down to the foot."""
    width, tall = stage.size
    steps = 64 if not sharp else 26
    offsets = [stage.rng.random() * math.tau for _ in range(3)]
    points = []
    for step in range(steps + 1):
        t = step / steps
        swell = sum(
            math.sin(math.tau * waves * (2**n) * t + offset) / (1.7**n)
            for n, offset in enumerate(offsets)
        )
        rough = stage.rng.uniform(-0.55, 0.55) if sharp else 0.0
        points.append((t * width, (base - height * (0.5 + 0.28 * swell + rough * 0.5)) * tall))
    ImageDraw.Draw(stage.image).polygon([*points, (width, tall), (0, tall)], colour)


def _hills(stage: Stage, colour: RGB, *, layers: int = 3, height: float = 0.16) -> None:
    for number in range(layers):
        distance = 0.62 * (1 - (number + 1) / layers)
        base = stage.horizon + 0.1 * number
        shade = mix(colour, (40, 70, 60), 0.12 * number)
        _ridge(
            stage, base, height, stage.far(shade, distance), sharp=False, waves=0.8 + 0.4 * number
        )


def _meadow(stage: Stage) -> None:
    green = stage.tinted((126, 178, 92))
    _hills(stage, green, layers=1)
    _wood(stage, mix(green, (40, 84, 74), 0.6), base=stage.horizon - 0.02, size=0.075, count=22)
    _hills(stage, mix(green, (250, 226, 120), 0.12), layers=2)
    _tufts(stage, stage.lit(stage.tinted((92, 148, 72))))


def _garden(stage: Stage) -> None:
    _hills(stage, stage.tinted((116, 176, 98)), layers=2)
    draw, (width, height) = ImageDraw.Draw(stage.image), stage.size
    petals = [(236, 110, 140), (250, 206, 92), (240, 240, 246), (176, 122, 206), (240, 132, 82)]
    for _ in range(round(50 + 90 * stage.detail)):
        x, depth = stage.rng.random() * width, stage.rng.random() ** 0.7
        y = height * (stage.horizon + 0.06 + (0.94 - stage.horizon) * depth)
        size = height * (0.004 + 0.012 * depth)
        colour = stage.lit(stage.tinted(stage.rng.choice(petals), 0.3))
        draw.line((x, y, x, y + size * 3), stage.lit((74, 132, 74)), max(1, round(size * 0.4)))
        draw.ellipse((x - size, y - size, x + size, y + size), colour)
        draw.ellipse(
            (x - size / 3, y - size / 3, x + size / 3, y + size / 3), stage.lit((252, 226, 132))
        )


def _tufts(stage: Stage, colour: RGB) -> None:
    draw, (width, height) = ImageDraw.Draw(stage.image), stage.size
    for _ in range(round(30 + 110 * stage.detail)):
        x, depth = stage.rng.random() * width, stage.rng.random()
        y = height * (stage.horizon + 0.14 + (0.86 - stage.horizon) * depth)
        size = height * (0.006 + 0.014 * depth)
        for lean in (-0.5, 0.0, 0.5):
            sway = lean + 0.2 * math.sin(math.tau * stage.phase + x)
            draw.line((x, y, x + sway * size, y - size), colour, max(1, round(size * 0.16)))


def _mountains(stage: Stage) -> None:
    rock = stage.tinted((112, 122, 152))
    _ridge(stage, stage.horizon + 0.02, 0.42, stage.far(rock, 0.6), sharp=True, waves=1.2)
    _ridge(stage, stage.horizon + 0.08, 0.34, stage.far(rock, 0.36), sharp=True, waves=1.6)
    stage.horizon += 0.06
    _hills(stage, stage.tinted((98, 140, 96), 0.3), layers=2, height=0.1)


def _snow(stage: Stage) -> None:
    _ridge(
        stage, stage.horizon + 0.02, 0.34, stage.far((168, 186, 212), 0.5), sharp=True, waves=1.3
    )
    _hills(stage, stage.tinted((236, 242, 250), 0.3), layers=3, height=0.1)
    _wood(stage, (52, 92, 92), base=stage.horizon + 0.05, size=0.12, count=12)
    draw, (width, height) = ImageDraw.Draw(stage.image), stage.size
    for number in range(round(60 + 120 * stage.detail)):
        # Each flake falls a little way and fades: the loop closes without a blizzard.
        fall = (stage.phase + number * 0.618) % 1.0
        x = (stage.rng.random() + 0.01 * math.sin(math.tau * fall)) * width
        y = (stage.rng.random() * 1.1 - 0.12 + 0.12 * fall) * height
        size = stage.rng.uniform(0.001, 0.0044) * height * math.sin(math.pi * fall) ** 0.5
        draw.ellipse((x - size, y - size, x + size, y + size), stage.lit((252, 253, 255)))


def _wood(stage: Stage, colour: RGB, *, base: float, size: float, count: int) -> None:
    """A row of firs standing on `base`."""
    draw, (width, height) = ImageDraw.Draw(stage.image), stage.size
    for number in range(count):
        x = (number + stage.rng.random()) / count * width
        tall = size * stage.rng.uniform(0.7, 1.3) * height
        foot = (base + stage.rng.uniform(-0.01, 0.02)) * height
        tone = stage.far(colour, stage.rng.uniform(0.0, 0.3))
        for low, wide in ((0.0, 0.32), (0.28, 0.25), (0.55, 0.17)):
            peak = foot - tall * min(1.0, low + 0.5)
            draw.polygon(
                [
                    (x, peak),
                    (x + wide * tall, foot - tall * low),
                    (x - wide * tall, foot - tall * low),
                ],
                tone,
            )


def _forest(stage: Stage) -> None:
    green = stage.tinted((62, 122, 84))
    _hills(stage, mix(green, (120, 168, 100), 0.5), layers=1)
    for number, base in enumerate((0.02, 0.1)):
        colour = mix(green, stage.light.haze, 0.45 - 0.3 * number)
        _wood(
            stage,
            colour,
            base=stage.horizon + base,
            size=0.3 + 0.08 * number,
            count=16 - 4 * number,
        )
    _ridge(
        stage,
        stage.horizon + 0.16,
        0.06,
        stage.lit(mix(green, (96, 128, 66), 0.6)),
        sharp=False,
        waves=1.0,
    )
    _tufts(stage, stage.lit(mix(green, (140, 172, 90), 0.4)))


def _desert(stage: Stage) -> None:
    _hills(stage, stage.tinted((232, 190, 122)), layers=4, height=0.14)


def _water(stage: Stage, top: float, colour: RGB, bottom: float = 1.0) -> None:
    """Water from `top` to `bottom`, with glitter that moves through the loop."""
    width, height = stage.size
    y0, y1 = round(top * height), max(round(bottom * height), round(top * height) + 1)
    # A colour that was asked for is not lost in that of the sky.
    mirrored = 0.15 if stage.scene.tints else 0.45
    deep = stage.lit(mix(colour, (20, 40, 90), 0.1 if stage.scene.tints else 0.35))
    shallow = mix(stage.lit(colour), stage.light.horizon, mirrored)
    stage.image.paste(gradient((width, y1 - y0), shallow, deep), (0, y0))
    draw = ImageDraw.Draw(stage.image, "RGBA")
    for number in range(round(40 + 90 * stage.detail)):
        depth = stage.rng.random() ** 1.4
        y = y0 + depth * (y1 - y0)
        drift = math.sin(math.tau * (stage.phase + number / 9))
        x = stage.rng.random() * width + drift * width * 0.012
        half = width * (0.008 + 0.03 * depth) * (1 + 0.4 * drift)
        strength = round((70 + 70 * drift) * (1 - 0.5 * depth))
        shine = mix(stage.light.horizon, (255, 255, 255), 0.5)
        draw.line(
            (x - half, y, x + half, y), (*shine, max(20, strength)), max(1, round(height * 0.003))
        )
    stage.waterline = top


def _sea(stage: Stage) -> None:
    _ridge(
        stage, stage.horizon + 0.03, 0.07, stage.far((112, 132, 152), 0.6), sharp=True, waves=0.7
    )
    _water(stage, stage.horizon, stage.tinted((52, 128, 176), 0.8))


def _beach(stage: Stage) -> None:
    _water(stage, stage.horizon, stage.tinted((64, 172, 190), 0.8), 0.86)
    width, height = stage.size
    foot = stage.horizon + 0.16
    _ridge(
        stage,
        foot + 0.055,
        0.03,
        mix((255, 255, 255), stage.lit((120, 200, 210)), 0.25),
        sharp=False,
        waves=1.0,
    )
    _ridge(stage, foot + 0.07, 0.03, stage.lit((240, 216, 168)), sharp=False, waves=1.0)


def _lake(stage: Stage) -> None:
    _ridge(
        stage, stage.horizon + 0.02, 0.28, stage.far((104, 122, 146), 0.5), sharp=True, waves=1.3
    )
    _wood(stage, (62, 112, 88), base=stage.horizon + 0.012, size=0.1, count=26)
    top, (width, height) = round(stage.horizon * stage.size[1]), stage.size
    deep = height - top
    mirror = stage.image.crop((0, max(0, top - deep), width, top)).transpose(
        Image.Transpose.FLIP_TOP_BOTTOM
    )
    _water(stage, stage.horizon, stage.tinted((72, 138, 170), 0.8))
    shown = Image.new("L", mirror.size, 90)
    stage.image.paste(mirror, (0, top), shown)


def _river(stage: Stage) -> None:
    _hills(stage, stage.tinted((122, 172, 98), 0.3), layers=2)
    width, height = stage.size
    y = stage.horizon + 0.12
    _water(stage, y, stage.tinted((72, 150, 190), 0.8))
    _ridge(stage, 1.0, 0.1, stage.lit((98, 148, 82)), sharp=False, waves=0.8)


def _space(stage: Stage) -> None:
    width, height = stage.size
    draw = ImageDraw.Draw(stage.image)
    for colour, scale in (((214, 142, 92), 0.13), ((112, 166, 206), 0.06)):
        x, y = stage.rng.uniform(0.12, 0.88) * width, stage.rng.uniform(0.1, 0.42) * height
        radius = scale * min(width, height)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), stage.tinted(colour, 0.3))
        shade = Image.new("L", (round(radius * 2) + 1, round(radius * 2) + 1), 0)
        pen = ImageDraw.Draw(shade)
        pen.ellipse((0, 0, radius * 2, radius * 2), 120)
        pen.ellipse((-radius * 0.5, -radius * 0.3, radius * 1.5, radius * 1.7), 0)
        stage.image.paste((10, 8, 30), (round(x - radius), round(y - radius)), shade)
    _ridge(stage, 1.0, 0.2, (96, 92, 122), sharp=False, waves=0.6)
    for _ in range(9):
        x, y = stage.rng.random() * width, stage.rng.uniform(0.9, 0.98) * height
        size = stage.rng.uniform(0.012, 0.04) * width
        draw.ellipse((x - size, y - size * 0.3, x + size, y + size * 0.3), (78, 74, 104))


def _deep(stage: Stage) -> None:
    draw, (width, height) = ImageDraw.Draw(stage.image), stage.size
    _ridge(stage, 1.0, 0.22, (196, 178, 138), sharp=False, waves=0.7)
    for _ in range(round(8 + 10 * stage.detail)):
        x, tall = stage.rng.random() * width, stage.rng.uniform(0.1, 0.28) * height
        colour = stage.rng.choice([(46, 142, 112), (232, 112, 122), (242, 160, 92), (152, 92, 172)])
        sway = math.sin(math.tau * stage.phase + x) * 0.02 * width
        points = [
            (x, height * 0.98),
            (x + sway * 0.4, height * 0.98 - tall * 0.5),
            (x + sway, height * 0.98 - tall),
        ]
        draw.line(points, colour, max(2, round(width * 0.016)), joint="curve")
    for number in range(round(14 + 16 * stage.detail)):
        rise = (stage.phase + number * 0.618) % 1.0
        x = (stage.rng.random() + 0.006 * math.sin(2 * math.tau * rise)) * width
        y = (stage.rng.random() * 1.1 - 0.14 * rise) * height
        size = stage.rng.uniform(0.003, 0.011) * width * math.sin(math.pi * rise) ** 0.5
        draw.ellipse(
            (x - size, y - size, x + size, y + size),
            outline=(226, 248, 252),
            width=max(1, round(size * 0.25)),
        )


_GROUNDS: dict[str, Callable[[Stage], None]] = {
    "mountains": _mountains,
    "sea": _sea,
    "beach": _beach,
    "lake": _lake,
    "river": _river,
    "forest": _forest,
    "desert": _desert,
    "city": town.paint_city,
    "meadow": _meadow,
    "snow": _snow,
    "space": _space,
    "room": town.paint_room,
    "underwater": _deep,
    "garden": _garden,
    "studio": town.paint_studio,
    "abstract": paint_abstract,
}
