"""The ComfyUI nodes that a headless run knows, with ComfyUI's names, inputs and results.

What they do is stated by ComfyUI 0.3.64's nodes.py and comfy_extras; each is held to the real one
by the tests in tests/comfyui.
"""

from __future__ import annotations

import io
import json
import random
import string
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageOps, ImageSequence
from PIL.PngImagePlugin import PngInfo

from . import folders

if TYPE_CHECKING:
    from torch import Tensor

    from .folders import Place

LARGEST_SIDE = 16384

UI = dict[str, Any]


class LoadImage:
    RETURN_TYPES = ("IMAGE", "MASK")
    FUNCTION = "load"

    @classmethod
    def INPUT_TYPES(cls) -> UI:
        names = folders.current.get().input_names()
        return {"required": {"image": (names, {"image_upload": True})}}

    @classmethod
    def VALIDATE_INPUTS(cls, image: str | None = None) -> bool | str:
        if image is None or folders.current.get().find(image):
            return True
        return (
            f"There is no input picture called {image}. Put it beside the workflow, or in input/."
        )

    def load(self, image: str) -> tuple[Tensor, Tensor]:
        path = folders.current.get().find(image)
        if path is None:
            raise FileNotFoundError(f"There is no input picture called {image}.")
        with Image.open(path) as file:
            frames = [ImageOps.exif_transpose(frame) for frame in ImageSequence.Iterator(file)]
        frames = [frame for frame in frames if frame.size == frames[0].size]
        return _stacked([_rgb(f) for f in frames]), _stacked([_transparency(f) for f in frames])


class SaveImage:
    RETURN_TYPES = ()
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
            "hidden": {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"},
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
        return {"ui": {"images": saved}}


class PreviewImage(SaveImage):
    PLACE = "temp"
    COMPRESSION = 1

    @classmethod
    def INPUT_TYPES(cls) -> UI:
        return {
            "required": {"images": ("IMAGE", {})},
            "hidden": {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"},
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


class PreviewAny:
    RETURN_TYPES = ("STRING",)
    FUNCTION = "show"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> UI:
        return {"required": {"source": ("*", {})}}

    def show(self, source: Any = None) -> UI:
        if isinstance(source, str):
            text = source
        elif isinstance(source, int | float | bool):
            text = str(source)
        else:
            try:
                text = "None" if source is None else json.dumps(source)
            except (TypeError, ValueError):
                text = str(source)
        return {"ui": {"text": [text]}, "result": (text,)}


class _Primitive:
    FUNCTION = "give"
    OPTIONS: UI = {}
    RETURN_TYPES: tuple[str, ...] = ("STRING",)

    @classmethod
    def INPUT_TYPES(cls) -> UI:
        return {"required": {"value": (cls.RETURN_TYPES[0], cls.OPTIONS)}}

    def give(self, value: Any) -> tuple[Any]:
        return (value,)


class PrimitiveString(_Primitive):
    OPTIONS = {"multiline": False}


class PrimitiveStringMultiline(_Primitive):
    OPTIONS = {"multiline": True}


class PrimitiveInt(_Primitive):
    RETURN_TYPES = ("INT",)
    OPTIONS = {"min": -sys.maxsize, "max": sys.maxsize, "control_after_generate": True}


class PrimitiveFloat(_Primitive):
    RETURN_TYPES = ("FLOAT",)
    OPTIONS = {"min": -sys.maxsize, "max": sys.maxsize}


class StringConcatenate:
    RETURN_TYPES = ("STRING",)
    FUNCTION = "join"

    @classmethod
    def INPUT_TYPES(cls) -> UI:
        return {
            "required": {
                "string_a": ("STRING", {"multiline": True}),
                "string_b": ("STRING", {"multiline": True}),
                "delimiter": ("STRING", {"multiline": False, "default": ""}),
            }
        }

    def join(self, string_a: str, string_b: str, delimiter: str) -> tuple[str]:
        return (delimiter.join((string_a, string_b)),)


class ImageScale:
    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "scale"

    @classmethod
    def INPUT_TYPES(cls) -> UI:
        side = {"default": 512, "min": 0, "max": LARGEST_SIDE, "step": 1}
        methods = ["nearest-exact", "bilinear", "area", "bicubic", "lanczos"]
        return {
            "required": {
                "image": ("IMAGE", {}),
                "upscale_method": (methods, {}),
                "width": ("INT", side),
                "height": ("INT", side),
                "crop": (["disabled", "center"], {}),
            }
        }

    def scale(
        self, image: Tensor, upscale_method: str, width: int, height: int, crop: str
    ) -> tuple[Tensor]:
        """A side of 0 follows from the other one; both 0 keep the picture."""
        old_height, old_width = image.shape[1], image.shape[2]
        if width == 0 and height == 0:
            return (image,)
        width = width or max(1, round(old_width * height / old_height))
        height = height or max(1, round(old_height * width / old_width))
        return (_scaled(image, width, height, upscale_method, centred=crop == "center"),)


class ImageBatch:
    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "batch"

    @classmethod
    def INPUT_TYPES(cls) -> UI:
        return {"required": {"image1": ("IMAGE", {}), "image2": ("IMAGE", {})}}

    def batch(self, image1: Tensor, image2: Tensor) -> tuple[Tensor]:
        """Both as one batch; the second is fitted to the size of the first."""
        import torch

        if image1.shape[1:] != image2.shape[1:]:
            height, width = image1.shape[1], image1.shape[2]
            image2 = _scaled(image2, width, height, "bilinear", centred=True)
        return (torch.cat((image1, image2)),)


NODE_CLASSES: dict[str, type] = {
    node.__name__: node
    for node in (
        LoadImage,
        SaveImage,
        PreviewImage,
        PreviewAny,
        PrimitiveString,
        PrimitiveStringMultiline,
        PrimitiveInt,
        PrimitiveFloat,
        StringConcatenate,
        ImageScale,
        ImageBatch,
    )
}


def _rgb(image: Image.Image) -> np.ndarray:
    if image.mode == "I":
        image = image.point(lambda i: i * (1 / 255))
    return np.asarray(image.convert("RGB"), np.float32) / 255.0


def _transparency(image: Image.Image) -> np.ndarray:
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    if "A" not in image.getbands():
        return np.zeros((64, 64), np.float32)  # ComfyUI's "no mask"
    return 1.0 - np.asarray(image.getchannel("A"), np.float32) / 255.0


def _stacked(arrays: list[np.ndarray]) -> Tensor:
    import torch

    return torch.from_numpy(np.stack(arrays))


def _eight_bit(image: Tensor) -> Image.Image:
    # ComfyUI truncates; rounding would give other files than it does.
    values = np.clip(255.0 * image.cpu().numpy(), 0, 255).astype(np.uint8)
    return Image.fromarray(values)


def _png(image: Tensor, chunks: PngInfo, compression: int) -> bytes:
    buffer = io.BytesIO()
    _eight_bit(image).save(buffer, "PNG", pnginfo=chunks, compress_level=compression)
    return buffer.getvalue()


def _metadata(prompt: UI | None, extra: UI | None) -> PngInfo:
    chunks = PngInfo()
    if prompt is not None:
        chunks.add_text("prompt", json.dumps(prompt))
    for name, content in (extra or {}).items():
        chunks.add_text(name, json.dumps(content))
    return chunks


def _scaled(image: Tensor, width: int, height: int, method: str, *, centred: bool) -> Tensor:
    import torch

    channels_first = image.movedim(-1, 1)
    if centred:
        channels_first = _cut_to_shape(channels_first, width / height)
    if method == "lanczos":
        pictures = [_eight_bit(picture.movedim(0, -1)) for picture in channels_first]
        resized = [p.resize((width, height), Image.Resampling.LANCZOS) for p in pictures]
        return _stacked([np.asarray(p, np.float32) / 255.0 for p in resized])
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
