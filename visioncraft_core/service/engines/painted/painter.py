"""Paints a scene: a sky with its light, land in layers into the distance, things, a caption."""

from __future__ import annotations

import textwrap
from hashlib import sha256

import numpy as np
from PIL import Image, ImageChops, ImageColor, ImageDraw, ImageFont

from ....api.fields import Request
from .scene import LIGHTS, PLACES, RGB, Floats, Subject, oval, read, unknown_words

MARK = "VisionCraft sandbox"
WHITE, BLACK, LAMP = (255, 252, 246), (20, 18, 30), (255, 216, 136)
TONES = {"g": LAMP, "k": BLACK, "w": WHITE, "s": (226, 176, 142), "v": (84, 132, 76)}
NEAREST, BICUBIC = Image.Resampling.NEAREST, Image.Resampling.BICUBIC
MOST_UNKNOWN = 3  # words in the caption
FINE = 2  # shapes are drawn at twice the size, for smooth edges
# What is in the air: how many specks, their radii across and down, how often they fall.
WEATHER = {"snow": (300, 0.0045, 0.0045, 1), "storm": (300, 0.0006, 0.02, 3)}
DUST, STARS = (50, 0.0025, 0.0025, 0), (300, 0.0013, 0.0013, 0)


def mix(first: RGB, second: RGB, share: float) -> RGB:
    return tuple(round(a + (b - a) * share) for a, b in zip(first, second, strict=True))


def ramp(top: RGB, foot: RGB, size: tuple[int, int]) -> Image.Image:
    column = np.linspace(top, foot, size[1]).round().astype(np.uint8)[:, None]
    return Image.fromarray(column).resize(size, NEAREST)


class Painter:
    """One picture; `phase`, 0 to 1, is a moment of a loop without a seam."""

    def __init__(self, request: Request, size: tuple[int, int], seed: int, phase: float = 0):
        prompt, negative = (getattr(request, name, "") for name in ("prompt", "negative_prompt"))
        self.light, self.place, self.weather, self.named, tints = read(prompt, negative)
        self.size, self.side, self.turn = size, min(size), 2 * np.pi * phase
        self.width, self.height = size
        model = [getattr(request, name, "") for name in ("model", "scheduler", "loras", "refiner")]
        hand, words = (sha256(repr(text).encode()).digest() for text in (model, prompt))
        self.rng = np.random.default_rng([seed, *words, *hand])
        palette = np.array([ImageColor.getrgb(c) for c in LIGHTS[self.light].split()], float)
        grey = palette.mean(axis=1, keepdims=True)
        if tints:  # the first for the sky, the last for the land; the light stays what it is
            goal = np.array(tints[:1] * 3 + tints[-1:] * 3, float)
            palette += (goal * grey / goal.mean(axis=1, keepdims=True) - palette) * 0.45
        palette[3:5] += (np.array(WHITE) - palette[3:5]) * 0.5 * (self.weather == "snow")
        vivid = (0.7 + 0.03 * getattr(request, "cfg_scale", 10)) * (0.85 + hand[0] / 850)
        warmth = np.array([1, 0, -1]) * ((hand[1] - 127) / 10 + self.rng.uniform(-10, 10))
        palette = (grey + (palette - grey) * vivid + warmth).clip(0, 255).astype(int)
        self.top, self.middle, self.low, self.far, self.near, self.sun = map(tuple, palette)
        self.dark, self.detail = sum(self.middle) < 330, 0.2 + getattr(request, "steps", 25) / 50
        low = 0.24 * self.light.startswith(("dawn", "sunset", "neon", "autumn"))
        self.sun_at = self.rng.uniform((0.2, 0.17 + low), (0.8, 0.27 + low)) * size

    def paint(self) -> Image.Image:
        layers = [layer.split() for layer in PLACES[self.place].split(", ")]
        afloat = [t for t in self.named if t[0].home == "water" and "sea" in self.place]
        ashore = [t for t in self.named if t not in afloat]
        self._sky()
        for number, (kind, foot, height) in enumerate(layers):
            if number == len(layers) - 1:  # its grass hides their feet
                self._things(ashore, 0.92)
            if kind == "water":
                self._things(afloat, float(foot))
                self._water(round(float(foot) * self.height))
            else:
                self._land(kind, float(foot), float(height))
        self._specks(*WEATHER.get(self.weather, DUST))
        half = self.height // 2, self.width // 2
        grain = Image.fromarray(self.rng.integers(0, 4, half, np.uint8)).resize(self.size, NEAREST)
        return ImageChops.add(self.image, Image.merge("RGB", [grain] * 3))

    def _fill(self, shapes: list[Floats] | Floats, colour: RGB, fade: RGB = ()) -> None:
        """Fills shapes of pixels with smooth edges; `fade` is the colour at their foot."""
        corners = np.concatenate(shapes)
        left, top = np.floor(corners.min(axis=0)).clip(0, self.size).astype(int).tolist()
        right, foot = np.ceil(corners.max(axis=0)).clip(0, self.size).astype(int).tolist()
        size = right - left, foot - top
        if min(size) > 0:
            mask = Image.new("L", (size[0] * FINE, size[1] * FINE))
            draw = ImageDraw.Draw(mask)
            for shape in shapes:
                draw.polygon(((shape - (left, top)) * FINE).ravel().tolist(), fill=255)
            self.image.paste(ramp(colour, fade or colour, size), (left, top), mask.reduce(FINE))

    def _sky(self) -> None:
        y, x = np.mgrid[0:1:72j, 0:1:96j]
        stops = zip(self.top, self.middle, self.low, strict=True)
        field = np.stack([np.interp(y, (0, 0.42, 0.7), levels) for levels in stops], axis=-1)
        away = np.hypot(x * self.width - self.sun_at[0], y * self.height - self.sun_at[1])
        glow = np.exp(away * -4.5 / self.height)[..., None]
        field += (np.array(self.sun) - field) * (0.75 * glow + 0.35 * glow**4).clip(0, 1)
        clouds = np.zeros_like(y)
        for cells in (3, 6, 12):
            grid = Image.fromarray(self.rng.random((2 * cells, cells)).astype(np.float32))
            clouds += np.asarray(grid.resize((96, 72), BICUBIC)) / cells / 0.58
        cover = ((clouds - 0.5) * 5).clip(0, 1) * np.interp(y, (0.1, 0.4, 0.6), (0.8, 0.6, 0))
        lit = self.low if self.dark else mix(mix(self.middle, self.sun, 0.5), WHITE, 0.3)
        field += (np.array(lit) * (0.85 + 0.3 * glow) - field) * cover[..., None]
        self.image = Image.fromarray(field.clip(0, 255).astype("u1")).resize(self.size, BICUBIC)
        if self.light.startswith(("night", "neon", "space")):
            self._specks(*STARS)
        if not self.light.startswith(("underwater", "fog", "storm")):
            radius = self.side * self.rng.uniform(0.05, 0.09)
            self._fill(
                [oval(0, 0, radius, radius) + self.sun_at], mix(self.sun, WHITE, 0.5), self.sun
            )

    def _land(self, kind: str, foot: float, height: float) -> None:
        """One layer; the lower its foot, the nearer it is."""
        x = np.linspace(0, 1, max(24, self.width // {"grass": 4, "city": 1}.get(kind, 3)))
        tops = (foot - height * self._profile(kind, x)) * self.height
        sway = np.sin(self.turn + x * 40) * self.side * 0.004 * (kind == "grass")
        edge = np.stack([x * self.width * 1.02 - self.side * 0.01 + sway, tops], axis=1)
        depth = max(0.0, 2 * foot - 1)
        colour = mix(self.far, self.near, depth)
        haze = mix(colour, self.low if depth < 1 else BLACK, 0.5 - 0.4 * depth)
        floor = self.height * min(1, foot + 0.15)  # what a nearer layer covers is not painted
        self._fill([np.vstack([edge, (self.width, floor), (0, floor)])], colour, haze)
        if kind == "city":
            at, step = self.rng.integers(0, self.width, 250), self.side / 50
            rows = tops[at] + (1.5 + self.rng.integers(0, 12, 250)) * step * 1.3
            windows = oval(at // step * step, rows, step * 0.3, step * 0.45, 4)
            self._fill(windows, mix(colour, self.sun if self.dark else LAMP, 0.7))

    def _profile(self, kind: str, x: Floats) -> Floats:
        """Heights from 0 to about 1, for each `x` from 0 to 1."""
        chance, wide = self.rng.random, self.width / self.height
        if kind == "city":
            return chance(41)[np.searchsorted(np.cumsum(0.03 + 0.06 * chance(40)), x)] ** 1.3
        if kind == "peaks":
            folds = [np.interp(x, np.linspace(0, 1, n), chance(n)) for n in (5, 9, 17, 33, 65, 129)]
            return np.sum([fold * 0.52**n for n, fold in enumerate(folds)], axis=0) / 1.9
        waves = [np.sin(2 * np.pi * (f * wide * x + chance())) / f for f in (0.4, 0.9, 1.7, 3.1)]
        hills = np.sum(waves, axis=0) / 8 + 0.5
        if kind == "grass":
            return 0.5 * hills + 0.5 * chance(len(x)) ** 2
        if kind == "pines":
            tall = 0.45 + 0.55 * chance((26, 1))
            rise = 1 - np.abs(x - 1.1 * chance((26, 1)) + 0.05) * wide / (0.11 * tall)
            rise += 0.09 * (rise * 6 % 1 - 0.5)  # branches
            return np.maximum(0.3 * hills, (rise.clip(0) * tall).max(axis=0))
        return hills

    def _water(self, line: int) -> None:
        """Mirrors what stands above the row `line`, with ripples and the path of the light."""
        deep = np.arange(self.height - line)
        near = deep / len(deep)
        ripple = np.sin(deep / (1.2 + 9 * near) * 1.7 + self.turn) * near * self.side * 0.014
        rows = (line - 1 - deep * 0.95 + ripple).clip(0, line - 1).astype(int)
        mirror = Image.fromarray(np.asarray(self.image)[rows])
        tone = ramp(mix(self.low, self.middle, 0.5), mix(self.near, self.top, 0.5), mirror.size)
        mirror.paste(tone, mask=ramp((64,) * 3, (180,) * 3, mirror.size).convert("L"))
        self.image.paste(mirror, (0, line))
        down, spread, long, chance = self.rng.random((4, round(150 * self.detail)))
        x = self.sun_at[0] + (spread + long - 1) * self.side * (0.08 + 0.5 * down)
        long = self.side * 0.03 * (0.15 + down * long) * (1 + 0.7 * np.sin(self.turn + chance * 20))
        thin = 0.4 + self.side * 0.002 * (0.2 + down)
        y = line + 2 + down**1.5 * len(deep)
        self._fill(oval(x, y, long, thin, 10), mix(self.sun, self.middle, 0.4))

    def _things(self, things: list[tuple[Subject, RGB]], ground: float) -> None:
        slots = self.rng.permutation(len(things)) + self.rng.uniform(0.38, 0.62, len(things))
        things = sorted(things, key=lambda thing: -thing[0].size)  # large ones stand behind
        for slot, (subject, body) in zip(slots, things, strict=True):
            size = subject.size * self.side * len(things) ** -0.35 * self.rng.uniform(1, 1.15)
            bob = 0.008 * np.sin(self.turn + slot) * (subject.lift > 0 or subject.home == "water")
            y = ground - subject.lift * self.rng.uniform(0.8, 1.1) + bob
            foot = np.array([slot / len(things), y]) * self.size
            tones = {"b": body, "d": mix(body, BLACK, 0.4), "l": mix(body, WHITE, 0.45), **TONES}
            lit_edge = foot + np.array([1 if self.sun_at[0] > foot[0] else -1, -1.2]) * size * 0.012
            solid = [shape * size + lit_edge for tone, shape in subject.shapes if tone != "g"]
            self._fill(solid, mix(self.sun, body, 0.25))
            for tone, shape in subject.shapes:
                own = mix(tones[tone], self.near, (0.35 if self.dark else 0.08) * (tone != "g"))
                self._fill([shape * size + foot], mix(own, self.sun, 0.1), mix(own, self.near, 0.2))

    def _specks(self, count: int, across: float, down: float, falls: int) -> None:
        """Stars, snow, rain or dust in the light; those that fall come again from the top."""
        x, y, big = self.rng.random((3, round(count * self.detail)))
        y = (y + falls * self.turn / 2 / np.pi) % 1 * self.height
        swing = np.sin(self.turn + x * 40)
        size = (0.25 + big**3) * self.side * (1 + 0.3 * swing)
        x = x * self.width + swing * self.side * 0.01 * (falls < 2)
        spots = oval(x, y, size * across + 0.3, size * down + 0.3, 8)
        self._fill(spots, mix(WHITE, self.middle, 0.3 if falls < 2 else 0.6))


def sign(picture: Image.Image, prompt: str) -> Image.Image:
    """Puts the mark and the prompt, after what of it is not drawn, on a strip at the foot."""
    width, height = picture.size
    letters = max(5, min(5.5 + min(picture.size) * 0.0165, width / 9.5))
    font, tall = ImageFont.load_default(letters), round(letters * 1.9)
    picture.paste(BLACK, (0, height - tall), Image.new("L", (width, tall), 165))
    unknown = unknown_words(prompt)[:MOST_UNKNOWN]
    caption = f"[not drawn: {', '.join(unknown)}] {prompt}" if unknown else prompt
    draw, text = (
        ImageDraw.Draw(picture),
        caption[:400].encode("latin-1", "ignore").decode("latin-1"),
    )
    draw.text((width - letters * 0.7, height - tall / 2), MARK, WHITE, font, anchor="rm")
    room = len(text) * (width - font.getlength(MARK) - 3 * letters) / (font.getlength(text) or 1)
    shown = textwrap.shorten(text, int(room), placeholder="...") if room > 4 else ""
    draw.text((letters * 0.7, height - tall / 2), shown, (206, 202, 216), font, anchor="lm")
    return picture
