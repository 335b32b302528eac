"""The node that saves a result byte for byte."""

from __future__ import annotations

from typing import Any

from ..visioncraft_core.generation.results import File
from ..visioncraft_core.media.animations import decode_animation
from . import comfy, widgets
from .video import playable


class SaveOriginal:
    """An output node: it runs whenever it is in the graph."""

    ID = "VisionCraftSaveOriginal"
    TITLE = "Save Original"
    CATEGORY = "VisionCraft/Tools"
    DESCRIPTION = (
        "Saves a file exactly as the server sent it, without decoding and encoding it again."
    )
    SEARCH_ALIASES = ["save gif", "save mp4", "download", "visioncraft"]
    FUNCTION = "save"
    OUTPUT_NODE = True
    RETURN_TYPES = ()
    RETURN_NAMES = ()
    OUTPUT_TOOLTIPS = ()

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, widgets.Input]]:
        help_text = "How the file name begins. It may contain folders and %year%-%month%-%day%."
        return {
            "required": {
                "original": widgets.socket(widgets.FILE, "A file from a VisionCraft node."),
                "filename_prefix": widgets.text(help_text, "VisionCraft/original"),
            }
        }

    def save(self, original: File, filename_prefix: str = "VisionCraft/original") -> dict[str, Any]:
        host = comfy.host()
        saved = host.save(original.content, filename_prefix, original.suffix)
        shown = (
            host.preview(playable(decode_animation(original.content)), "webp")
            if original.kind == "gif"
            else None
        )
        # The front end plays mp4 and animated webp, but shows a gif as a still.
        moves = original.kind in ("gif", "mp4")
        entries = {"images": [shown], "files": [saved]} if shown else {"images": [saved]}
        return {"ui": {**entries, "animated": (moves,)}}
