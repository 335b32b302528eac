"""What --json tells of a run."""

from __future__ import annotations

from typing import Any

from ..execution import Run
from ..folders import Saved
from .console import described


def shown(run: Run) -> dict[str, dict[str, list[Any]]]:
    """What the output nodes showed, by node id and ComfyUI's own keys; files with their paths."""
    return {
        node_id: {key: [_plain(entry) for entry in entries] for key, entries in found.items()}
        for node_id, found in run.shown.items()
    }


def failures(run: Run) -> list[dict[str, Any]]:
    return [described(error, node.id, node.class_type) for node, error in run.failures]


def _plain(entry: Any) -> Any:
    return {**entry.shown(), "path": str(entry.path)} if isinstance(entry, Saved) else entry
