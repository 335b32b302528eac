"""The node that collects LoRAs."""

from __future__ import annotations

import math
import re

import numpy as np

from ..visioncraft_core.api.catalogs import bundled
from ..visioncraft_core.errors import InvalidRequest, clip
from . import comfy, widgets
from .base import catalogs

CATALOG = "loras"
MOST_LORAS = 5  # the service's documentation of 2024-05 names this limit
LORA_HELP = "The LoRA to add. It must fit Stable Diffusion 1.x, as those in this list do."
WEIGHT_HELP = (
    "How strongly the LoRA counts. 1 is usual; try 0.5 if its style takes over. Weights below 0 "
    "push the picture the other way."
)

Weights = dict[str, float]

_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?"
_TAG = re.compile(rf"<\s*lora\s*:([^<>:]+):\s*({_NUMBER})\s*>", re.IGNORECASE)


class LoraStack:
    ID = "VisionCraftLoraStack"
    TITLE = "LoRA Stack"
    CATEGORY = "VisionCraft/Tools"
    DESCRIPTION = (
        "Adds a LoRA to a stack for SD Generate. Chain as many as you like; if a LoRA appears "
        "twice, the later weight counts."
    )
    SEARCH_ALIASES = ["lora", "lora loader", "lora stack", "visioncraft"]
    FUNCTION = "stack"
    RETURN_TYPES = (widgets.LORAS, "STRING")
    RETURN_NAMES = ("loras", "text")
    OUTPUT_TOOLTIPS = (
        "The stack so far, for SD Generate or the next LoRA Stack.",
        "The stack as <lora:name:weight> text.",
    )

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, widgets.Input]]:
        names = catalogs().names(CATALOG)
        return {
            "required": {
                "lora": widgets.open_choice(names, names[0], LORA_HELP),
                "weight": widgets.number(WEIGHT_HELP, 1.0, -10.0, 10.0, 0.05),
                "enabled": widgets.switch("Turn it off to leave this LoRA out.", default=True),
            },
            "optional": {
                "text": widgets.text(
                    "More LoRAs as <lora:name:weight>, one after another.", multiline=True
                ),
                "loras": widgets.socket(widgets.LORAS, "The stack to add to."),
            },
        }

    @classmethod
    def VALIDATE_INPUTS(cls, text=None):
        try:
            parse(text or "")
        except InvalidRequest as error:
            return str(error)
        return True

    def stack(
        self,
        lora: str,
        weight: float,
        enabled: bool,  # noqa: FBT001 - ComfyUI passes inputs by name
        text: str = "",
        loras: Weights | None = None,
    ) -> tuple[Weights, str]:
        stacked = {**(loras or {}), **parse(text)}
        if enabled:
            stacked.pop(lora, None)  # the later one counts, and stands last
            stacked[lora] = weight
        if hint := _hint(stacked):
            comfy.host().progress_callback()(hint)
        return stacked, written(stacked)


def parse(text: str) -> Weights:
    """The LoRAs in `<lora:name:weight>` text. Raises InvalidRequest for anything else in it."""
    found = {name.strip(): float(weight) for name, weight in _TAG.findall(text)}
    rest = _TAG.sub(" ", text).replace(",", " ").strip()
    if rest or "" in found or math.inf in map(abs, found.values()):
        raise InvalidRequest(
            f'The LoRA text "{clip(rest or text, 60)}" is not understood.',
            "Write <lora:name:weight>, for example <lora:more_details_v10:0.8>.",
            phase="check",
        )
    return found


def written(weights: Weights) -> str:
    """`weights` as text that `parse` reads."""
    # Without exponents, which few others read.
    plain = {name: np.format_float_positional(w, trim="-") for name, w in weights.items()}
    return " ".join(f"<lora:{name}:{weight}>" for name, weight in plain.items())


def _hint(stacked: Weights) -> str:
    if len(stacked) > MOST_LORAS:
        return f"{len(stacked)} LoRAs: at times, the service accepted at most {MOST_LORAS}."
    known = {*catalogs().names(CATALOG), *bundled()[CATALOG]}
    if unknown := [name for name in stacked if name not in known]:
        nearest = catalogs().nearest(CATALOG, unknown[0])
        similar = f" Similar names: {', '.join(nearest)}." if nearest else ""
        return (
            f"Not in the list of LoRAs, but sent anyway: {clip(', '.join(unknown), 80)}.{similar}"
        )
    return ""
