"""Nodes for video. Sound is not known here: no node of this pack makes any."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ....visioncraft_core.errors import WorkflowError
from ...video_input import Video
from .. import folders
from .base import METADATA, UI, HostNode, metadata

if TYPE_CHECKING:
    from torch import Tensor


class CreateVideo(HostNode):
    RETURN_TYPES = ("VIDEO",)
    REQUIRED = {
        "images": ("IMAGE", {}),
        "fps": ("FLOAT", {"default": 30.0, "min": 1.0, "max": 120.0, "step": 1.0}),
    }
    OPTIONAL = {"audio": ("AUDIO", {})}

    def run(self, images: Tensor, fps: float, audio: None = None) -> tuple[Video]:
        if audio is not None:
            raise WorkflowError(
                "Create Video was given sound, which a run without ComfyUI cannot add.",
                "Disconnect its audio input, or run the workflow in ComfyUI.",
            )
        return (Video(images, Fraction(fps)),)


class GetVideoComponents(HostNode):
    RETURN_TYPES = ("IMAGE", "AUDIO", "FLOAT")
    REQUIRED = {"video": ("VIDEO", {})}

    def run(self, video: Any) -> tuple[Tensor, None, float]:
        components = video.get_components()
        return components.images, None, float(components.frame_rate)


class SaveVideo(HostNode):
    RETURN_TYPES = ("VIDEO",)  # as in ComfyUI 0.33; in 0.3.64 it has none
    OUTPUT_NODE = True
    FURTHER_WIDGET = "encoding"  # since ComfyUI 0.33, where re-encode has settings of its own
    REQUIRED = {
        "video": ("VIDEO", {}),
        "filename_prefix": ("STRING", {"default": "video/ComfyUI"}),
        "format": (["auto", "mp4"], {"default": "auto"}),
        "codec": (["auto", "h264"], {"default": "auto"}),
    }
    HIDDEN = METADATA

    def run(self, video: Any, filename_prefix: str, format: str, codec: str, **hidden: Any) -> UI:
        del format  # "auto" is MP4 as well: every film here is one
        buffer = io.BytesIO()
        video.save_to(buffer, metadata=metadata(**hidden), codec=codec)
        size = video.get_dimensions()
        saved = folders.current.get().save(
            [buffer.getvalue()], filename_prefix, "mp4", "output", size
        )
        return {"ui": {"images": saved, "animated": (True,)}, "result": (video,)}
