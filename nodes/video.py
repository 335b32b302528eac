"""Nodes that make animations and videos."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from PIL import Image

from ..visioncraft_core.api import endpoints
from ..visioncraft_core.api.fields import Request
from ..visioncraft_core.generation.results import File, Result
from ..visioncraft_core.media.animations import Animation, decode_animation
from . import comfy, tensors, widgets
from .base import INFO_HELP, ApiNode

if TYPE_CHECKING:
    from torch import Tensor

FRAMES_HELP = "The frames as a batch of images."
FPS_HELP = "Frames per second; the mean if frames are shown for different times."
VIDEO_HELP = "The animation as a video, for Save Video."
ORIGINAL_HELP = "The file exactly as the server sent it, for Save Original."


class AnimationNode(ApiNode):
    """A node whose result is animations."""

    CATEGORY = "VisionCraft/Video"
    decoder = staticmethod(decode_animation)

    def shown(
        self, file: File, animation: Animation, notes: list[str]
    ) -> tuple[Any, Tensor, float]:
        """VIDEO, frames and frame rate of one file; adds what is unusual about it to `notes`."""
        frames = tensors.frames(animation.frames)
        notes += _notes(animation)
        content = file.content if file.kind == "mp4" else b""
        images = frames if content else tensors.even(frames)
        return comfy.host().video(images, animation.rate, content), frames, animation.fps

    def shown_on_node(self, result: Result) -> dict[str, list[Any]]:
        """Plays each file; a GIF as WebP, because the front ends play no GIF."""
        host = comfy.host()
        if not host.has_canvas:
            return {}
        parts = zip(result.files, result.decoded, strict=True)
        entries = [
            host.preview(playable(animation), "webp")
            if file.kind == "gif"
            else host.preview(file.content, file.suffix)
            for file, animation in parts
        ]
        return {"images": entries, "animated": [True]}


class TextToGif(AnimationNode):
    REQUEST = endpoints.GenerateGif
    SEARCH_ALIASES = ["gif", "animation", "text to video", "txt2gif", "visioncraft"]
    RETURN_TYPES = ("IMAGE", "FLOAT", "VIDEO", widgets.FILE, "STRING")
    RETURN_NAMES = ("frames", "fps", "video", "original", "info")
    OUTPUT_TOOLTIPS = (FRAMES_HELP, FPS_HELP, VIDEO_HELP, ORIGINAL_HELP, INFO_HELP)

    def output(
        self, request: Request, result: Result, notes: list[str]
    ) -> tuple[Tensor, float, Any, File, str]:
        file = result.files[0]
        if len(result.files) > 1:
            notes.append(f"Only the first of {len(result.files)} files is used.")
        video, frames, fps = self.shown(file, result.decoded[0], notes)
        info = self.info(request, result, notes, frames=len(frames), fps=fps, file=file.kind)
        return frames, fps, video, file, info


class ImageToVideo(AnimationNode):
    """Several pictures give several videos, so its outputs are lists; one gives a list of one."""

    REQUEST = endpoints.ImageToVideo
    SEARCH_ALIASES = ["img2video", "animate", "svd", "video", "visioncraft"]
    RETURN_TYPES = ("VIDEO", "IMAGE", "FLOAT", widgets.FILE, "STRING")
    RETURN_NAMES = ("video", "frames", "fps", "original", "info")
    OUTPUT_IS_LIST = (True, True, True, True, False)
    OUTPUT_TOOLTIPS = (VIDEO_HELP, FRAMES_HELP, FPS_HELP, ORIGINAL_HELP, INFO_HELP)

    def output(
        self, request: Request, result: Result, notes: list[str]
    ) -> tuple[list[Any], list[Tensor], list[float], list[File], str]:
        parts = zip(result.files, result.decoded, strict=True)
        shown = [self.shown(file, animation, notes) for file, animation in parts]
        videos, frames, rates = map(list, zip(*shown, strict=True))
        info = self.info(request, result, notes, frames=[len(f) for f in frames], fps=rates)
        return videos, frames, rates, list(result.files), info


NODES = (TextToGif, ImageToVideo)


def playable(animation: Animation) -> bytes:
    """An animated WebP, which only a canvas sees."""
    first, *rest = (Image.fromarray(frame) for frame in animation.frames)
    buffer = io.BytesIO()
    milliseconds = [round(delay * 1000) for delay in animation.delays]
    first.save(buffer, "WEBP", save_all=True, append_images=rest, duration=milliseconds, quality=80)
    return buffer.getvalue()


def _notes(animation: Animation) -> list[str]:
    notes = []
    if len(animation.frames) == 1:
        notes.append("The file has a single frame and no motion.")
    if not animation.steady:
        least, most = min(animation.delays), max(animation.delays)
        notes.append(
            f"The frames are shown for different times, {least:.2f} to {most:.2f} seconds."
        )
    if animation.transparent:
        notes.append("Transparent parts are shown white; original keeps them.")
    if animation.left_out:
        notes.append(f"{animation.left_out} frames at the end were left out to save memory.")
    return notes
