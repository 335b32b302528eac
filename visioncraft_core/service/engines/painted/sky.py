"""The upper part of each setting: open sky with what hangs in it, space, a wall, deep water."""

from __future__ import annotations

import math
from collections.abc import Callable

from PIL import Image, ImageDraw, ImageFilter

from .colour import RGB, mix
from .stage import LIGHTS, Stage, glow, gradient, paper


def paint_sky(stage: Stage) -> None:
    """Fills the whole canvas; the ground comes over it."""
    _SKIES.get(stage.scene.setting, _open_sky)(stage)


def _open_sky(stage: Stage) -> None:
    light, (width, height) = stage.light, stage.size
    top, low = light.top, light.horizon
    if stage.scene.over:
        top, low = mix(top, stage.scene.over, 0.75), mix(low, stage.scene.over, 0.45)
    elif stage.scene.tints:
        top, low = stage.tinted(top, 0.35), stage.tinted(low, 0.2)
    sky = gradient((width, max(1, round(height * stage.horizon) + 2)), top, low)
    stage.image.paste(low, (0, 0, width, height))
    stage.image.paste(sky, (0, 0))
    if light.stars or "stars" in stage.scene.sky:
        _stars(stage, max(light.stars, 60))
    if "aurora" in stage.scene.sky:
        _aurora(stage)
    if "rainbow" in stage.scene.sky:
        _rainbow(stage)
    _orb(stage)
    if light.clouds or "clouds" in stage.scene.sky:
        _clouds(stage)


def _stars(stage: Stage, count: int) -> None:
    draw, (width, height) = ImageDraw.Draw(stage.image, "RGBA"), stage.size
    reach = stage.horizon if stage.scene.setting != "space" else 1.0
    for number in range(round(count * (0.6 + 0.8 * stage.detail))):
        x, y = stage.rng.random() * width, stage.rng.random() * height * reach
        shine = 0.6 + 0.4 * math.sin(math.tau * (stage.phase + number / 7))
        size = (0.0008 + 0.0022 * stage.rng.random() ** 3) * max(width, height)
        draw.ellipse((x - size, y - size, x + size, y + size), (255, 250, 230, round(230 * shine)))


def _orb(stage: Stage) -> None:
    night = stage.light.stars > 0
    wanted = stage.scene.sky & {"sun", "moon"}
    if not wanted and stage.light.clouds >= 1:
        return
    width, height = stage.size
    # Beside the middle, where the subject is.
    x = width * (0.5 + stage.rng.choice((-1, 1)) * stage.rng.uniform(0.2, 0.36))
    y = height * min(stage.light.height, stage.horizon - 0.04)
    # Asked for by itself, it is what the picture is about.
    share = 0.13 if wanted and not stage.scene.subjects else 0.085 if wanted else 0.055
    radius = share * min(width, height)
    y = max(y, radius * 1.4)
    colour = stage.scene.sky_colour or stage.light.orb
    glow(stage.image, (x, y), radius * 4.5, colour, 0.55 if not night else 0.35)
    draw = ImageDraw.Draw(stage.image)
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), colour)
    if night or "moon" in wanted:
        _craters(draw, (x, y), radius, colour)


def _craters(
    draw: ImageDraw.ImageDraw, centre: tuple[float, float], radius: float, colour: RGB
) -> None:
    for dx, dy, r in ((-0.3, -0.2, 0.2), (0.25, 0.3, 0.26), (0.3, -0.4, 0.12)):
        cx, cy, size = centre[0] + dx * radius, centre[1] + dy * radius, r * radius
        draw.ellipse((cx - size, cy - size, cx + size, cy + size), mix(colour, (90, 90, 110), 0.18))


def _rainbow(stage: Stage) -> None:
    width, height = stage.size
    layer = Image.new("RGBA", stage.size, (255, 255, 255, 0))
    draw = ImageDraw.Draw(layer)
    bands = (
        (232, 76, 76),
        (244, 160, 70),
        (250, 222, 92),
        (108, 190, 108),
        (82, 142, 222),
        (150, 92, 200),
    )
    for number, colour in enumerate(bands):
        radius = width * (0.5 - 0.022 * number)
        box = (
            width / 2 - radius,
            height * stage.horizon - radius,
            width / 2 + radius,
            height * stage.horizon + radius,
        )
        draw.arc(box, 180, 360, (*colour, 150), max(1, round(width * 0.024)))
    stage.image.paste(layer, mask=layer)


def _aurora(stage: Stage) -> None:
    """Curtains of light that wave."""
    width, height = stage.size
    small = (max(8, width // 4), max(8, height // 4))
    for colour, low in (((72, 232, 164), 0.42), ((96, 190, 240), 0.34), ((186, 106, 232), 0.26)):
        mask = Image.new("L", small, 0)
        draw = ImageDraw.Draw(mask)
        first, second = stage.rng.random(), stage.rng.random()
        for x in range(small[0]):
            t = x / small[0]
            wave = math.sin(math.tau * (1.1 * t + first) + math.sin(math.tau * stage.phase) * 0.5)
            foot = (low + 0.07 * wave) * small[1]
            tall = (0.2 + 0.08 * math.sin(math.tau * (3.3 * t + second + stage.phase))) * small[1]
            for step in range(8):
                y = foot - tall * step / 8
                draw.line((x, y, x, y - tall / 8), round(150 * (1 - step / 8) ** 1.3))
        soft = mask.filter(ImageFilter.GaussianBlur(small[0] * 0.012)).resize(stage.size)
        stage.image.paste(colour, mask=soft)


def paint_weather(stage: Stage) -> None:
    """What falls between the viewer and the scene."""
    if "rain" not in stage.scene.sky or stage.scene.setting in ("space", "room", "underwater"):
        return
    draw, (width, height) = ImageDraw.Draw(stage.image, "RGBA"), stage.size
    for _ in range(round(90 + 160 * stage.detail)):
        x, y = stage.rng.random() * width * 1.1, stage.rng.random()
        long = stage.rng.uniform(0.03, 0.07) * height
        y = ((y + stage.phase) % 1.0) * (height + long) - long
        shine = (214, 226, 240, round(stage.rng.uniform(60, 130)))
        draw.line((x, y, x - long * 0.18, y + long), shine, max(1, round(height * 0.0022)))


def _clouds(stage: Stage) -> None:
    width, height = stage.size
    layer = Image.new("L", stage.size, 0)
    draw = ImageDraw.Draw(layer)
    count = round(3 + 5 * stage.light.clouds) + 2 * ("clouds" in stage.scene.sky)
    for _ in range(count):
        x, y = stage.rng.random(), stage.rng.uniform(0.04, stage.horizon * 0.7)
        scale = stage.rng.uniform(0.05, 0.13) * width
        # There and back, so that the loop closes without a rush across the sky.
        drift = 0.8 * scale * math.sin(math.tau * (stage.phase + stage.rng.random()))
        left = x * (width + 4 * scale) - 2 * scale + drift
        for puff in range(5):
            size = (
                scale
                * (0.35 + 0.3 * math.sin(math.pi * (puff + 0.5) / 5))
                * stage.rng.uniform(0.8, 1.1)
            )
            cx = left + (puff - 2) * scale * 0.42
            draw.ellipse(
                (cx - size, y * height - size * 0.62, cx + size, y * height + size * 0.4), 200
            )
    soft = layer.filter(ImageFilter.GaussianBlur(max(width, height) * 0.002))
    stage.image.paste(mix((255, 255, 255), stage.light.haze, 0.35), mask=soft)


def _space_sky(stage: Stage) -> None:
    width, height = stage.size
    top = stage.tinted((18, 14, 46), 0.25)
    stage.image.paste(gradient(stage.size, top, (44, 24, 82)))
    cloud = [(150, 66, 172), (58, 92, 200), (226, 92, 132)]
    for number in range(6):
        colour = stage.tinted(cloud[number % 3], 0.5)
        place = (stage.rng.random() * width, stage.rng.random() * height)
        glow(stage.image, place, stage.rng.uniform(0.25, 0.5) * max(width, height), colour, 0.34)
    _stars(stage, 160)


def _room_sky(stage: Stage) -> None:
    width, height = stage.size
    wall = stage.lit(stage.tinted((236, 214, 188), 0.6))
    stage.image.paste(
        gradient(stage.size, mix(wall, (255, 255, 255), 0.18), mix(wall, (110, 80, 80), 0.16))
    )
    left, top = stage.rng.choice((0.08, 0.62)) * width, 0.1 * height
    box = (left, top, left + 0.3 * width, top + 0.36 * height)
    view = gradient(
        (round(box[2] - box[0]), round(box[3] - box[1])), stage.light.top, stage.light.horizon
    )
    if "moon" in stage.scene.sky:
        _moon_outside(stage, view)
    stage.image.paste(view, (round(box[0]), round(box[1])))
    draw = ImageDraw.Draw(stage.image)
    frame, thick = stage.lit((250, 246, 240)), max(2, round(width * 0.012))
    draw.rectangle(box, outline=frame, width=thick)
    middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    draw.line((middle[0], box[1], middle[0], box[3]), frame, thick // 2 + 1)
    draw.line((box[0], middle[1], box[2], middle[1]), frame, thick // 2 + 1)


def _moon_outside(stage: Stage, view: Image.Image) -> None:
    """In a room a moon that was asked for stands in one pane of the window."""
    colour = stage.scene.sky_colour or LIGHTS["night"].orb
    x, y, radius = 0.27 * view.width, 0.26 * view.height, 0.17 * min(view.size)
    glow(view, (x, y), radius * 3, colour, 0.4)
    draw = ImageDraw.Draw(view)
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), colour)
    _craters(draw, (x, y), radius, colour)


def _deep_sky(stage: Stage) -> None:
    width, height = stage.size
    stage.image.paste(
        gradient(stage.size, stage.tinted((92, 206, 220), 0.4), stage.tinted((10, 52, 112), 0.3))
    )
    layer = Image.new("L", stage.size, 0)
    draw = ImageDraw.Draw(layer)
    for number in range(6):
        x = stage.rng.random() * width
        sway = math.sin(math.tau * (stage.phase + number / 6)) * 0.03 * width
        draw.polygon(
            [
                (x, 0),
                (x + 0.05 * width, 0),
                (x + 0.2 * width + sway, height),
                (x - 0.02 * width + sway, height),
            ],
            34,
        )
    stage.image.paste((220, 250, 255), mask=layer.filter(ImageFilter.GaussianBlur(width * 0.008)))


def _plain_sky(stage: Stage) -> None:
    base, white = paper(stage), (255, 252, 246)
    stage.image.paste(gradient(stage.size, mix(base, white, 0.78), mix(base, white, 0.5)))


def _no_sky(_stage: Stage) -> None:
    """An abstract picture is all ground."""


_SKIES: dict[str, Callable[[Stage], None]] = {
    "space": _space_sky,
    "room": _room_sky,
    "underwater": _deep_sky,
    "studio": _plain_sky,
    "abstract": _no_sky,
}
