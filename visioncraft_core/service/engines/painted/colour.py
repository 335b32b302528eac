"""Colours as 8-bit RGB triples, and the few ways the sandbox changes them."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

RGB = tuple[int, int, int]

INK: RGB = (38, 32, 46)
PAPER: RGB = (252, 247, 238)


def mix(first: RGB, second: RGB, share: float) -> RGB:
    """`first` at share 0, `second` at share 1."""
    r, g, b = (round(a + (c - a) * share) for a, c in zip(first, second, strict=True))
    return (r, g, b)


def times(colour: RGB, light: tuple[float, float, float]) -> RGB:
    """The colour as seen under a light given as three factors."""
    r, g, b = (min(255, max(0, round(c * f))) for c, f in zip(colour, light, strict=True))
    return (r, g, b)


def turned(colour: RGB, degrees: float, saturation: float = 1.0, value: float = 1.0) -> RGB:
    """Hue turned by `degrees`; saturation and value multiplied."""
    h, s, v = colorsys.rgb_to_hsv(*(c / 255 for c in colour))
    channels = colorsys.hsv_to_rgb(
        (h + degrees / 360) % 1, min(1.0, s * saturation), min(1.0, v * value)
    )
    r, g, b = (round(c * 255) for c in channels)
    return (r, g, b)


def hue_of(colour: RGB) -> float:
    """The hue in degrees."""
    return colorsys.rgb_to_hsv(*(c / 255 for c in colour))[0] * 360


def luminance(colour: RGB) -> float:
    """Perceived lightness, 0 to 1."""
    return (0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]) / 255


@dataclass(frozen=True)
class Tones:
    """The colours one subject is drawn with, all derived from one or two."""

    base: RGB
    dark: RGB
    light: RGB
    accent: RGB
    ink: RGB = INK
    white: RGB = PAPER

    @classmethod
    def of(cls, base: RGB, accent: RGB | None = None) -> Tones:
        """Shades follow the eye: darks lean to violet, lights lean to warm paper."""
        return cls(
            base=base,
            dark=mix(turned(base, -6, 1.05, 0.74), (52, 32, 84), 0.12),
            light=mix(base, (255, 246, 226), 0.5 if luminance(base) < 0.8 else 0.8),
            accent=accent if accent is not None else mix(base, PAPER, 0.82),
            ink=mix(INK, turned(base, 0, 1, 0.3), 0.35),
        )
