"""The canvas form of a workflow, as JSON, turned into checked records.

Accepts version 0.4 (links as arrays) and version 1 (links as objects), and subgraph definitions.
Knows how the file is written, not what it means: link_resolver.py decides which links matter.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .graph import WorkflowProblem

MUTED = 2
BYPASSED = 4

# Where links start that enter a subgraph (litegraph constants.ts).
INPUT_SIDE = "-10"

NOTES = frozenset({"Note", "MarkdownNote"})
REROUTE = "Reroute"
PRIMITIVE = "PrimitiveNode"
VIRTUAL = NOTES | {REROUTE, PRIMITIVE}


@dataclass(frozen=True)
class Slot:
    """An input on the left side of a node, to which a link may lead."""

    name: str
    type: str
    link: str | None
    is_widget: bool


@dataclass(frozen=True)
class CanvasLink:
    origin: str
    origin_slot: int
    target: str


@dataclass(frozen=True)
class SubgraphPort:
    """An input or output of a subgraph definition, with its links inside the subgraph."""

    name: str
    type: str
    links: tuple[str, ...]


@dataclass(frozen=True)
class CanvasNode:
    id: str
    type: str
    mode: object
    title: str
    inputs: tuple[Slot, ...]
    outputs: tuple[str, ...]
    widgets_values: object
    widgets_values_named: object
    properties: dict[str, Any]


@dataclass(frozen=True)
class Canvas:
    """One drawing surface: the workflow itself, or the inside of a subgraph."""

    nodes: dict[str, CanvasNode]
    links: dict[str, CanvasLink]
    inputs: tuple[SubgraphPort, ...] = ()
    outputs: tuple[SubgraphPort, ...] = ()
    subgraphs: dict[str, Canvas] = field(default_factory=dict)
    name: str = ""


def is_canvas(content: object) -> bool:
    return (
        isinstance(content, dict)
        and isinstance(content.get("nodes"), list)
        and isinstance(content.get("links"), list)
    )


def read_canvas(content: dict[str, Any]) -> Canvas:
    subgraphs: dict[str, Canvas] = {}
    pending = list(_definitions(content))
    while pending:
        definition = pending.pop(0)
        # Front end 1.58 lifts definitions inside definitions too (flattenSubgraphDefinitions).
        pending += _definitions(definition)
        name = key(definition.get("id"), "a subgraph")
        if name in subgraphs:
            raise WorkflowProblem(f"two subgraphs have the id {name}.")
        subgraphs[name] = _surface(definition, {})
    return _surface(content, subgraphs)


def key(value: object, owner: str) -> str:
    """An id as text: ComfyUI uses 5 and "5" for the same thing."""
    if isinstance(value, str) and value:
        return value
    if isinstance(value, float) and value.is_integer():  # some tools write every number so
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**15:
        return str(value)
    raise WorkflowProblem(f"{owner} has no usable id.")


def _definitions(content: dict[str, Any]) -> list[dict[str, Any]]:
    definitions = content.get("definitions")
    subgraphs = definitions.get("subgraphs") if isinstance(definitions, dict) else None
    return _members(subgraphs, "the list of subgraphs")


def _surface(content: dict[str, Any], subgraphs: dict[str, Canvas]) -> Canvas:
    nodes: dict[str, CanvasNode] = {}
    for member in _members(content.get("nodes"), "the list of nodes"):
        node = _node(member)
        if node.id in nodes:
            raise WorkflowProblem(f"two nodes have the id {node.id}.")
        nodes[node.id] = node
    name = content.get("name")
    return Canvas(
        nodes,
        _links(content.get("links")),
        tuple(_port(each) for each in _members(content.get("inputs"), "a subgraph's inputs")),
        tuple(_port(each) for each in _members(content.get("outputs"), "a subgraph's outputs")),
        subgraphs,
        name if isinstance(name, str) else "",
    )


def _node(member: dict[str, Any]) -> CanvasNode:
    name = key(member.get("id"), "a node")
    class_type = member.get("type")
    if not isinstance(class_type, str) or not class_type:
        raise WorkflowProblem(f"node {name} has no type.")
    title = member.get("title")
    properties = member.get("properties")
    owner = f"node {name}"
    return CanvasNode(
        id=name,
        type=class_type,
        mode=member.get("mode"),
        title=title if isinstance(title, str) else "",
        inputs=tuple(_slot(each, owner) for each in _members(member.get("inputs"), owner)),
        outputs=tuple(_type(each) for each in _members(member.get("outputs"), owner)),
        widgets_values=member.get("widgets_values"),
        widgets_values_named=member.get("widgets_values_named"),
        properties=properties if isinstance(properties, dict) else {},
    )


def _slot(member: dict[str, Any], owner: str) -> Slot:
    name = member.get("name", "")
    if not isinstance(name, str):
        raise WorkflowProblem(f"{owner} has an input without a name.")
    link = member.get("link")
    arriving = None if link is None else key(link, f"a link of {owner}")
    return Slot(name, _type(member), arriving, bool(member.get("widget")))


def _port(member: dict[str, Any]) -> SubgraphPort:
    name = member.get("name")
    if not isinstance(name, str):
        raise WorkflowProblem("a subgraph has an input or output without a name.")
    links = member.get("linkIds")
    links = links if isinstance(links, list) else []
    return SubgraphPort(
        name, _type(member), tuple(key(link, "a link of a subgraph") for link in links)
    )


def _type(member: dict[str, Any]) -> str:
    kind = member.get("type")
    if isinstance(kind, list):
        return "COMBO"
    return kind if isinstance(kind, str) and kind else "*"


def _links(links: object) -> dict[str, CanvasLink]:
    if not isinstance(links, list):
        raise WorkflowProblem("a list of links is missing.")
    found: dict[str, CanvasLink] = {}
    for link in links:
        # Early litegraph left null where a link had been removed.
        if link is None:
            continue
        name, read = _link(link)
        if found.setdefault(name, read) != read:
            raise WorkflowProblem(f"two different links have the id {name}.")
    return found


def _link(link: object) -> tuple[str, CanvasLink]:
    # The number of the target slot is unreliable in files (compressWidgetInputSlots renumbers
    # it); the input's own `link` member decides.
    if isinstance(link, dict):
        parts = [link.get(each) for each in ("id", "origin_id", "origin_slot", "target_id")]
    elif isinstance(link, list) and len(link) >= 4:
        parts = link[:4]
    else:
        raise WorkflowProblem("a link is neither an array nor an object.")
    name = key(parts[0], "a link")
    owner = f"an end of link {name}"
    slot = parts[2]
    if isinstance(slot, float) and slot.is_integer():  # some tools write every number so
        slot = int(slot)
    if not isinstance(slot, int) or isinstance(slot, bool) or not 0 <= slot < 10**6:
        raise WorkflowProblem(f"link {name} starts at a slot that does not exist.")
    return name, CanvasLink(key(parts[1], owner), slot, key(parts[3], owner))


def _members(value: object, owner: str) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise WorkflowProblem(f"{owner} is damaged: a list of objects was expected.")
    return value
