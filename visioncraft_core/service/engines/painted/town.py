"""Places that people made: streets, rooms, and the studio where nothing was asked for."""

from __future__ import annotations

import math

from PIL import ImageDraw

from .colour import mix, turned
from .stage import Stage, glow, paper


def paint_city(stage: Stage) -> None:
    draw, (width, height) = ImageDraw.Draw(stage.image), stage.size
    dark = stage.light.stars > 0 or stage.scene.light in ("sunset", "storm")
    for layer, (tall, distance) in enumerate(((0.46, 0.6), (0.36, 0.34), (0.24, 0.08))):
        x = -0.02 * width
        while x < width:
            wide = stage.rng.uniform(0.05, 0.11) * width
            top = (stage.horizon + 0.08 - tall * stage.rng.uniform(0.45, 1.0)) * height
            body = stage.far(stage.tinted((92, 98, 128), 0.3), distance)
            draw.rectangle((x, top, x + wide, height), body)
            _windows(stage, draw, (x, top, wide), lit=0.5 if dark else 0.16, layer=layer)
            x += wide * stage.rng.uniform(1.0, 1.25)
    street = stage.lit((84, 84, 98))
    ImageDraw.Draw(stage.image).rectangle(
        (0, (stage.horizon + 0.16) * height, width, height), street
    )
    for number in range(9):
        left = (number + 0.2) / 9 * width
        draw.rectangle(
            (left, height * 0.9, left + width * 0.05, height * 0.908), stage.lit((226, 220, 190))
        )


def _windows(
    stage: Stage,
    draw: ImageDraw.ImageDraw,
    box: tuple[float, float, float],
    *,
    lit: float,
    layer: int,
) -> None:
    x, top, wide = box
    width, height = stage.size
    pane = max(2.0, width * (0.006 + 0.002 * layer))
    neon = [(255, 82, 172), (82, 226, 240), (180, 110, 255)]
    y = top + pane * 1.6
    while y < (stage.horizon + 0.14) * height:
        column = x + pane
        while column < x + wide - pane * 1.6:
            if stage.rng.random() < lit:
                colour = stage.rng.choice(neon) if stage.scene.light == "neon" else (255, 222, 142)
                draw.rectangle((column, y, column + pane, y + pane * 1.3), colour)
            column += pane * 2
        y += pane * 2.6


def paint_room(stage: Stage) -> None:
    width, height = stage.size
    stage.horizon = 0.68
    draw = ImageDraw.Draw(stage.image)
    board = stage.lit((158, 108, 74))
    draw.rectangle((0, stage.horizon * height, width, height), board)
    for number in range(1, 6):
        y = (stage.horizon + (1 - stage.horizon) * number / 6) * height
        draw.line((0, y, width, y), mix(board, (60, 34, 30), 0.25), max(1, round(height * 0.003)))
    draw.rectangle(
        (0, stage.horizon * height, width, (stage.horizon + 0.014) * height),
        mix(board, (255, 230, 200), 0.3),
    )


def paint_studio(stage: Stage) -> None:
    width, height = stage.size
    base = paper(stage)
    for number in range(5):
        place = (stage.rng.random() * width, stage.rng.random() * height)
        colour = turned(mix(base, (255, 255, 255), 0.3), 16 * (number - 2))
        glow(stage.image, place, stage.rng.uniform(0.3, 0.6) * max(width, height), colour, 0.42)


def paint_dust(stage: Stage) -> None:
    """Motes in the light of places where nothing else would move."""
    if stage.scene.setting not in ("room", "studio"):
        return
    draw, (width, height) = ImageDraw.Draw(stage.image, "RGBA"), stage.size
    for number in range(round(10 + 24 * stage.detail)):
        drift = (stage.phase + number * 0.618) % 1.0
        x = (stage.rng.random() + 0.05 * drift) * width
        y = (stage.rng.random() * 0.9 - 0.04 * drift) * height
        size = stage.rng.uniform(0.0012, 0.004) * min(width, height)
        shine = round(150 * math.sin(math.pi * drift))
        draw.ellipse((x - size, y - size, x + size, y + size), (255, 250, 232, shine))
