"""Nodes for texts and numbers."""

from __future__ import annotations

import json
import sys
from typing import Any

from .. import folders
from .pixels import UI


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


class SaveText:
    """ComfyUI has it since 0.28."""

    RETURN_TYPES = ("STRING",)
    FUNCTION = "save"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> UI:
        return {
            "required": {
                "text": ("STRING", {"forceInput": True}),
                "filename_prefix": ("STRING", {"default": "ComfyUI"}),
                "format": (["txt", "csv", "md", "json"], {"default": "txt"}),
            }
        }

    def save(self, text: str, filename_prefix: str, format: str) -> UI:
        content = _pretty(text) if format == "json" else text
        # Its names have no "_" at the end; there ComfyUI always counts 1 and writes over it.
        saved = folders.current.get().save(
            [content.encode()], filename_prefix, format, "output", (1, 1), tail=""
        )
        return {"ui": {"text": [text], "files": saved}, "result": (text,)}


def _pretty(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text
