"""Nodes whose result moves, and the file type that carries a result untouched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..visioncraft_core.api import endpoints
from ..visioncraft_core.api.fields import Request
from ..visioncraft_core.generation.results import File, Result
from ..visioncraft_core.media.animations import Animation, decode_animation
from . import comfy, tensors, widgets
from .base import ApiNode

if TYPE_CHECKING:
    from torch import Tensor

FRAMES_HELP = "The frames as a batch of images."
FPS_HELP = "Frames a second; the mean where they stay for different times."
VIDEO_HELP = "As a video, for Save Video."
ORIGINAL_HELP = "The very file that the server sent, for Save Original."
INFO_HELP = "Who answered, how long it took, and anything worth knowing, as JSON text."


class _Moving(ApiNode):
    CATEGORY = "VisionCraft/Video"
    decoder = staticmethod(decode_animation)

    def shown(
        self, file: File, animation: Animation, notes: list[str]
    ) -> tuple[Any, Tensor, float]:
        """VIDEO, frames and frames a second of one file; what is odd about it goes to `notes`."""
        frames = tensors.frames(animation.frames)
        notes += _oddities(animation)
        if file.kind == "mp4":
            video = comfy.host().video_from_file(file.content)
        else:
            video = comfy.host().video_from_frames(tensors.even(frames), animation.rate)
        return video, frames, animation.fps


class TextToGif(_Moving):
    REQUEST = endpoints.GenerateGif
    SEARCH_ALIASES = ["gif", "animation", "text to video", "txt2gif", "visioncraft"]
    RETURN_TYPES = ("IMAGE", "FLOAT", "VIDEO", widgets.FILE, "STRING")
    RETURN_NAMES = ("frames", "fps", "video", "original", "info")
    OUTPUT_TOOLTIPS = (FRAMES_HELP, FPS_HELP, VIDEO_HELP, ORIGINAL_HELP, INFO_HELP)

    @classmethod
    def VALIDATE_INPUTS(cls, sampler=None, prompt=None, input_types=None):
        return cls.check(input_types, sampler=sampler, prompt=prompt)

    def output(
        self, request: Request, result: Result, notes: list[str]
    ) -> tuple[Tensor, float, Any, File, str]:
        file = result.files[0]
        if len(result.files) > 1:
            notes.append(f"Only the first of {len(result.files)} files is shown.")
        video, frames, fps = self.shown(file, result.decoded[0], notes)
        told = self.info(request, result, notes, frames=len(frames), fps=fps, file=file.kind)
        return frames, fps, video, file, told


class ImageToVideo(_Moving):
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
        videos = [video for video, _, _ in shown]
        frames = [frames for _, frames, _ in shown]
        rates = [fps for _, _, fps in shown]
        told = self.info(request, result, notes, frames=[len(f) for f in frames], fps=rates)
        return videos, frames, rates, list(result.files), told


def _oddities(animation: Animation) -> list[str]:
    notes = []
    if len(animation.frames) == 1:
        notes.append("The file has a single frame and does not move.")
    if not animation.steady:
        times = ", ".join(f"{delay:.2f}" for delay in animation.delays)
        notes.append(f"The frames stay for different times, in seconds: {times}.")
    if animation.transparent:
        notes.append("What is transparent is shown white; original keeps it.")
    if animation.left_out:
        notes.append(f"{animation.left_out} frames at the end were left out to save memory.")
    return notes
