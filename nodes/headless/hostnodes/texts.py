"""Nodes for texts and numbers."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from typing import Any

from ....visioncraft_core.errors import WorkflowError
from .. import folders
from .base import UI, HostNode

LONGEST_TEXT = 10_000_000  # characters; that of a model has 1,000,000 at most
NUMBER = {"min": -sys.maxsize, "max": sys.maxsize}


class PreviewAny(HostNode):
    RETURN_TYPES = ("STRING",)
    OUTPUT_NODE = True
    REQUIRED = {"source": ("*", {})}

    def run(self, source: Any = None) -> UI:
        text = str(source)
        if not isinstance(source, str | int | float | None):
            with suppress(TypeError, ValueError):
                text = json.dumps(source)
        return {"ui": {"text": [text]}, "result": (text,)}


class _Primitive(HostNode):
    RETURN_TYPES = ("STRING",)
    ONLY_TEXT = True

    def run(self, value: Any) -> tuple[Any]:
        return (value,)


class PrimitiveString(_Primitive):
    REQUIRED = {"value": ("STRING", {"multiline": False})}


class PrimitiveStringMultiline(_Primitive):
    REQUIRED = {"value": ("STRING", {"multiline": True})}


class PrimitiveInt(_Primitive):
    RETURN_TYPES = ("INT",)
    REQUIRED = {"value": ("INT", {**NUMBER, "control_after_generate": True})}


class PrimitiveFloat(_Primitive):
    RETURN_TYPES = ("FLOAT",)
    REQUIRED = {"value": ("FLOAT", NUMBER)}


class StringConcatenate(HostNode):
    RETURN_TYPES = ("STRING",)
    ONLY_TEXT = True
    REQUIRED = {
        "string_a": ("STRING", {"multiline": True}),
        "string_b": ("STRING", {"multiline": True}),
        "delimiter": ("STRING", {"multiline": False, "default": ""}),
    }

    def run(self, string_a: str, string_b: str, delimiter: str) -> tuple[str]:
        """Raises WorkflowError for a text that is too long: forty of these nodes that double what
        they are given fill any memory."""
        length = len(string_a) + len(delimiter) + len(string_b)
        if length > LONGEST_TEXT:
            raise WorkflowError(
                f"A text of {length} characters is more than a run without ComfyUI joins.",
                f"Keep it below {LONGEST_TEXT}.",
            )
        return (delimiter.join((string_a, string_b)),)


class SaveText(HostNode):
    """ComfyUI has it since 0.28."""

    RETURN_TYPES = ("STRING",)
    OUTPUT_NODE = True
    REQUIRED = {
        "text": ("STRING", {"forceInput": True}),
        "filename_prefix": ("STRING", {"default": "ComfyUI"}),
        "format": (["txt", "csv", "md", "json"], {"default": "txt"}),
    }

    def run(self, text: str, filename_prefix: str, format: str) -> UI:
        content = text
        if format == "json":
            with suppress(ValueError, RecursionError):
                content = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
        # Its names have no "_" at the end; there ComfyUI always counts 1 and writes over it.
        saved = folders.current.get().save(
            [content.encode("utf-8", "replace")], filename_prefix, format, "output", (1, 1), tail=""
        )
        return {"ui": {"text": [text], "files": saved}, "result": (text,)}
