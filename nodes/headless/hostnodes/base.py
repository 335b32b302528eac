"""What all host nodes have in common."""

from __future__ import annotations

from typing import Any

UI = dict[str, Any]

METADATA = {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"}


def metadata(prompt: UI | None = None, extra_pnginfo: UI | None = None) -> UI:
    """What ComfyUI writes into a file of how it was made, by name."""
    return {**({} if prompt is None else {"prompt": prompt}), **(extra_pnginfo or {})}


class HostNode:
    """A node class in ComfyUI's form, whose `run` takes its inputs by name."""

    FUNCTION = "run"
    RETURN_TYPES: tuple[str, ...] = ("IMAGE",)
    OUTPUT_NODE = False
    ONLY_TEXT = False
    """Whether its output follows from its texts and numbers at once, so that it is known before a
    run."""
    REQUIRED: UI = {}
    OPTIONAL: UI = {}
    HIDDEN: UI = {}

    @classmethod
    def INPUT_TYPES(cls) -> UI:
        return {"required": cls.REQUIRED, "optional": cls.OPTIONAL, "hidden": cls.HIDDEN}
