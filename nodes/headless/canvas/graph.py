"""The nouns of a runnable graph: a node, a link between two nodes, and why a file has none.

Knows nothing about file formats, node classes or how a graph is executed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from ....visioncraft_core.errors import clip

LONGEST_NAME = 40
SAVE_AGAIN = "Correct it, or open it in ComfyUI, repair it there and save it again."


class WorkflowProblem(Exception):
    """What is wrong with a workflow and what to do, without the file's name.

    Only workflow.py knows the name; it makes a WorkflowError of it.
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
    unknown: tuple[str, ...] = ()
    """Names of inputs in the file that the class does not declare."""

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"{clip(self.title or self.class_type, LONGEST_NAME)} (#{self.id})"


def listed(words: Iterable[str], room: int = 150, between: str = ", ") -> str:
    """`words`, as many as fit into `room` characters, and how many were left out."""
    shown: list[str] = []
    rest = list(words)
    while rest and sum(len(word) + 2 for word in shown) + len(rest[0]) <= room:
        shown.append(rest.pop(0))
    if rest and not shown:
        shown = [rest.pop(0)[: room - 3] + "..."]
    more = f" and {len(rest)} more" if rest else ""
    return between.join(shown) + more


def refuse_cycle(nodes: Mapping[str, Node]) -> None:
    """Raises WorkflowProblem where links lead back to the node that they came from."""
    try:
        _sorter(nodes).prepare()
    except CycleError as error:
        raise cycle_problem(error.args[1]) from None


def in_order(nodes: Mapping[str, Node]) -> Iterable[str]:
    """The ids of `nodes`, each after those that feed it."""
    return _sorter(nodes).static_order()


def _sorter(nodes: Mapping[str, Node]) -> TopologicalSorter[str]:
    return TopologicalSorter(
        {
            node.id: [value.node for value in node.inputs.values() if isinstance(value, Link)]
            for node in nodes.values()
        }
    )


def cycle_problem(ids: list[str]) -> WorkflowProblem:
    return WorkflowProblem(
        f"nodes feed each other in a circle: {listed(ids)}.",
        "Remove one of these links in ComfyUI and save the workflow again.",
    )
