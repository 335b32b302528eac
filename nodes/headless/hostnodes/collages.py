"""Nodes that put several pictures on one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ....visioncraft_core.errors import WorkflowError
from .base import HostNode
from .pixels import eight_bit, refuse_large, scaled, stacked

if TYPE_CHECKING:
    from torch import Tensor

CELL = {"default": 256, "min": 32, "max": 2048}  # pixels
COLOURS = {
    "white": (1.0, 1.0, 1.0),
    "black": (0.0, 0.0, 0.0),
    "red": (1.0, 0.0, 0.0),
    "green": (0.0, 1.0, 0.0),
    "blue": (0.0, 0.0, 1.0),
}


class ImageStitch(HostNode):
    REQUIRED = {
        "image1": ("IMAGE", {}),
        "direction": (["right", "down", "left", "up"], {"default": "right"}),
        "match_image_size": ("BOOLEAN", {"default": True}),
        "spacing_width": ("INT", {"default": 0, "min": 0, "max": 1024, "step": 2}),
        "spacing_color": (list(COLOURS), {"default": "white"}),
    }
    OPTIONAL = {"image2": ("IMAGE", {})}

    def run(
        self,
        image1: Tensor,
        direction: str,
        match_image_size: bool,  # noqa: FBT001 - ComfyUI passes inputs by name
        spacing_width: int,
        spacing_color: str,
        image2: Tensor | None = None,
    ) -> tuple[Tensor]:
        """`image2` beside `image1`, scaled to its height or width, or else padded to it."""
        import torch

        if image2 is None:
            return (image1,)
        along = 2 if direction in ("left", "right") else 1
        across = 3 - along
        size = max(image1.shape[0], image2.shape[0])
        for image in (image1, image2):  # each batch is filled up to the size of the other
            refuse_large(size, image.shape[1], image.shape[2])
        scale = image1.shape[across] / image2.shape[across] if match_image_size else 1
        refuse_large(
            size,
            int(image1.shape[along] + spacing_width + image2.shape[along] * scale),
            image1.shape[across] if scale != 1 else max(i.shape[across] for i in (image1, image2)),
        )
        # The shorter batch repeats its last picture.
        pair = [image[[min(n, len(image) - 1) for n in range(size)]] for image in (image1, image2)]
        colour = COLOURS[spacing_color]
        if match_image_size:
            pair[1] = _matched(pair[1], image1, across)
        else:
            length = max(image.shape[across] for image in pair)
            # ComfyUI fills with grey levels only: a coloured gap has black around it.
            fill = colour[0] if len(set(colour)) == 1 else 0.0
            pair = [_padded(image, across, length, fill) for image in pair]
        channels = max(image.shape[-1] for image in pair)
        pad = torch.nn.functional.pad
        # The channels that a picture lacks are 1, which is opaque.
        pair = [pad(image, (0, channels - image.shape[-1]), value=1.0) for image in pair]
        if direction in ("left", "up"):
            pair.reverse()
        if spacing_width:
            shape = list(pair[0].shape)
            shape[along] = spacing_width + spacing_width % 2  # ComfyUI makes odd gaps even
            opaque = (*colour, 1.0)[:channels]
            pair.insert(1, torch.tensor(opaque, dtype=pair[0].dtype).expand(shape))
        return (torch.cat(pair, dim=along),)


class ImageGrid(HostNode):
    """ComfyUI 0.33 has it, 0.3.64 has not. The pictures of all lists and batches share one grid."""

    INPUT_IS_LIST = True

    REQUIRED = {
        "images": ("IMAGE", {}),
        "columns": ("INT", {"default": 4, "min": 1, "max": 20}),
        "cell_width": ("INT", CELL),
        "cell_height": ("INT", CELL),
        "padding": ("INT", {"default": 4, "min": 0, "max": 50}),
    }

    def run(
        self,
        images: list[Tensor],
        columns: list[int],
        cell_width: list[int],
        cell_height: list[int],
        padding: list[int],
    ) -> tuple[Tensor]:
        """One RGB picture, row by row, each cell filled without regard to its picture's shape.

        Sides and padding are pixels. Raises WorkflowError where there is no picture, or where one
        of the numbers is a list of several.
        """
        pictures = [eight_bit(picture) for batch in images for picture in batch]
        numbers = (columns, cell_width, cell_height, padding)
        if not pictures or any(len(values) != 1 for values in numbers):
            raise WorkflowError(
                "Make Image Grid was given no picture, or several values for one of its numbers.",
                "Connect pictures to images, and a single value to each of the others.",
            )
        across, width, height, gap = (values[0] for values in numbers)
        down = -(-len(pictures) // across)
        size = (across * (width + gap) - gap, down * (height + gap) - gap)
        refuse_large(1, size[1], size[0])
        grid = Image.new("RGB", size)
        for number, picture in enumerate(pictures):
            row, column = divmod(number, across)
            cell = picture.resize((width, height), Image.Resampling.LANCZOS)
            grid.paste(cell, (column * (width + gap), row * (height + gap)))
        return (stacked([np.asarray(grid)]),)


def _matched(image: Tensor, other: Tensor, across: int) -> Tensor:
    """`image` scaled so that it is as high (`across` 1) or as wide (2) as `other`."""
    shape = image.shape[2] / image.shape[1]
    height, width = other.shape[1], other.shape[2]
    size = (int(height * shape), height) if across == 1 else (width, int(width / shape))
    return scaled(image, size[0], size[1], "lanczos", centred=False)


def _padded(image: Tensor, across: int, length: int, fill: float) -> Tensor:
    import torch

    before = (length - image.shape[across]) // 2
    after = length - image.shape[across] - before
    sides = (0, 0, 0, 0, before, after) if across == 1 else (0, 0, before, after)
    return torch.nn.functional.pad(image, sides, value=fill)
