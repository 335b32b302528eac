"""Nodes that make pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..visioncraft_core.api import endpoints
from ..visioncraft_core.api.fields import Request
from ..visioncraft_core.client import Result
from ..visioncraft_core.media.images import DecodedImage, decode
from . import comfy, tensors
from .base import INFO_HELP, ApiNode

if TYPE_CHECKING:
    from torch import Tensor


class ImageNode(ApiNode):
    """A node whose result is pictures."""

    CATEGORY = "VisionCraft/Image"
    decoder = staticmethod(decode)
    RETURN_TYPES = ("IMAGE", "MASK", "STRING")
    RETURN_NAMES = ("images", "mask", "info")
    OUTPUT_TOOLTIPS = (
        "The pictures as one batch.",
        "The transparent parts of the pictures; 1 is transparent.",
        INFO_HELP,
    )

    def output(
        self, request: Request, result: Result, notes: list[str]
    ) -> tuple[Tensor, Tensor, str]:
        pictures: Sequence[DecodedImage] = result.decoded
        if len({picture.size for picture in pictures}) > 1:
            width, height = tensors.common_size(pictures)
            notes.append(
                f"The pictures differ in size; smaller ones were padded to {width}x{height}."
            )
        sizes = [f"{p.size.width}x{p.size.height}" for p in pictures]
        info = self.info(request, result, notes, pictures=sizes)
        return tensors.images(pictures), tensors.masks(pictures), info

    def shown_on_node(self, result: Result) -> dict[str, list[Any]]:
        """The files as they came, unless a node behind this one shows the pictures."""
        host = comfy.host()
        if host.is_shown(self.RETURN_TYPES.index("IMAGE")):
            return {}
        return {"images": [host.preview(file.content, file.suffix) for file in result.files]}


class Generate(ImageNode):
    REQUEST = endpoints.Generate
    SEARCH_ALIASES = ["text to image", "txt2img", "stable diffusion", "visioncraft"]


class GenerateXL(ImageNode):
    REQUEST = endpoints.GenerateXL
    SEARCH_ALIASES = ["text to image", "txt2img", "sdxl", "sdxl-turbo", "visioncraft"]


class ImageToImage(ImageNode):
    REQUEST = endpoints.ImageToImage
    SEARCH_ALIASES = ["img2img", "image to image", "redraw", "restyle", "visioncraft"]


class Upscale(ImageNode):
    REQUEST = endpoints.Upscale
    SEARCH_ALIASES = ["enlarge", "super resolution", "4x", "visioncraft"]


NODES = (Generate, GenerateXL, ImageToImage, Upscale)
