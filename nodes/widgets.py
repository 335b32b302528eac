"""Fields as ComfyUI's V1 inputs. The only place that knows ComfyUI's names of types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..visioncraft_core.api.fields import (
    BooleanField,
    ChoiceField,
    Field,
    ImageField,
    IntegerField,
    NumberField,
    TextField,
    WeightsField,
)

LORAS, HISTORY, SERVER = "VISIONCRAFT_LORAS", "VISIONCRAFT_HISTORY", "VISIONCRAFT_SERVER"
FILE = "VISIONCRAFT_FILE"
# Connects to choices and to texts, on the canvas and in ComfyUI's own check.
NAME = "COMBO,STRING"

Input = tuple[Any, dict[str, Any]]
Names = Callable[[str], list[str]]  # the names of a catalog


def switch(help_text: str, *, default: bool) -> Input:
    return ("BOOLEAN", {"default": default, "tooltip": help_text})


def number(
    help_text: str, default: float, low: float, high: float, step: float = 1, **more: Any
) -> Input:
    """An INT if `step` is an int, else a FLOAT."""
    limits = {"default": default, "min": low, "max": high, "step": step}
    return ("INT" if isinstance(step, int) else "FLOAT", {**limits, "tooltip": help_text, **more})


def text(help_text: str, default: str = "", *, multiline: bool = False, **more: Any) -> Input:
    return ("STRING", {"default": default, "multiline": multiline, "tooltip": help_text, **more})


def socket(type_name: str, help_text: str) -> Input:
    return (type_name, {"forceInput": True, "tooltip": help_text})


def choice(names: list[str], default: str, help_text: str) -> Input:
    start = default if default in names else names[0]
    return (names, {"default": start, "tooltip": help_text})


def type_mismatch(declared: dict[str, dict[str, Input]], linked: dict[str, str]) -> str:
    """What is wrong with the types that are `linked` to inputs, "" if they all fit.

    A choice takes any text: names come from Catalog Loader and from other packs.
    """
    inputs = {**declared["required"], **declared.get("optional", {})}
    for name, received in linked.items():
        declared_type = inputs[name][0] if name in inputs else "*"
        expected = NAME if isinstance(declared_type, list) else declared_type
        given = {"COMBO"} if isinstance(received, list) else set(str(received).split(","))
        if expected != "*" and not given & {*expected.split(","), "*"}:
            return f"{name} takes {expected}, not {received}. Connect something else."
    return ""


def of(field: Field, names: Names) -> Input:
    """The V1 input that shows `field`."""
    kind, default = field.kind, field.default
    match kind:
        case ChoiceField():
            return choice(names(kind.catalog), default or kind.suggested, field.help)
        case TextField():
            return text(field.help, default or "", multiline=kind.multiline)
        case BooleanField():
            return switch(field.help, default=bool(default))
        case IntegerField() | NumberField():
            start = kind.low if default is None else default
            return number(field.help, start, kind.low, kind.high, kind.step)
        case ImageField():
            return ("IMAGE", {"tooltip": field.help})
        case WeightsField():
            return socket(LORAS, field.help)
    raise TypeError(f"{type(kind).__name__} has no widget")


SERVER_SOCKET = socket(
    SERVER,
    "The server to run on, from a VisionCraft Server node. If nothing is connected: your "
    "configured server, or the sandbox if no key is set.",
)

SEED = number(
    "Change the seed for a new result; the same seed returns the stored result without calling "
    "the service. The service takes no seed, so it is not sent.",
    default=0,
    low=0,
    high=2**53 - 1,  # JavaScript's largest exact integer; without it the front end stops at 2048
    control_after_generate=True,
)
