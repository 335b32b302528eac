"""Puts the subjects of a scene on its stage: where they stand, how large, in which light."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from .cast.kind import Kind
from .colour import RGB, Tones, mix
from .pen import REACH, Pen, Point
from .scene import Subject, digest
from .stage import Stage

LOWEST = 0.91  # the strip with the prompt begins below


@dataclass(frozen=True)
class Place:
    """Where one actor stands: the middle of its foot and half its height, in pixels."""

    x: float
    foot: float
    size: float
    place: str


def perform(stage: Stage, *, outline: float = 0.0, volume: float = 0.5) -> None:
    """Draws every subject, those in the back first.

    `outline` is the thickness of lines in units of the pen, `volume` how much light and shade the
    subjects get.
    """
    actors = [s for s in stage.scene.subjects for _ in range(s.count)]
    actors.sort(key=lambda s: not (s.kind and s.kind.behind))
    placed = list(zip(actors, _places(stage, actors), strict=True))
    placed.sort(key=lambda p: (not (p[0].kind and p[0].kind.behind), p[1].foot))
    for subject, place in placed:
        _draw(stage, subject, place, outline, volume)


def _places(stage: Stage, actors: list[Subject]) -> Iterator[Place]:
    width, height = stage.size
    room = min(width, height * 1.25)
    half = 0.3 * room / max(1.0, len(actors)) ** 0.55
    for subject, (across, back) in zip(actors, _spread(stage, len(actors)), strict=True):
        kind = subject.kind
        place, behind = _stand(stage, kind), bool(kind and kind.behind)
        size = half * (kind.size if kind else 1.0) * stage.rng.uniform(0.92, 1.08)
        size *= subject.scale * (0.8 if place in ("air", "sky") and len(actors) > 1 else 1.0)
        size *= 1.0 - 0.2 * back
        size = min(size, 0.42 * height)
        foot = (_foot(stage, place, behind=behind) - 0.1 * back) * height
        if subject.near:
            size, foot = 0.41 * room / (1.0 if len(actors) == 1 else 1.3), height * 0.985
        elif place == "flat":
            foot = height * (0.46 - 0.2 * back) + size
        else:
            foot = max(min(foot, LOWEST * height), size * 2.05)
        side = min(size * 0.95, width / 2)
        yield Place(min(max(across * width, side), width - side), foot, size, place)


def _spread(stage: Stage, count: int) -> list[tuple[float, float]]:
    """Places across the picture, 0 to 1, each with 1 for the second row or 0 for the first."""
    rows = 2 if count > 5 else 1
    columns = math.ceil(count / rows)
    spots = []
    for number in range(count):
        column, back = divmod(number, rows)
        loose = stage.rng.uniform(-0.1, 0.1) / columns
        across = (
            0.5
            + ((column + 0.5 + 0.5 * back * (rows - 1)) / (columns + 0.5 * (rows - 1)) - 0.5) * 0.86
        )
        if count == 1:
            loose = stage.rng.uniform(-0.1, 0.1)
        spots.append((across + loose, float(back)))
    if count > 2 and stage.scene.setting != "studio":  # figures keep the order of the words
        stage.rng.shuffle(spots)
    return spots


def _stand(stage: Stage, kind: Kind | None) -> str:
    if kind is None:
        return "flat"
    if kind.place == "water" and stage.waterline >= 1.0:
        return "ground"
    if kind.setting == "underwater" and stage.waterline < 1.0:
        return "water"
    if stage.scene.setting == "space" and kind.place == "ground":
        return "ground"
    return kind.place


def _foot(stage: Stage, place: str, *, behind: bool) -> float:
    """Where the feet are, as a share of the picture's height from its top."""
    top, drift = stage.horizon, stage.rng.uniform(-0.02, 0.03)
    if place == "sky":
        return 0.56 + drift + 0.012 * math.sin(math.tau * stage.phase)
    if place == "air":
        return 0.68 + drift + 0.012 * math.sin(math.tau * stage.phase)
    if place == "water":
        return stage.waterline + 0.14 + drift + 0.008 * math.sin(math.tau * stage.phase)
    if stage.waterline < 1.0 and stage.scene.setting in ("sea", "lake", "river"):
        return 0.9 if not behind else stage.waterline + 0.03
    return top + (0.14 if behind else 0.25) + drift


def _draw(stage: Stage, subject: Subject, place: Place, outline: float, volume: float) -> None:
    kind = subject.kind
    base = subject.colour or (kind.colour if kind else _emblem_colour(stage, subject.name))
    accent = kind.accent if kind else None
    pen = Pen(
        max(8, round(place.size * REACH)),  # the pen draws at twice this size
        Tones.of(base, accent),
        rng=Random(digest(subject.name)),
        phase=stage.phase,
        fine=stage.detail > 0.3,
        outline=outline,
    )
    if kind:
        kind.draw(pen)
    else:
        _emblem(pen, subject.name)
    if _afloat(stage, place):
        _islet(stage, place)
    elif place.place in ("ground", "flat"):
        _shadow(stage, place, flat=place.place == "flat")
    _breathe(pen, place, stage.phase)
    corner = (round(place.x - pen.sheet.width / 2), round(place.foot - pen.sheet.height * _FOOT))
    lit = _in_light(stage, pen.sheet, behind=bool(kind and kind.behind))
    lit = _rounded(stage, lit, pen.sheet.getchannel("A"), volume)
    stage.image.paste(lit, corner, pen.sheet.getchannel("A"))
    if place.place == "water":
        _ripple(stage, place)
    _shine(stage, pen.glow, corner)


def _breathe(pen: Pen, place: Place, phase: float) -> None:
    """Everything stretches a little and leans, so that no two frames of a loop are alike."""
    if phase % 1.0 == 0.0:
        return
    swell = math.sin(math.tau * phase) * 0.02
    lean = (1 - math.cos(math.tau * phase)) * 0.011 if place.place != "water" else 0.0
    foot = _FOOT * pen.sheet.height
    # A row of the result is read from where it was before: the feet stay.
    rows = (1.0, lean, -lean * foot, 0.0, 1.0 + swell, -swell * foot)
    form, quality = Image.Transform.AFFINE, Image.Resampling.BILINEAR
    pen.sheet = pen.sheet.transform(pen.sheet.size, form, rows, quality)
    if pen.glow.getbbox():
        pen.glow = pen.glow.transform(pen.glow.size, form, rows, quality)


_FOOT = (1.0 + REACH) / (2 * REACH)  # where y = 1 lies on the pen's sheet


def _in_light(stage: Stage, sheet: Image.Image, *, behind: bool) -> Image.Image:
    red, green, blue = stage.light.tone
    # A subject stays readable: it takes only part of a dark light.
    factors = [0.45 + 0.55 * f if f < 1 else f for f in (red, green, blue)]
    bands = sheet.split()
    shaded = [
        band.point([min(255, round(v * factor)) for v in range(256)])
        for band, factor in zip(bands[:3], factors, strict=True)
    ]
    lit = Image.merge("RGB", shaded)
    return Image.blend(lit, Image.new("RGB", lit.size, stage.light.haze), 0.16) if behind else lit


def _rounded(stage: Stage, lit: Image.Image, alpha: Image.Image, volume: float) -> Image.Image:
    """Light from the upper left: shade on the far side, a bright rim on the near one."""
    if volume <= 0:
        return lit
    slope = Image.linear_gradient("L").rotate(-35, Image.Resampling.BILINEAR, fillcolor=0)
    slope = slope.crop((48, 48, 208, 208)).resize(lit.size)
    shade = slope.point([255 - round(min(1.0, v / 210) ** 1.4 * 66 * volume) for v in range(256)])
    lit = ImageChops.multiply(lit, Image.merge("RGB", [shade] * 3))
    shift = max(1, round(lit.width * 0.009))
    inner = ImageChops.offset(alpha, shift, round(shift * 1.2))
    rim = ImageChops.subtract(alpha, inner).point([round(v * 0.42 * volume) for v in range(256)])
    lit.paste(mix(stage.light.orb, (255, 255, 255), 0.4), mask=rim)
    return lit


def _shadow(stage: Stage, place: Place, *, flat: bool) -> None:
    mask = Image.new("L", stage.size, 0)
    wide, tall = place.size * 0.8, place.size * 0.1
    y = place.foot + (place.size * 0.12 if flat else 0)
    box = (place.x - wide, y - tall, place.x + wide, y + tall)
    ImageDraw.Draw(mask).ellipse(box, 84 if not flat else 40)
    left, top = round(box[0] - 20), round(box[1] - 20)
    around = (left, top, round(box[2] + 20), round(box[3] + 20))
    soft = mask.crop(around).filter(ImageFilter.GaussianBlur(place.size * 0.03))
    stage.image.paste((28, 26, 44), (left, top), soft)


def _afloat(stage: Stage, place: Place) -> bool:
    """Whether something that cannot swim would stand in open water."""
    return place.place == "ground" and stage.scene.setting in ("sea", "lake", "river")


def _islet(stage: Stage, place: Place) -> None:
    """A bank under the feet."""
    draw, size = ImageDraw.Draw(stage.image), place.size
    earth = (104, 104, 112) if stage.scene.setting == "sea" else (112, 150, 92)
    for wide, drop, colour in (
        (1.22, 0.1, mix(stage.lit((60, 110, 140)), stage.light.horizon, 0.5)),
        (1.14, 0.06, stage.lit(mix(earth, (52, 46, 60), 0.4))),
        (1.08, 0.0, stage.lit(earth)),
    ):
        y = place.foot + drop * size
        draw.ellipse(
            (place.x - wide * size, y - 0.16 * size, place.x + wide * size, y + 0.16 * size), colour
        )


def _ripple(stage: Stage, place: Place) -> None:
    draw = ImageDraw.Draw(stage.image, "RGBA")
    colour = mix(stage.light.horizon, (255, 255, 255), 0.4)
    for number in range(3):
        wide = place.size * (
            0.7 + 0.2 * number + 0.05 * math.sin(math.tau * (stage.phase + number / 3))
        )
        y = place.foot - place.size * (0.03 - 0.05 * number)
        box = (place.x - wide, y - place.size * 0.05, place.x + wide, y + place.size * 0.05)
        draw.arc(box, 10, 170, (*colour, 170 - 40 * number), max(1, round(place.size * 0.02)))


def _shine(stage: Stage, glow: Image.Image, corner: tuple[int, int]) -> None:
    if not glow.getbbox():
        return
    stage.image.paste(glow.convert("RGB"), corner, glow.getchannel("A"))
    if stage.light.tone[0] < 0.75:
        halo = glow.filter(ImageFilter.GaussianBlur(glow.width * 0.05))
        box = (*corner, corner[0] + glow.width, corner[1] + glow.height)
        under = stage.image.crop(box)
        light = ImageChops.multiply(
            halo.convert("RGB"), Image.merge("RGB", [halo.getchannel("A")] * 3)
        )
        stage.image.paste(ImageChops.screen(under, light), corner)


def _emblem_colour(stage: Stage, word: str) -> RGB:
    chance = Random(digest(word))
    tones = [
        (226, 96, 82),
        (72, 122, 190),
        (246, 176, 72),
        (92, 162, 112),
        (138, 92, 190),
        (46, 150, 160),
    ]
    return chance.choice(list(stage.scene.tints) or tones)


def _emblem(pen: Pen, word: str) -> None:
    """A symmetrical ornament of its own for a word that the cast does not know."""
    chance = Random(digest(word))
    arms = chance.choice((5, 6, 7, 8, 10, 12))
    turn = math.tau * pen.phase / arms
    for tone in ("dark", "base", "light"):
        reach, wide = chance.uniform(0.4, 0.95), chance.uniform(0.12, 0.34)
        bend = chance.uniform(-0.3, 0.3)
        for arm in range(arms):
            angle = math.tau * arm / arms + turn + bend
            pen.blob(_petal(angle, reach, wide), tone)
    pen.oval(0, 0.1, 0.2, 0.2, "accent")
    pen.oval(0, 0.1, 0.1, 0.1, "dark")


def _petal(angle: float, reach: float, wide: float) -> list[Point]:
    cos, sin = math.cos(angle), math.sin(angle)
    outline = [(0.1, 0.0), (reach * 0.55, wide), (reach, 0.0), (reach * 0.55, -wide)]
    return [(u * cos - v * sin, 0.1 + u * sin + v * cos) for u, v in outline]
