"""The way from one picture to another: its colours first, then its shapes."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)
_COLOURED, _CARVED = 0.45, 0.8  # the strengths at which the two stages between are reached


def between(given: Image.Image, fresh: Image.Image, strength: float) -> Image.Image:
    """`given` redone towards `fresh`; both RGB and of one size.

    Its mean distance from `given` is `strength` times that of `fresh`.
    """
    start, goal = (np.asarray(image, np.float32) for image in (given, fresh))
    stages = [
        (0.0, start),
        (_COLOURED, _recoloured(start, goal) * 0.8 + start * 0.2),
        (_CARVED, _carved(given, goal)),
        (1.0, goal),
    ]
    after = next(n for n, (place, _) in enumerate(stages) if place >= strength)
    (low, first), (high, second) = stages[max(0, after - 1)], stages[after]
    share = (strength - low) / (high - low) if after else 0.0
    pixels = _at_distance(start, first * (1 - share) + second * share, goal, strength)
    return Image.fromarray(np.round(pixels).clip(0, 255).astype(np.uint8))


def _recoloured(start: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """The lights and darks of `start` in the colours that `goal` has at the same brightness."""
    sample = goal[::3, ::3].reshape(-1, 3)
    sample = sample[np.argsort(sample @ _WEIGHTS, kind="stable")]
    parts = np.linspace(0, len(sample), 65).astype(int)
    means = [sample[a : max(b, a + 1)].mean(axis=0) for a, b in zip(parts, parts[1:], strict=False)]
    ramp = np.stack(
        [np.interp(np.arange(256), np.linspace(0, 255, 64), c) for c in zip(*means, strict=True)], 1
    )
    light = (start @ _WEIGHTS).clip(0, 255).astype(np.uint8)
    rank = np.cumsum(np.bincount(light.ravel(), minlength=256)) * (255.0 / light.size)
    tone = (0.5 * rank + 0.5 * np.arange(256)).round().astype(np.uint8)
    return ramp.astype(np.float32)[tone[light]]


def _carved(given: Image.Image, goal: np.ndarray) -> np.ndarray:
    """`goal` with the relief of `given`: its light and dark against what is around."""
    grey = given.convert("L")
    around = grey.filter(ImageFilter.BoxBlur(max(given.size) / 12))
    relief = np.asarray(grey, np.float32) - np.asarray(around, np.float32)
    return (goal + 0.45 * relief[..., None]).clip(0, 255)


def _at_distance(
    start: np.ndarray, reached: np.ndarray, goal: np.ndarray, strength: float
) -> np.ndarray:
    """`reached`, drawn back to `start` or on to `goal` until it is as far as the strength says."""
    picked = slice(None, None, 2 if start.size > 2**18 else 1)
    a, b, c = (pixels[picked, picked] for pixels in (start, reached, goal))
    wanted = strength * float(np.abs(c - a).mean())
    gone = float(np.abs(b - a).mean())
    if gone >= wanted:
        return start + (reached - start) * (wanted / max(gone, 1e-6))
    low, high = 0.0, 1.0
    for _ in range(12):
        middle = (low + high) / 2
        near = float(np.abs(b + (c - b) * middle - a).mean()) < wanted
        low, high = (middle, high) if near else (low, middle)
    return reached + (goal - reached) * high
