"""Nodes that save and show pictures, still and moving.

They pass the pictures on as those of ComfyUI 0.33 do; those of 0.3.64 have no outputs.
"""

from __future__ import annotations

import io
import json
import random
import string
from typing import TYPE_CHECKING

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from .. import folders
from .pixels import UI, eight_bit

if TYPE_CHECKING:
    from torch import Tensor

    from ..folders import Place

HIDDEN = {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"}
FPS = {"default": 6.0, "min": 0.01, "max": 1000.0, "step": 0.01}
METHODS = {"default": 4, "fastest": 0, "slowest": 6}
EXIF_PROMPT = 0x0110  # further members count down from the next lower number


class SaveImage:
    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "save"
    OUTPUT_NODE = True
    PLACE: Place = "output"
    COMPRESSION = 4

    @classmethod
    def INPUT_TYPES(cls) -> UI:
        return {
            "required": {
                "images": ("IMAGE", {}),
                "filename_prefix": ("STRING", {"default": "ComfyUI"}),
            },
            "hidden": HIDDEN,
        }

    def save(
        self,
        images: Tensor,
        filename_prefix: str = "ComfyUI",
        prompt: UI | None = None,
        extra_pnginfo: UI | None = None,
    ) -> UI:
        chunks = _metadata(prompt, extra_pnginfo)
        contents = [_png(image, chunks, self.COMPRESSION) for image in images]
        size = (images.shape[2], images.shape[1])
        saved = folders.current.get().save(contents, filename_prefix, "png", self.PLACE, size)
        return {"ui": {"images": saved}, "result": (images,)}


class PreviewImage(SaveImage):
    PLACE = "temp"
    COMPRESSION = 1

    @classmethod
    def INPUT_TYPES(cls) -> UI:
        return {
            "required": {"images": ("IMAGE", {})},
            "hidden": HIDDEN,
        }

    def save(
        self,
        images: Tensor,
        filename_prefix: str = "ComfyUI",
        prompt: UI | None = None,
        extra_pnginfo: UI | None = None,
    ) -> UI:
        marks = "".join(random.choices(string.ascii_lowercase, k=5))  # noqa: S311 - a file name
        prefix = f"{filename_prefix}_temp_{marks}"
        return super().save(images, prefix, prompt, extra_pnginfo)


class SaveAnimatedWEBP:
    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "save"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> UI:
        return {
            "required": {
                "images": ("IMAGE", {}),
                "filename_prefix": ("STRING", {"default": "ComfyUI"}),
                "fps": ("FLOAT", FPS),
                "lossless": ("BOOLEAN", {"default": True}),
                "quality": ("INT", {"default": 80, "min": 0, "max": 100}),
                "method": (list(METHODS), {}),
            },
            "hidden": HIDDEN,
        }

    def save(
        self,
        images: Tensor,
        filename_prefix: str,
        fps: float,
        lossless: bool,  # noqa: FBT001 - ComfyUI passes inputs by name
        quality: int,
        method: str,
        prompt: UI | None = None,
        extra_pnginfo: UI | None = None,
    ) -> UI:
        first, *rest = [eight_bit(image) for image in images]
        buffer = io.BytesIO()
        first.save(
            buffer,
            "WEBP",
            save_all=True,
            append_images=rest,
            duration=int(1000.0 / fps),
            exif=_exif(first, prompt, extra_pnginfo),
            lossless=lossless,
            quality=quality,
            method=METHODS[method],
        )
        # ComfyUI 0.3.64 calls a single picture still here, and moving in SaveAnimatedPNG.
        return _shown(buffer, images, filename_prefix, "webp", moves=bool(rest))


class SaveAnimatedPNG:
    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "save"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> UI:
        return {
            "required": {
                "images": ("IMAGE", {}),
                "filename_prefix": ("STRING", {"default": "ComfyUI"}),
                "fps": ("FLOAT", FPS),
                "compress_level": ("INT", {"default": 4, "min": 0, "max": 9}),
            },
            "hidden": HIDDEN,
        }

    def save(
        self,
        images: Tensor,
        filename_prefix: str,
        fps: float,
        compress_level: int,
        prompt: UI | None = None,
        extra_pnginfo: UI | None = None,
    ) -> UI:
        first, *rest = [eight_bit(image) for image in images]
        buffer = io.BytesIO()
        first.save(
            buffer,
            "PNG",
            save_all=True,
            append_images=rest,
            duration=int(1000.0 / fps),
            pnginfo=_chunks_after_pixels(prompt, extra_pnginfo),
            compress_level=compress_level,
        )
        return _shown(buffer, images, filename_prefix, "png", moves=True)


def _png(image: Tensor, chunks: PngInfo, compression: int) -> bytes:
    buffer = io.BytesIO()
    eight_bit(image).save(buffer, "PNG", pnginfo=chunks, compress_level=compression)
    return buffer.getvalue()


def _metadata(prompt: UI | None, extra: UI | None) -> PngInfo:
    chunks = PngInfo()
    if prompt is not None:
        chunks.add_text("prompt", json.dumps(prompt))
    for name, content in (extra or {}).items():
        chunks.add_text(name, json.dumps(content))
    return chunks


def _shown(buffer: io.BytesIO, images: Tensor, prefix: str, suffix: str, *, moves: bool) -> UI:
    size = (images.shape[2], images.shape[1])
    places = folders.current.get()
    saved = places.save([buffer.getvalue()], prefix, suffix, "output", size)
    return {"ui": {"images": saved, "animated": (moves,)}, "result": (images,)}


def _exif(first: Image.Image, prompt: UI | None, extra: UI | None) -> Image.Exif:
    exif = first.getexif()
    if prompt is not None:
        exif[EXIF_PROMPT] = f"prompt:{json.dumps(prompt)}"
    for number, (name, content) in enumerate((extra or {}).items(), 1):
        exif[EXIF_PROMPT - number] = f"{name}:{json.dumps(content)}"
    return exif


def _chunks_after_pixels(prompt: UI | None, extra: UI | None) -> PngInfo:
    chunks = PngInfo()
    members = {} if prompt is None else {"prompt": prompt}
    for name, content in {**members, **(extra or {})}.items():
        text = f"{name}\0{json.dumps(content)}"
        chunks.add(b"comf", text.encode("latin-1"), after_idat=True)
    return chunks
