"""Between ComfyUI's tensors and Pillow, exactly as ComfyUI does it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ....visioncraft_core.errors import WorkflowError
from ....visioncraft_core.media.images import MOST_PIXELS
from ...tensors import to_eight_bit

if TYPE_CHECKING:
    from torch import Tensor

    from ....visioncraft_core.media.images import Pixels


def refuse_large(pictures: int, height: int, width: int) -> None:
    """Raises WorkflowError for a batch that would take more than a GB: a few nodes that double what
    they are given fill any memory."""
    if pictures * height * width > MOST_PIXELS:
        raise WorkflowError(
            f"{pictures} picture(s) of {width} x {height} have more than {MOST_PIXELS // 10**6} "
            "million pixels.",
            "Make fewer or smaller ones.",
        )


def stacked(arrays: Sequence[np.ndarray]) -> Tensor:
    """Pictures or masks of uint8, all of one size, as floats from 0 to 1."""
    import torch

    levels = np.empty((len(arrays), *arrays[0].shape), np.float32)
    for number, array in enumerate(arrays):
        # In place, bit for bit as if converted first: for a moment, that would be a GB more.
        level = levels[number]
        np.divide(array, np.float32(255), out=level, dtype=np.float32, casting="unsafe")
    return torch.from_numpy(levels)


def levels(image: Tensor) -> Pixels:
    """The pixels of one picture as ComfyUI stores them: it truncates, and rounding would give other
    files than it does."""
    return to_eight_bit(image.cpu().numpy(), _levels)


def _levels(values: np.ndarray) -> np.ndarray:
    scaled = np.multiply(values, 255.0)
    return np.clip(scaled, 0, 255, out=scaled)


def eight_bit(image: Tensor) -> Image.Image:
    return Image.fromarray(levels(image))


def scaled(image: Tensor, width: int, height: int, method: str, *, centred: bool) -> Tensor:
    import torch

    refuse_large(image.shape[0], height, width)
    channels_first = image.movedim(-1, 1)
    if centred:
        channels_first = _cut_to_shape(channels_first, width / height)
    if method == "lanczos":
        pictures = [eight_bit(picture.movedim(0, -1)) for picture in channels_first]
        resized = [p.resize((width, height), Image.Resampling.LANCZOS) for p in pictures]
        return stacked([np.asarray(p) for p in resized])
    size = (height, width)
    return torch.nn.functional.interpolate(channels_first, size=size, mode=method).movedim(1, -1)


def _cut_to_shape(image: Tensor, shape: float) -> Tensor:
    """The middle of `image` (batch x channels x height x width) with width / height = `shape`."""
    height, width = image.shape[2], image.shape[3]
    left = top = 0
    given = width / height
    # In ComfyUI's order of operations, so that halves round to the same side.
    if given > shape:
        left = round((width - width * (shape / given)) / 2)
    elif given < shape:
        top = round((height - height * (given / shape)) / 2)
    return image[:, :, top : height - top, left : width - left]
