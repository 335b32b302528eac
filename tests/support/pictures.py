"""Small pictures and animations."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo


def png_of(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def png_with_text(text: str, *, packed: bool = False) -> bytes:
    """A PNG file whose second text chunk holds `text`; `packed` compresses it."""
    notes = PngInfo()
    notes.add_text("prompt", "a fox")
    (notes.add_itxt if packed else notes.add_text)("parameters", text, zip=packed)
    buffer = io.BytesIO()
    Image.fromarray(gradient()).save(buffer, "PNG", pnginfo=notes)
    return buffer.getvalue()


def gradient(width: int = 32, height: int = 24) -> np.ndarray:
    """RGB pixels, uint8, height x width x 3, no two columns alike."""
    across = np.linspace(0, 255, width, dtype=np.uint8)
    down = np.linspace(0, 255, height, dtype=np.uint8)
    red = np.broadcast_to(across, (height, width))
    green = np.broadcast_to(down[:, None], (height, width))
    return np.stack([red, green, 255 - red], axis=-1).copy()


FRAMES = [np.roll(gradient(), 4 * n, axis=1) for n in range(4)]


def moving(kind: str, frames: list[np.ndarray], duration: Any, **options: Any) -> bytes:
    pictures = [Image.fromarray(frame) for frame in frames]
    buffer = io.BytesIO()
    pictures[0].save(
        buffer, kind, save_all=True, append_images=pictures[1:], duration=duration, **options
    )
    return buffer.getvalue()
