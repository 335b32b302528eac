"""Nodes that load and change pictures and masks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps, ImageSequence

from .. import folders
from .base import UI, HostNode
from .pixels import scaled, stacked

if TYPE_CHECKING:
    from torch import Tensor

LARGEST_SIDE = 16384
SIDE = {"default": 512, "min": 0, "max": LARGEST_SIDE, "step": 1}
METHODS = ["nearest-exact", "bilinear", "area", "bicubic", "lanczos"]


class _Loader(HostNode):
    @classmethod
    def INPUT_TYPES(cls) -> UI:
        names = folders.current.get().input_names()
        return {"required": {"image": (names, {"image_upload": True}), **cls.REQUIRED}}

    @classmethod
    def VALIDATE_INPUTS(cls, image: str | None = None) -> bool | str:
        if image is None or folders.current.get().find(image):
            return True
        return (
            f"There is no input picture called {image}. Put it beside the workflow, or in input/."
        )


class LoadImage(_Loader):
    RETURN_TYPES = ("IMAGE", "MASK")

    def run(self, image: str) -> tuple[Tensor, Tensor]:
        with Image.open(_path(image)) as file:
            frames = [ImageOps.exif_transpose(frame) for frame in ImageSequence.Iterator(file)]
            if file.format == "MPO":  # further frames of a photo are its depth or other eye
                frames = frames[:1]
        frames = [frame for frame in frames if frame.size == frames[0].size]
        return stacked([_rgb(f) for f in frames]), stacked([_transparency(f) for f in frames])


class LoadImageMask(_Loader):
    RETURN_TYPES = ("MASK",)
    REQUIRED = {"channel": (["alpha", "red", "green", "blue"], {})}

    def run(self, image: str, channel: str) -> tuple[Tensor]:
        """One channel as a MASK; of alpha the opposite, so that 1 is transparent."""
        with Image.open(_path(image)) as file:
            picture = _eight_bit_levels(ImageOps.exif_transpose(file))
        levels = picture.convert("RGBA").getchannel(channel[0].upper())
        mask = np.asarray(levels, np.float32) / 255.0
        return (stacked([1.0 - mask if channel == "alpha" else mask]),)


class ImageScale(HostNode):
    REQUIRED = {
        "image": ("IMAGE", {}),
        "upscale_method": (METHODS, {}),
        "width": ("INT", SIDE),
        "height": ("INT", SIDE),
        "crop": (["disabled", "center"], {}),
    }

    def run(
        self, image: Tensor, upscale_method: str, width: int, height: int, crop: str
    ) -> tuple[Tensor]:
        """A side of 0 follows from the other one; both 0 keep the picture."""
        old_height, old_width = image.shape[1], image.shape[2]
        if width == 0 and height == 0:
            return (image,)
        width = width or max(1, round(old_width * height / old_height))
        height = height or max(1, round(old_height * width / old_width))
        return (scaled(image, width, height, upscale_method, centred=crop == "center"),)


class ImageBatch(HostNode):
    REQUIRED = {"image1": ("IMAGE", {}), "image2": ("IMAGE", {})}

    def run(self, image1: Tensor, image2: Tensor) -> tuple[Tensor]:
        """Both as one batch; the second is fitted to the size of the first."""
        import torch

        if image1.shape[1:] != image2.shape[1:]:
            height, width = image1.shape[1], image1.shape[2]
            image2 = scaled(image2, width, height, "bilinear", centred=True)
        return (torch.cat((image1, image2)),)


class ImageFromBatch(HostNode):
    REQUIRED = {
        "image": ("IMAGE", {}),
        # ComfyUI 0.33 takes its largest side for this limit, too.
        "batch_index": ("INT", {"default": 0, "min": -LARGEST_SIDE, "max": LARGEST_SIDE}),
        "length": ("INT", {"default": 1, "min": 1, "max": 4096}),
    }

    def run(self, image: Tensor, batch_index: int, length: int) -> tuple[Tensor]:
        """Up to `length` pictures from `batch_index` on, which counts from the end below 0;
        beyond either end it is the one there."""
        if batch_index < 0:  # since ComfyUI 0.33
            batch_index += image.shape[0]
        first = max(0, min(image.shape[0] - 1, batch_index))
        return (image[first : first + length].clone(),)


class RepeatImageBatch(HostNode):
    REQUIRED = {
        "image": ("IMAGE", {}),
        "amount": ("INT", {"default": 1, "min": 1, "max": 4096}),
    }

    def run(self, image: Tensor, amount: int) -> tuple[Tensor]:
        return (image.repeat((amount, 1, 1, 1)),)


class ImageInvert(HostNode):
    REQUIRED = {"image": ("IMAGE", {})}

    def run(self, image: Tensor) -> tuple[Tensor]:
        return (1.0 - image,)


class InvertMask(HostNode):
    RETURN_TYPES = ("MASK",)
    REQUIRED = {"mask": ("MASK", {})}

    def run(self, mask: Tensor) -> tuple[Tensor]:
        return (1.0 - mask,)


class MaskToImage(HostNode):
    REQUIRED = {"mask": ("MASK", {})}

    def run(self, mask: Tensor) -> tuple[Tensor]:
        """A grey IMAGE, batch x height x width x 3, of a MASK with or without batch."""
        grey = mask.reshape((-1, mask.shape[-2], mask.shape[-1], 1))
        return (grey.expand(-1, -1, -1, 3),)


def _path(name: str) -> Path:
    path = folders.current.get().find(name)
    if path is None:
        raise FileNotFoundError(f"There is no input picture called {name}.")
    return path


def _rgb(image: Image.Image) -> np.ndarray:
    return np.asarray(_eight_bit_levels(image).convert("RGB"), np.float32) / 255.0


def _eight_bit_levels(image: Image.Image) -> Image.Image:
    return image.point(lambda i: i * (1 / 255)) if image.mode == "I" else image


def _transparency(image: Image.Image) -> np.ndarray:
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    if "A" not in image.getbands():
        return np.zeros((64, 64), np.float32)  # ComfyUI's "no mask"
    return 1.0 - np.asarray(image.getchannel("A"), np.float32) / 255.0
