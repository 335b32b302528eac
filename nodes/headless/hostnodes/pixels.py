"""Between ComfyUI's tensors and Pillow, exactly as ComfyUI does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from torch import Tensor


def stacked(arrays: list[np.ndarray]) -> Tensor:
    import torch

    return torch.from_numpy(np.stack(arrays))


def eight_bit(image: Tensor) -> Image.Image:
    # ComfyUI truncates; rounding would give other files than it does.
    values = np.clip(255.0 * image.cpu().numpy(), 0, 255).astype(np.uint8)
    return Image.fromarray(values)


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
