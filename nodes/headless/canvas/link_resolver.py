"""Links followed to where a value really comes from, and the runnable nodes that result.

Passes through reroutes, bypassed nodes and the borders of subgraphs, as ComfyUI's front end does
when it queues a workflow (ExecutableNodeDTO). Knows nothing about files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .canvas import (
    BYPASSED,
    INPUT_SIDE,
    MUTED,
    PRIMITIVE,
    REROUTE,
    VIRTUAL,
    Canvas,
    CanvasNode,
    Slot,
    SubgraphPort,
)
from .graph import Link, Node, WorkflowProblem, cycle_problem, listed
from .subgraphs import PlacedNode, Scope, flatten
from .widget_values import CONTROL_MODES, NO_VALUE, Input, NodeTypes, lost_values, widget_values

ANYTHING = "*"
GUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
ALIAS = "Node name for S&R"
CONTROL = "control_after_generate"
NEW_CONTROL = "randomize"  # what the front end gives a new one (addValueControlWidget)


@dataclass(frozen=True)
class InputRef:
    """An input of a node, waiting to be traced back. `wanted` is the type the final input has."""

    placed: PlacedNode
    slot: Slot
    wanted: str = ""


@dataclass(frozen=True)
class OutputRef:
    """An output of a node."""

    placed: PlacedNode
    slot: int
    wanted: str


# What arrives where an earlier trace came by: many inputs may hang on the same reroutes.
Traced = dict[InputRef | OutputRef, Any]


@dataclass(frozen=True)
class CanvasNodeState:
    """What a node shows on the canvas, whether it runs or not. No title: it has its type's."""

    id: str
    class_type: str
    title: str
    alias: str
    widgets: Mapping[str, Any]


def resolve_links(
    canvas: Canvas, types: NodeTypes
) -> tuple[dict[str, Node], list[CanvasNodeState], list[str]]:
    """The nodes that run, what all of them show, and what a user should know of the file."""
    everything = flatten(canvas, types)
    running = [placed for placed in everything if placed.runs and not _is_decoration(placed)]
    refuse_unknown([(placed.id, placed.node.type) for placed in running], types)
    notes: list[str] = []
    nodes: dict[str, Node] = {}
    traced: Traced = {}
    for placed in running:
        if placed.id in nodes:
            raise WorkflowProblem(f"two nodes have the id {placed.id}.")
        nodes[placed.id] = _node(placed, notes, traced)
    return nodes, [_state(placed) for placed in everything], notes


def _is_decoration(placed: PlacedNode) -> bool:
    """Whether it is a label or the like, of another pack: without ends it changes nothing."""
    node = placed.node
    return node.type not in placed.scope.types and not node.inputs and not node.outputs


def refuse_unknown(found: Sequence[tuple[str, str]], types: NodeTypes) -> None:
    unknown: dict[str, list[str]] = {}
    for node, class_type in found:
        if class_type not in types and GUID.fullmatch(class_type):
            raise WorkflowProblem(
                f"node {node} is a subgraph whose definition is not in the file.",
                "Open the file in the ComfyUI that saved it, and save it again.",
            )
        if class_type not in types:
            unknown.setdefault(class_type, []).append(node)
    if page := [name for name in unknown if name in VIRTUAL]:
        raise WorkflowProblem(
            f"only ComfyUI's page has these nodes: {listed(page)}.",
            "Leave notes out, and write what a Reroute or a PrimitiveNode stands for, a link or a "
            "value, into the input itself.",
        )
    if unknown:
        names = [f"{each[:40]} (node {listed(ids, 40)})" for each, ids in unknown.items()]
        raise WorkflowProblem(
            f"these nodes cannot run without ComfyUI: {listed(names, 110)}.",
            types.similar(next(iter(unknown)))
            or "Run it in ComfyUI, or replace them: here VisionCraft's nodes run and those of "
            "ComfyUI's own that web/docs/run.md lists.",
        )


def _node(placed: PlacedNode, notes: list[str], traced: Traced) -> Node:
    values = placed.widgets
    slots = {slot.name: slot for slot in placed.slots}
    lost = lost_values(placed.inputs, placed.node.widgets_values)
    placed.scope.types.refuse_further(placed.node.type, placed.id, placed.node.widgets_values)
    inputs: dict[str, Any] = {}
    for name, declared in placed.inputs.items():
        fed = _trace(InputRef(placed, slots[name]), traced)
        if fed is not NO_VALUE:
            inputs[name] = fed
        elif name in values:
            # Nothing arrives, for example because the origin is muted: the widget counts again
            # (front end 1.58; 1.27 left the input out and ComfyUI refused the prompt).
            inputs[name] = values[name]
            if name in lost and values[name] == declared.default:
                notes.append(
                    f"An earlier version of VisionCraft damaged this file: {name} of node "
                    f"{placed.id} is lost and has its default value, {declared.default!r}."
                )
    return Node(placed.id, placed.node.type, inputs, placed.node.title)


def _state(placed: PlacedNode) -> CanvasNodeState:
    node = placed.node
    title = node.title or (placed.child.canvas.name if placed.child else "")
    # The front end adds the property to every new node, with the type in it.
    alias = node.properties.get(ALIAS, node.type)
    widgets = placed.widgets | _control(placed.inputs, node)
    return CanvasNodeState(
        placed.id, node.type, title, alias if isinstance(alias, str) else "", widgets
    )


def _trace(ref: InputRef, traced: Traced) -> Any:
    """The Link or the value that arrives at an input; NO_VALUE where nothing does."""
    step: Any = ref
    seen: dict[InputRef | OutputRef, None] = {}  # in this order
    while isinstance(step, InputRef | OutputRef) and step not in traced:
        if step in seen:
            ids = list(dict.fromkeys(each.placed.id for each in seen))
            node = step.placed.id
            raise cycle_problem([*ids[ids.index(node) :], node])
        if step.placed.node.type == PRIMITIVE and len(seen) > 1:
            # It writes into the widgets it is linked to itself, not through a reroute and not
            # across the border of a subgraph: an instance shows its value, but the node inside
            # keeps its own (PrimitiveNode.applyToGraph; seen in front ends 1.49 and 1.58).
            step = NO_VALUE
            break
        seen[step] = None
        step = _back(step) if isinstance(step, InputRef) else _inside(step)
    found = traced[step] if isinstance(step, InputRef | OutputRef) else step
    # Without the ends: a primitive gives something else to what is linked to itself.
    traced |= {each: found for each in list(seen)[1:] if each.placed.node.type != PRIMITIVE}
    return found


def _back(ref: InputRef) -> Any:
    """From an input along its link to the output where it starts."""
    if ref.slot.link is None:
        return NO_VALUE
    return _start(ref.placed.scope, ref.slot.link, ref.placed, ref.wanted or ref.slot.type)


def _start(scope: Scope, name: str, owner: PlacedNode, wanted: str) -> Any:
    """The output where the link `name` starts, or what comes into the subgraph from outside."""
    link, host = scope.canvas.links.get(name), scope.host
    if link is None:
        raise WorkflowProblem(f"node {owner.id} has a link that is missing.")
    if link.origin == INPUT_SIDE and host:
        port = _port(scope.canvas.inputs, link.origin_slot, host)
        slot = host.slots[link.origin_slot]
        return InputRef(host, slot) if slot.link else scope.host_values.get(port.name, NO_VALUE)
    origin = scope.nodes.get(link.origin)
    if origin is None:
        raise WorkflowProblem(
            f"node {scope.prefix}{link.target} is linked to node {scope.prefix}{link.origin}, "
            "which does not exist."
        )
    return OutputRef(origin, link.origin_slot, wanted)


def _inside(ref: OutputRef) -> Any:
    """From an output to what stands behind it."""
    placed, node = ref.placed, ref.placed.node
    if node.type == REROUTE:
        # Front end 1.27 passes through a muted reroute too; 1.58 cuts there.
        return InputRef(placed, placed.slots[0], ref.wanted) if placed.slots else NO_VALUE
    if node.type == PRIMITIVE:
        return placed.widgets.get("value", NO_VALUE)
    if node.mode == MUTED or node.type in VIRTUAL:
        return NO_VALUE
    if node.mode == BYPASSED:
        # In at the input that fits the output (#getBypassSlotIndex).
        index = _bypass(placed.slots, ref.slot, _output_type(ref), ref.wanted)
        return NO_VALUE if index is None else InputRef(placed, placed.slots[index])
    if placed.child:
        links = _port(placed.child.canvas.outputs, ref.slot, placed).links
        return _start(placed.child, links[0], placed, ref.wanted) if links else NO_VALUE
    _output_type(ref)
    return Link(placed.id, ref.slot)


def _output_type(ref: OutputRef) -> str:
    placed, types = ref.placed, ref.placed.scope.types
    outputs: Sequence[str] = placed.node.outputs
    if placed.child:
        outputs = [port.type for port in placed.child.canvas.outputs]
    elif placed.node.type in types:
        outputs = types.outputs(placed.node.type)
    if ref.slot >= len(outputs):
        raise WorkflowProblem(
            f"a link starts at output {ref.slot} of node {placed.id}, which has {len(outputs)}."
        )
    return outputs[ref.slot]


def _control(inputs: Mapping[str, Input], node: CanvasNode) -> dict[str, str]:
    """The widget that the front end puts after a seed, read as if it were declared."""
    shown: dict[str, Input] = {}
    for name, each in inputs.items():
        shown[name] = each
        if CONTROL not in shown and any(it.accepted == CONTROL_MODES for it in each.companions()):
            shown[name] = replace(each, options={**each.options, CONTROL: False})
            shown[CONTROL] = Input(CONTROL, "COMBO")
    if CONTROL not in shown:
        return {}
    mode = widget_values(shown, node.widgets_values, node.widgets_values_named)[CONTROL]
    return {CONTROL: mode if mode in CONTROL_MODES else NEW_CONTROL}


def _bypass(slots: Sequence[Slot], output: int, given: str, wanted: str) -> int | None:
    if wanted == ANYTHING:
        return output if output < len(slots) else 0 if slots else None
    fits = [_connects(slot.type, given) and _connects(slot.type, wanted) for slot in slots]
    if output < len(slots) and fits[output]:
        return output
    exact = [index for index, slot in enumerate(slots) if slot.type == wanted]
    return next(iter(exact), fits.index(True) if True in fits else None)


def _connects(one: str, other: str) -> bool:
    """LiteGraph.isValidConnection: `*` fits all, a comma separates alternatives."""
    if ANYTHING in (one, other):
        return True
    return bool(set(one.lower().split(",")) & set(other.lower().split(",")))


def _port(ports: Sequence[SubgraphPort], slot: int, owner: PlacedNode) -> SubgraphPort:
    if slot >= len(ports):
        raise WorkflowProblem(
            f"a link uses slot {slot} of subgraph node {owner.id}, which does not exist."
        )
    return ports[slot]
