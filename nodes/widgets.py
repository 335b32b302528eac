"""Kinds of field to ComfyUI's V1 inputs. The only place that knows ComfyUI's words for types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..visioncraft_core.api.fields import (
    BooleanField,
    ChoiceField,
    Field,
    FieldType,
    ImageField,
    IntegerField,
    MessageField,
    NumberField,
    TextField,
    WeightsField,
)

LORAS, HISTORY, SERVER = "VISIONCRAFT_LORAS", "VISIONCRAFT_HISTORY", "VISIONCRAFT_SERVER"
FILE = "VISIONCRAFT_FILE"
# Wires into choices and into texts, on the canvas and in ComfyUI's own check.
NAME = "COMBO,STRING"

Input = tuple[Any, dict[str, Any]]
Names = Callable[[str], list[str]]  # the names of a catalog

SERVER_SOCKET: Input = (
    SERVER,
    {
        "forceInput": True,
        "tooltip": "The server to run on, from a VisionCraft Server node. Unconnected: your "
        "configured server, or the sandbox where no key is set.",
    },
)

# JavaScript's largest exact whole number; without `max` the front end would stop at 2048.
SEED: Input = (
    "INT",
    {
        "default": 0,
        "min": 0,
        "max": 2**53 - 1,
        "control_after_generate": True,
        "tooltip": "Another number asks for another result; the same number gives the one you "
        "have, from your disk and without a call. The service takes no seed, so this is not sent.",
    },
)


LORA_WEIGHT: Input = (
    "FLOAT",
    {
        "default": 1.0,
        "min": -10.0,
        "max": 10.0,
        "step": 0.05,
        "tooltip": "How strongly it counts; 1 is usual, below 0 it works against.",
    },
)


def switch(help_text: str, *, default: bool) -> Input:
    return ("BOOLEAN", {"default": default, "tooltip": help_text})


def number(help_text: str, *, default: int, low: int, high: int) -> Input:
    """An INT that ComfyUI can change after each run."""
    limits = {"min": low, "max": high, "control_after_generate": True}
    return ("INT", {"default": default, **limits, "tooltip": help_text})


def text(help_text: str, default: str = "", *, multiline: bool = False) -> Input:
    return ("STRING", {"default": default, "multiline": multiline, "tooltip": help_text})


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
        wanted = inputs[name][0] if name in inputs else "*"
        if isinstance(wanted, list):
            wanted = NAME
        given = {"COMBO"} if isinstance(received, list) else set(str(received).split(","))
        if not given & {*str(wanted).split(","), "*"} and wanted != "*":
            return f"{name} takes {wanted}, not {received}. Connect something else."
    return ""


def of(field: Field, names: Names) -> Input:
    """The V1 input that shows `field`."""
    return _INPUTS[type(field.kind)](field, field.kind, names)


def _text(field: Field, kind: TextField, _names: Names) -> Input:
    return text(field.help, field.default or "", multiline=kind.multiline)


def _choice(field: Field, kind: ChoiceField, names: Names) -> Input:
    return choice(names(kind.catalog), field.default or kind.suggested, field.help)


def _integer(field: Field, kind: IntegerField, _names: Names) -> Input:
    start = kind.low if field.default is None else field.default
    limits = {"min": kind.low, "max": kind.high, "step": kind.step}
    return ("INT", {"default": start, **limits, "tooltip": field.help})


def _number(field: Field, kind: NumberField, _names: Names) -> Input:
    start = kind.low if field.default is None else field.default
    limits = {"min": kind.low, "max": kind.high, "step": kind.step}
    return ("FLOAT", {"default": start, **limits, "tooltip": field.help})


def _flag(field: Field, _kind: FieldType, _names: Names) -> Input:
    return switch(field.help, default=bool(field.default))


def _picture(field: Field, _kind: FieldType, _names: Names) -> Input:
    return ("IMAGE", {"tooltip": field.help})


def _weights(field: Field, _kind: FieldType, _names: Names) -> Input:
    return socket(LORAS, field.help)


_INPUTS: dict[type[FieldType], Callable[[Field, Any, Names], Input]] = {
    TextField: _text,
    MessageField: _text,
    ChoiceField: _choice,
    IntegerField: _integer,
    NumberField: _number,
    BooleanField: _flag,
    ImageField: _picture,
    WeightsField: _weights,
}
