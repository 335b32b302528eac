"""Between ComfyUI's tensors and Pillow, exactly as ComfyUI does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ...tensors import to_eight_bit

if TYPE_CHECKING:
    from torch import Tensor

    from ....visioncraft_core.media.images import Pixels


def stacked(arrays: list[np.ndarray]) -> Tensor:
    import torch

    return torch.from_numpy(np.stack(arrays))


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

    channels_first = image.movedim(-1, 1)
    if centred:
        channels_first = _cut_to_shape(channels_first, width / height)
    if method == "lanczos":
        pictures = [eight_bit(picture.movedim(0, -1)) for picture in channels_first]
        resized = [p.resize((width, height), Image.Resampling.LANCZOS) for p in pictures]
        return stacked([np.asarray(p, np.float32) / 255.0 for p in resized])
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
