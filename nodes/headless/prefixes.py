"""Filename prefixes: the parts that ComfyUI's front end fills in when a workflow is queued,
`%date:yyyy-MM-dd%` and `%Node title.widget%`, and whether results can be saved under them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any

from ...visioncraft_core.errors import WorkflowError, clip
from .. import NODE_DISPLAY_NAME_MAPPINGS
from .canvas.workflow import CanvasNodeState, Link, Node, Workflow
from .folders import Folders

PREFIX = "filename_prefix"
LONGEST_SHOWN = 60

# What a node is called whose title nobody changed; a file does not say it. Where two are given,
# ComfyUI 0.3.64 had the first and 0.33 has the second. Any other has the words of its type.
TITLES: dict[str, tuple[str, ...]] = {
    **{class_type: (title,) for class_type, title in NODE_DISPLAY_NAME_MAPPINGS.items()},
    "PrimitiveNode": ("Primitive",),
    "LoadImageMask": ("Load Image (as Mask)",),
    "PreviewAny": ("Preview Any", "Preview as Text"),
    "PrimitiveString": ("String", "Text"),
    "PrimitiveStringMultiline": ("String (Multiline)", "Text (Multiline)"),
    "PrimitiveInt": ("Int",),
    "PrimitiveFloat": ("Float",),
    "StringConcatenate": ("Concatenate", "Concatenate Text"),
    "ImageScale": ("Upscale Image",),
    "ImageBatch": ("Batch Images", "Batch Images (DEPRECATED)"),
    "ImageFromBatch": ("Get Image from Batch",),
    "ImageStitch": ("Image Stitch", "Stitch Images"),
    "ImageGrid": ("Make Image Grid",),
    "ImageInvert": ("Invert Image", "Invert Image Colors"),
    "MaskToImage": ("Convert Mask to Image",),
}

_FORBIDDEN = re.compile(r'[/?<>\\:*|"\x00-\x1f\x7f]')
_DATE_PART = re.compile("yyyy|yy|dd?|MM?|hh?|mm?|ss?")


def fill(workflow: Workflow, now: datetime | None = None) -> None:
    """Fills every filename prefix of `workflow`; what means nothing stays as it is.

    The front end does so only for ComfyUI's own save nodes; here VisionCraftSaveOriginal and all
    others with a prefix get the same.
    """
    now = now or datetime.now()
    states = _states(workflow)
    for node in workflow.nodes.values():
        prefix = node.inputs.get(PREFIX)
        if isinstance(prefix, str):
            node.inputs[PREFIX] = _filled(prefix, states, now)


def refuse_unusable(
    workflow: Workflow, needed: Iterable[str], folders: Folders, texts: Mapping[Link, str]
) -> None:
    """Raises WorkflowError for a prefix under which a result, once paid, could not be saved.

    `texts` are those that are known before the run and arrive by a link.
    """
    problem_of = cache(folders.prefix_problem)
    for node in (workflow.nodes[node_id] for node_id in needed):
        prefix = node.inputs.get(PREFIX)
        if isinstance(prefix, Link):
            prefix = texts.get(prefix)
        if isinstance(prefix, str) and (problem := problem_of(prefix)):
            raise WorkflowError(
                f'{node.label}: {PREFIX} "{clip(prefix, LONGEST_SHOWN)}" {problem}.',
                "Nothing was run; use a plain name, with folders in front at most.",
            )


def _states(workflow: Workflow) -> list[CanvasNodeState]:
    """What is named in prefixes. In the API form a linked input has lost its widget's value."""
    nodes = workflow.nodes
    if not workflow.states:
        return [
            CanvasNodeState(node.id, node.class_type, node.title, node.class_type, node.inputs)
            for node in nodes.values()
        ]
    return [
        replace(state, widgets={**state.widgets, **_constants(nodes.get(state.id))})
        for state in workflow.states
    ]


def _constants(node: Node | None) -> dict[str, Any]:
    # --set, a primitive and a subgraph's input put a value into the widget. A link does not.
    given = node.inputs.items() if node else ()
    return {n: value for n, value in given if value is not None and not isinstance(value, Link)}


def _filled(prefix: str, states: Sequence[CanvasNodeState], now: datetime) -> str:
    def value(match: re.Match[str]) -> str:
        words = match[1]
        if words.startswith("date:"):
            return _date(words.removeprefix("date:"), now)
        title, _, widget = words.partition(".")
        for state in _called(title, states):
            if widget in state.widgets:
                found = state.widgets[widget]
                return match[0] if isinstance(found, Link) else _FORBIDDEN.sub("_", _spelled(found))
        return match[0]

    return re.sub("%([^%]+)%", value, prefix)


def _called(name: str, states: Sequence[CanvasNodeState]) -> list[CanvasNodeState]:
    """ComfyUI takes the first of these or nothing (applyTextReplacements)."""
    aliased = [state for state in states if state.alias == name]
    return aliased + [state for state in states if name in _titles(state)]


def _titles(state: CanvasNodeState) -> tuple[str, ...]:
    words = re.sub("(?<=[a-z])(?=[A-Z])", " ", state.class_type)
    return (state.title,) if state.title else TITLES.get(state.class_type, (words,))


def _spelled(value: Any) -> str:
    """As JavaScript turns a value into text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list):
        return ",".join(_spelled(each) for each in value)
    return str(value)


def _date(form: str, now: datetime) -> str:
    parts = {"d": now.day, "M": now.month, "h": now.hour, "m": now.minute, "s": now.second}

    def part(match: re.Match[str]) -> str:
        letters = match[0]
        if letters[0] == "y":
            return f"{now.year:04}"[-len(letters) :]
        return str(parts[letters[0]]).zfill(len(letters))

    return _DATE_PART.sub(part, form)
