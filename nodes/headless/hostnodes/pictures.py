"""Nodes that load and change pictures and masks."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageFile, ImageOps, ImageSequence

from ....visioncraft_core.errors import VisionCraftError, WorkflowError, clip
from ....visioncraft_core.media.animations import frame_count
from ....visioncraft_core.media.images import MOST_PIXELS, sniff
from ....visioncraft_core.media.integrity import check_integrity
from .. import folders
from .base import UI, HostNode
from .pixels import refuse_large, scaled, stacked

if TYPE_CHECKING:
    from torch import Tensor

_flag = Lock()

log = logging.getLogger("visioncraft")

LONGEST_NAME = 60
MOST_BYTES = 200 * 2**20  # of a picture file
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
        if image is None:  # it comes by a link
            return True
        path = folders.current.get().find(image)
        if path is None:
            return (
                f"There is no input picture called {clip(image, LONGEST_NAME)}. Put it beside the "
                "workflow, or in input/."
            )
        return _trouble(path, image, path.stat().st_mtime_ns) or True


class LoadImage(_Loader):
    RETURN_TYPES = ("IMAGE", "MASK")

    def run(self, image: str) -> tuple[Tensor, Tensor]:
        colours: list[np.ndarray] = []
        opacities: list[np.ndarray] = []
        with _opened(image) as file:
            for each in _frames(file, image):
                frame = ImageOps.exif_transpose(each)
                rgb = _rgb(frame)
                if not colours or rgb.shape == colours[0].shape:
                    colours.append(rgb)
                    opacities.append(_opacity(frame))
        return stacked(colours), _opposite(stacked(opacities))


class LoadImageMask(_Loader):
    RETURN_TYPES = ("MASK",)
    REQUIRED = {"channel": (["alpha", "red", "green", "blue"], {})}

    def run(self, image: str, channel: str) -> tuple[Tensor]:
        """One channel as a MASK; of alpha the opposite, so that 1 is transparent."""
        with _opened(image) as file:
            picture = _eight_bit_levels(ImageOps.exif_transpose(file))
        levels = picture.convert("RGBA").getchannel(channel[0].upper())
        mask = stacked([np.asarray(levels)])
        return (_opposite(mask) if channel == "alpha" else mask,)


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
        refuse_large(image1.shape[0] + image2.shape[0], image1.shape[1], image1.shape[2])
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
        refuse_large(amount * image.shape[0], image.shape[1], image.shape[2])
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


@contextmanager
def _opened(name: str) -> Iterator[Image.Image]:
    """An input picture; of a file that is cut off what there is of it, as in ComfyUI."""
    path = folders.current.get().find(name)
    if path is None:
        raise _problem(name, "is not there any more")
    content = _content(path, name)
    try:
        if kind := sniff(content):
            check_integrity(content, kind)
        damaged = False
    except VisionCraftError:
        damaged = True
        log.warning(
            "%s is cut off or damaged; what there is of it is used.", clip(name, LONGEST_NAME)
        )
    with _flag:
        ImageFile.LOAD_TRUNCATED_IMAGES = damaged  # of the whole process, so one at a time
        try:
            with _open(content, name) as file:
                yield file
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = False


def _content(path: Path, name: str) -> bytes:
    try:
        if path.stat().st_size <= MOST_BYTES:
            return path.read_bytes()
    except OSError as error:
        raise _problem(name, f"cannot be read ({error.strerror})") from None
    raise _problem(name, f"is larger than {MOST_BYTES // 2**20} MB")


def _problem(name: str, what: str) -> WorkflowError:
    return WorkflowError(
        f"The input picture {clip(name, LONGEST_NAME)} {what}.", "Choose another file."
    )


@lru_cache
def _trouble(path: Path, name: str, changed: int) -> str:
    """Why the picture at `path` cannot be loaded, as far as its headers tell; "" where it can.

    `changed` is when it was: many nodes may load the same one.
    """
    del changed
    try:
        with _open(_content(path, name), name):
            return ""
    except WorkflowError as error:
        return error.message


@contextmanager
def _open(content: bytes, name: str) -> Iterator[Image.Image]:
    """Raises WorkflowError for what Pillow cannot read, at once or later."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's own about sizes; the limit is ours
        try:
            with Image.open(io.BytesIO(content)) as file:
                counted = file.format in ("GIF", "PNG", "WEBP")
                frames = max(1, frame_count(file, content)) if counted else 1
                if frames * file.width * file.height > MOST_PIXELS:
                    raise _too_large(name)
                yield file
        except (VisionCraftError, MemoryError):
            raise
        except Image.DecompressionBombError:
            raise _too_large(name) from None
        except Exception:  # noqa: BLE001 - Pillow raises what it likes for a damaged file
            raise _problem(name, "is none, or is damaged") from None


def _frames(file: Image.Image, name: str) -> Iterator[Image.Image]:
    """All frames of `file`, as long as they fit into memory together."""
    room = MOST_PIXELS
    for frame in ImageSequence.Iterator(file):
        room -= frame.width * frame.height
        if room < 0:
            raise _too_large(name)
        yield frame
        if file.format == "MPO":  # further frames of a photo are its depth or other eye
            return


def _too_large(name: str) -> WorkflowError:
    return _problem(name, f"has more than {MOST_PIXELS // 10**6} million pixels")


def _rgb(image: Image.Image) -> np.ndarray:
    return np.asarray(_eight_bit_levels(image).convert("RGB"))


def _eight_bit_levels(image: Image.Image) -> Image.Image:
    """`image` with 8 bits a channel; Pillow clips grey of 16 bits to white where it converts."""
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) / 257.0 + 0.5).astype(np.uint8))
    return image.point(lambda i: i * (1 / 255)) if image.mode == "I" else image


def _opacity(image: Image.Image) -> np.ndarray:
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    if "A" not in image.getbands():
        return np.full((64, 64), 255, np.uint8)  # ComfyUI's "no mask"
    return np.asarray(image.getchannel("A"))


def _opposite(mask: Tensor) -> Tensor:
    """1 is transparent, where opaque was."""
    return mask.neg_().add_(1.0)
