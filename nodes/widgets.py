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
    MessageField,
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


class OpenList(list[str]):
    """The names of a choice that takes others as well, and links from any text.

    ComfyUI looks for a value with `in` and compares the types of a link with `!=`
    (validate_inputs and validate_node_input). If VALIDATE_INPUTS named the input instead, every
    message of a node would appear once for each input that it names. `==` is that of any list.
    """

    def __contains__(self, value: object) -> bool:
        return isinstance(value, str) and bool(value.strip())

    def __ne__(self, other: object) -> bool:
        given = str(other).split(",") if isinstance(other, str) else ["COMBO"]
        return not {"COMBO", "STRING", "*"}.intersection(given)


def open_choice(names: list[str], default: str, help_text: str) -> Input:
    """A choice that shows `names` and takes any other, as the catalogs of the API do."""
    kind, options = choice(names, default, help_text)
    return (OpenList(kind), options)


def of(field: Field, names: Names) -> Input:
    """The V1 input that shows `field`."""
    kind, default = field.kind, field.default
    match kind:
        case ChoiceField():
            return open_choice(names(kind.catalog), default or kind.suggested, field.help)
        case TextField():
            # What is said to a language model may hold braces, as code and JSON do.
            dynamic = kind.multiline and not isinstance(kind, MessageField)
            more = {"dynamicPrompts": True} if dynamic else {}
            return text(field.help, default or "", multiline=kind.multiline, **more)
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
    "the service. The sandbox and servers that offer it draw with the seed; to others, as the API "
    "knows none, it is not sent.",
    default=0,
    low=0,
    high=2**53 - 1,  # JavaScript's largest exact integer; without it the front end stops at 2048
    control_after_generate=True,
)
