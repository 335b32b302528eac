"""Nodes that save and show pictures, still and moving.

They pass the pictures on as those of ComfyUI 0.33 do; those of 0.3.64 have no outputs.
"""

from __future__ import annotations

import io
import json
import random
import string
from typing import TYPE_CHECKING, Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ....visioncraft_core.media.png import encode_png
from .. import folders
from .base import METADATA, UI, HostNode, metadata
from .pixels import eight_bit, levels

if TYPE_CHECKING:
    from torch import Tensor

    from ..folders import FolderType

PREFIX = {"filename_prefix": ("STRING", {"default": "ComfyUI"})}
FPS = {"default": 6.0, "min": 0.01, "max": 1000.0, "step": 0.01}
ANIMATION = {"images": ("IMAGE", {}), **PREFIX, "fps": ("FLOAT", FPS)}
METHODS = {"default": 4, "fastest": 0, "slowest": 6}
EXIF_PROMPT = 0x0110  # further members count down from the next lower number


class SaveImage(HostNode):
    OUTPUT_NODE = True
    REQUIRED = {"images": ("IMAGE", {}), **PREFIX}
    HIDDEN = METADATA
    FOLDER: FolderType = "output"

    def run(self, images: Tensor, filename_prefix: str = "ComfyUI", **hidden: Any) -> UI:
        texts = {name: json.dumps(content) for name, content in metadata(**hidden).items()}
        contents = [encode_png(levels(image), texts) for image in images]
        size = (images.shape[2], images.shape[1])
        saved = folders.current.get().save(contents, filename_prefix, "png", self.FOLDER, size)
        return {"ui": {"images": saved}, "result": (images,)}


class PreviewImage(SaveImage):
    REQUIRED = {"images": ("IMAGE", {})}
    FOLDER = "temp"

    def run(self, images: Tensor, filename_prefix: str = "ComfyUI", **hidden: Any) -> UI:
        marks = "".join(random.choices(string.ascii_lowercase, k=5))  # noqa: S311 - a file name
        return super().run(images, f"{filename_prefix}_temp_{marks}", **hidden)


class _SaveAnimated(HostNode):
    OUTPUT_NODE = True
    HIDDEN = METADATA

    def _save(
        self, images: Tensor, prefix: str, fps: float, form: str, *, moves: bool, **options: Any
    ) -> UI:
        first, *rest = [eight_bit(image) for image in images]
        buffer = io.BytesIO()
        duration = int(1000.0 / fps)
        first.save(buffer, form, save_all=True, append_images=rest, duration=duration, **options)
        size = (images.shape[2], images.shape[1])
        content = [buffer.getvalue()]
        saved = folders.current.get().save(content, prefix, form.lower(), "output", size)
        return {"ui": {"images": saved, "animated": (moves,)}, "result": (images,)}


class SaveAnimatedWEBP(_SaveAnimated):
    REQUIRED = {
        **ANIMATION,
        "lossless": ("BOOLEAN", {"default": True}),
        "quality": ("INT", {"default": 80, "min": 0, "max": 100}),
        "method": (list(METHODS), {}),
    }

    def run(
        self,
        images: Tensor,
        filename_prefix: str,
        fps: float,
        lossless: bool,  # noqa: FBT001 - ComfyUI passes inputs by name
        quality: int,
        method: str,
        **hidden: Any,
    ) -> UI:
        exif = Image.Exif()
        for number, (name, content) in enumerate(metadata(**hidden).items()):
            exif[EXIF_PROMPT - number] = f"{name}:{json.dumps(content)}"
        options = {"lossless": lossless, "quality": quality, "method": METHODS[method]}
        # ComfyUI 0.3.64 calls a single picture still here, and moving in SaveAnimatedPNG.
        moves = len(images) > 1
        return self._save(images, filename_prefix, fps, "WEBP", moves=moves, exif=exif, **options)


class SaveAnimatedPNG(_SaveAnimated):
    REQUIRED = {**ANIMATION, "compress_level": ("INT", {"default": 4, "min": 0, "max": 9})}

    def run(
        self, images: Tensor, filename_prefix: str, fps: float, compress_level: int, **hidden: Any
    ) -> UI:
        chunks = PngInfo()
        for name, content in metadata(**hidden).items():
            text = f"{name}\0{json.dumps(content)}"
            chunks.add(b"comf", text.encode("latin-1"), after_idat=True)
        options: UI = {"pnginfo": chunks, "compress_level": compress_level}
        return self._save(images, filename_prefix, fps, "PNG", moves=True, **options)
