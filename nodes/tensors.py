"""ComfyUI's tensors to pictures and back.

torch is imported at the first picture, so that the sandbox, the command line's help and registry
indexers work where it is not installed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..visioncraft_core.errors import InvalidRequest
from ..visioncraft_core.media.images import DecodedImage, Pixels, Size
from ..visioncraft_core.parallel import parallel_map

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.float32]

BAND = 1 << 17  # numbers that are made 8 bit at a time
PIECE = 1 << 20  # numbers that one of several threads makes floats of
MOST_THREADS = 4


def common_size(pictures: Sequence[DecodedImage]) -> Size:
    """The smallest size that holds every picture."""
    sizes = [picture.size for picture in pictures]
    return Size(max(s.width for s in sizes), max(s.height for s in sizes))


def images(pictures: Sequence[DecodedImage]) -> Tensor:
    """IMAGE: float32 in 0..1, pictures x height x width x 3 (RGB), on the CPU.

    Smaller pictures are padded with black at the right and bottom.
    """
    import torch

    width, height = common_size(pictures)
    # The system gives zeros only as they are written to: what is covered costs nothing.
    batch = np.zeros((len(pictures), height, width, 3), np.float32)
    for number, picture in enumerate(pictures):
        _scale(picture.rgb, batch[number, : picture.size.height, : picture.size.width])
    return torch.from_numpy(batch)


def _scale(pixels: Pixels, target: Floats) -> None:
    """Writes `pixels` / 255 into `target`, without a copy of either."""
    step = max(1, PIECE // max(1, pixels[0].size))

    def work(start: int) -> None:
        rows = slice(start, start + step)
        np.divide(pixels[rows], np.float32(255.0), out=target[rows])

    parallel_map(work, range(0, len(pixels), step), min(MOST_THREADS, os.cpu_count() or 1))


def masks(pictures: Sequence[DecodedImage]) -> Tensor:
    """MASK: float32 in 0..1, pictures x height x width; 1 is transparent, as in LoadImage."""
    import torch

    width, height = common_size(pictures)
    batch = np.zeros((len(pictures), height, width), np.float32)
    for number, picture in enumerate(pictures):
        mask = batch[number, : picture.size.height, : picture.size.width]
        if picture.alpha is not None:
            _scale(picture.alpha, mask)
            np.subtract(1.0, mask, out=mask)
        batch[number, picture.size.height :] = 1.0
        batch[number, : picture.size.height, picture.size.width :] = 1.0
    return torch.from_numpy(batch)


def frames(pixels: Pixels) -> Tensor:
    """IMAGE of uint8 frames: frames x height x width x 3."""
    import torch

    batch = np.empty(pixels.shape, np.float32)
    _scale(pixels, batch)
    return torch.from_numpy(batch)


def even(image: Tensor) -> Tensor:
    """`image` with even height and width, as H.264 wants: the last row or column is doubled."""
    import torch

    if image.shape[1] % 2:
        image = torch.cat((image, image[:, -1:]), 1)
    if image.shape[2] % 2:
        image = torch.cat((image, image[:, :, -1:]), 2)
    return image


def pixels(image: Tensor) -> Sequence[Pixels]:
    """The pictures of an IMAGE as uint8, height x width x channels, each made when it is asked for.

    Takes one, three or four channels, any float type and device, and a single picture without
    batch. Values are clamped and rounded half up: 0.999 and 1.01 are 255. Raises InvalidRequest
    for an empty batch, a picture without size, or another number of channels.
    """
    batch = image[None] if image.ndim == 3 else image
    if batch.ndim != 4 or batch.shape[-1] not in (1, 3, 4) or not batch.numel():
        shape = "x".join(str(side) for side in image.shape)
        raise InvalidRequest(
            f"The image input holds no picture (its shape is {shape}); nothing was sent.",
            "Connect an IMAGE with at least one picture.",
            phase="check",
        )
    return _Pictures(batch)


class _Pictures(Sequence[Any]):
    def __init__(self, batch: Tensor) -> None:
        self._batch = batch

    def __len__(self) -> int:
        return len(self._batch)

    def __getitem__(self, number: Any) -> Any:
        if number >= len(self):
            raise IndexError
        return _eight_bit(self._batch[number])


def _eight_bit(picture: Tensor) -> Pixels:
    found = to_eight_bit(picture.detach().float().cpu().numpy(), _levels)
    return found[..., 0] if found.shape[-1] == 1 else found


def _levels(values: Floats) -> Floats:
    scaled = np.clip(np.multiply(values, 255.0), 0.0, 255.0)
    if np.isnan(scaled.min()):
        np.nan_to_num(scaled, copy=False)
    scaled += 0.5
    return scaled


def to_eight_bit(picture: Floats, levels: Callable[[Floats], Floats]) -> Pixels:
    """uint8 of what `levels` makes of each part of `picture`, cut off to whole numbers.

    In bands, which stay in the processor's cache: whole copies take twice the time, and each of
    them four times the memory of the picture.
    """
    pixels = np.empty(picture.shape, np.uint8)
    height = max(1, BAND // max(1, picture[0].size))
    for top in range(0, len(picture), height):
        pixels[top : top + height] = levels(picture[top : top + height])
    return pixels
