"""Nodes that make pictures."""

from __future__ import annotations

from ..visioncraft_core.api import endpoints
from .base import ImageNode


class Generate(ImageNode):
    REQUEST = endpoints.Generate
    SEARCH_ALIASES = ["text to image", "txt2img", "stable diffusion", "visioncraft"]

    @classmethod
    def VALIDATE_INPUTS(cls, model=None, sampler=None, prompt=None, input_types=None):
        return cls.check(input_types, model=model, sampler=sampler, prompt=prompt)


class GenerateXL(ImageNode):
    REQUEST = endpoints.GenerateXL
    SEARCH_ALIASES = ["text to image", "txt2img", "sdxl", "sdxl-turbo", "visioncraft"]

    @classmethod
    def VALIDATE_INPUTS(
        cls, prompt=None, model=None, sampler=None, scheduler=None, input_types=None
    ):
        return cls.check(
            input_types, prompt=prompt, model=model, sampler=sampler, scheduler=scheduler
        )


class ImageToImage(ImageNode):
    REQUEST = endpoints.ImageToImage
    SEARCH_ALIASES = ["img2img", "image to image", "redraw", "restyle", "visioncraft"]

    @classmethod
    def VALIDATE_INPUTS(cls, prompt=None, scheduler=None, refiner=None, input_types=None):
        return cls.check(input_types, prompt=prompt, scheduler=scheduler, refiner=refiner)


class Upscale(ImageNode):
    REQUEST = endpoints.Upscale
    SEARCH_ALIASES = ["enlarge", "super resolution", "4x", "visioncraft"]


NODES = (Generate, GenerateXL, ImageToImage, Upscale)
