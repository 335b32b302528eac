"""Filename prefixes: the parts that ComfyUI's front end fills in when a workflow is queued,
`%date:yyyy-MM-dd%` and `%Node title.widget%`, and whether results can be saved under them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

from ...visioncraft_core.errors import WorkflowError, clip
from .folders import Folders
from .workflow import Link, Node, Workflow

PREFIX = "filename_prefix"
LONGEST_SHOWN = 60

_FORBIDDEN = re.compile(r'[/?<>\\:*|"\x00-\x1f\x7f]')
_DATE_PART = re.compile("yyyy|yy|dd?|MM?|hh?|mm?|ss?")


def fill(workflow: Workflow, now: datetime | None = None) -> None:
    """Fills every filename prefix of `workflow`; what means nothing stays as it is."""
    now = now or datetime.now()
    for node in workflow.nodes.values():
        prefix = node.inputs.get(PREFIX)
        if isinstance(prefix, str):
            node.inputs[PREFIX] = _filled(prefix, workflow.nodes.values(), now)


def refuse_unusable(workflow: Workflow, needed: Iterable[str], places: Folders) -> None:
    """Raises WorkflowError for a prefix under which a result, once paid, could not be saved."""
    for node in (workflow.nodes[node_id] for node_id in needed):
        prefix = node.inputs.get(PREFIX)
        if isinstance(prefix, str) and (problem := places.refusal(prefix)):
            raise WorkflowError(
                f"{node.title or node.class_type} (#{node.id}): "
                f'{PREFIX} "{clip(prefix, LONGEST_SHOWN)}" {problem}.',
                "Nothing was run; use a plain name, with folders in front at most.",
            )


def _filled(prefix: str, nodes: Iterable[Node], now: datetime) -> str:
    def value(match: re.Match[str]) -> str:
        words = match[1]
        if words.startswith("date:"):
            return _date(words.removeprefix("date:"), now)
        title, _, widget = words.partition(".")
        for node in nodes:
            found = node.inputs.get(widget)
            if title in (node.title, node.class_type) and found is not None:
                return match[0] if isinstance(found, Link) else _FORBIDDEN.sub("_", str(found))
        return match[0]

    return re.sub("%([^%]+)%", value, prefix)


def _date(form: str, now: datetime) -> str:
    parts = {"d": now.day, "M": now.month, "h": now.hour, "m": now.minute, "s": now.second}

    def part(match: re.Match[str]) -> str:
        letters = match[0]
        if letters[0] == "y":
            return f"{now.year:04}"[-len(letters) :]
        return str(parts[letters[0]]).zfill(len(letters))

    return _DATE_PART.sub(part, form)
