"""Decoded pictures to ComfyUI's tensors. The only module that uses torch.

torch is imported at the first picture, so that the sandbox, the command line's help and registry
indexers work where it is not installed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..visioncraft_core.media import Picture, Size

if TYPE_CHECKING:
    from torch import Tensor


def common_size(pictures: Sequence[Picture]) -> Size:
    """The smallest size that holds every picture."""
    sizes = [picture.size for picture in pictures]
    return Size(max(s.width for s in sizes), max(s.height for s in sizes))


def images(pictures: Sequence[Picture]) -> Tensor:
    """IMAGE: float32 in 0..1, pictures x height x width x 3 (RGB), on the CPU.

    Smaller pictures are padded with black at the right and bottom.
    """
    import torch

    width, height = common_size(pictures)
    batch = np.zeros((len(pictures), height, width, 3), np.float32)
    for number, picture in enumerate(pictures):
        batch[number, : picture.size.height, : picture.size.width] = picture.rgb
    batch /= 255.0
    return torch.from_numpy(batch)


def masks(pictures: Sequence[Picture]) -> Tensor:
    """MASK: float32 in 0..1, pictures x height x width; 1 is transparent, as in LoadImage."""
    import torch

    width, height = common_size(pictures)
    batch = np.ones((len(pictures), height, width), np.float32)
    for number, picture in enumerate(pictures):
        opaque = 255 if picture.alpha is None else picture.alpha.astype(np.float32)
        batch[number, : picture.size.height, : picture.size.width] = 1.0 - opaque / 255.0
    return torch.from_numpy(batch)
