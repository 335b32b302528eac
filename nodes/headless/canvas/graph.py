"""The nouns of a runnable graph: a node, a link between two nodes, and why a file has none.

Knows nothing about file formats, node classes or how a graph is executed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

SAVE_AGAIN = "Open it in ComfyUI, repair it there and save it again."


class WorkflowProblem(Exception):
    """What is wrong with a workflow and what to do, without the file's name.

    Only workflow.py knows the name; it turns every Fault into a WorkflowError.
    """

    def __init__(self, message: str, advice: str = SAVE_AGAIN) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


@dataclass(frozen=True)
class Link:
    """The value of an input that another node feeds."""

    node: str
    slot: int


@dataclass
class Node:
    id: str
    class_type: str
    inputs: dict[str, Any]
    title: str


def listed(words: Iterable[str], room: int = 150) -> str:
    """`words` with commas, as many as fit into `room` characters, and how many were left out."""
    shown: list[str] = []
    rest = list(words)
    while rest and sum(len(word) + 2 for word in shown) + len(rest[0]) <= room:
        shown.append(rest.pop(0))
    if rest and not shown:
        shown = [rest.pop(0)[: room - 3] + "..."]
    more = f" and {len(rest)} more" if rest else ""
    return ", ".join(shown) + more


def refuse_cycle(nodes: Mapping[str, Node]) -> None:
    """A Fault that names the nodes when links lead back to where they came from.

    Iterative, because a chain of nodes may be longer than Python's recursion limit.
    """
    finished: set[str] = set()
    for start in nodes:
        path: dict[str, list[str]] = {}
        pending = [start]
        while pending:
            here = pending[-1]
            if here in finished:
                pending.pop()
                continue
            if here not in path:
                path[here] = _origins(nodes[here])
            if not path[here]:
                finished.add(pending.pop())
                del path[here]
                continue
            origin = path[here].pop()
            if origin in path:
                raise cycle_fault([*_from(list(path), origin), origin])
            pending.append(origin)


def cycle_fault(ids: list[str]) -> WorkflowProblem:
    return WorkflowProblem(
        f"nodes feed each other in a circle: {listed(ids)}.",
        "Remove one of these links in ComfyUI and save the workflow again.",
    )


def _origins(node: Node) -> list[str]:
    return [value.node for value in node.inputs.values() if isinstance(value, Link)]


def _from(path: list[str], start: str) -> list[str]:
    return path[path.index(start) :]
