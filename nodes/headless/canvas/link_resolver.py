"""Links followed to where a value really comes from, and the runnable nodes that result.

Passes through reroutes, bypassed nodes and the borders of subgraphs, as ComfyUI's front end does
when it queues a workflow (ExecutableNodeDTO). Knows nothing about files.
"""

from __future__ import annotations

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
    CanvasLink,
    CanvasNode,
    Slot,
    SubgraphPort,
)
from .graph import Link, Node, WorkflowProblem, cycle_problem, listed
from .input_specs import CONTROL_MODES, NO_VALUE, Input, NodeTypes, lost_values, widget_values
from .subgraphs import PlacedNode, PromotedWidgets, Scope, flatten

ANYTHING = "*"
ALIAS = "Node name for S&R"
CONTROL = "control_after_generate"
NEW_CONTROL = "randomize"  # what the front end gives a new one (addValueControlWidget)


@dataclass(frozen=True)
class InputRef:
    """An input of a node, waiting to be traced back. `wanted` is the type the final input has."""

    scope: Scope
    node: CanvasNode
    slot: Slot
    wanted: str = ""


@dataclass(frozen=True)
class OutputRef:
    """An output of a node."""

    scope: Scope
    node: CanvasNode
    slot: int
    wanted: str


@dataclass(frozen=True)
class Constant:
    """A value that comes from a widget elsewhere; NO_VALUE when nothing arrives."""

    value: Any = NO_VALUE


@dataclass(frozen=True)
class CanvasNodeState:
    """What a node shows on the canvas, whether it runs or not. No title: it has its type's."""

    id: str
    class_type: str
    title: str
    alias: str
    widgets: Mapping[str, Any]


Step = InputRef | OutputRef | Link | Constant
NOTHING = Constant()


def resolve_links(
    canvas: Canvas, types: NodeTypes
) -> tuple[dict[str, Node], list[CanvasNodeState], list[str]]:
    """The nodes that run, what all of them show, and what a user should know of the file."""
    everything = flatten(canvas)
    running = [placed for placed in everything if placed.runs]
    refuse_unknown([(placed.id, placed.node.type) for placed in running], types)
    resolver = LinkResolver(types)
    nodes: dict[str, Node] = {}
    for placed in running:
        if placed.id in nodes:
            raise WorkflowProblem(f"two nodes have the id {placed.id}.")
        nodes[placed.id] = resolver.node(placed)
    return nodes, [resolver.state(placed) for placed in everything], resolver.notes


def refuse_unknown(found: Sequence[tuple[str, str]], types: NodeTypes) -> None:
    unknown: dict[str, list[str]] = {}
    for node, class_type in found:
        if class_type not in types:
            unknown.setdefault(class_type, []).append(node)
    if unknown:
        names = [f"{each[:40]} (node {listed(ids, 40)})" for each, ids in unknown.items()]
        raise WorkflowProblem(
            f"these nodes cannot run without ComfyUI: {listed(names, 110)}.",
            "Run it in ComfyUI, or replace them: here only VisionCraft's nodes and a few of "
            "ComfyUI's own run.",
        )


class LinkResolver:
    def __init__(self, types: NodeTypes) -> None:
        self._types = types
        self._promoted = PromotedWidgets(types)
        self.notes: list[str] = []

    def node(self, placed: PlacedNode) -> Node:
        values = self._promoted.own_values(placed.scope, placed.node)
        slots = {slot.name: slot for slot in self._promoted.slots(placed.scope, placed.node)}
        inputs: dict[str, Any] = {}
        lost = lost_values(self._types.inputs(placed.node.type), placed.node.saved)
        for name, declared in self._types.inputs(placed.node.type).items():
            fed = self._trace(InputRef(placed.scope, placed.node, slots[name]))
            if isinstance(fed, Link):
                inputs[name] = fed
            elif fed.value is not NO_VALUE:
                inputs[name] = fed.value
            elif name in values:
                # Nothing arrives, for example because the origin is muted: the widget counts
                # again (front end 1.58; 1.27 left the input out and ComfyUI refused the prompt).
                inputs[name] = values[name]
                if name in lost and values[name] == declared.default:
                    self.notes.append(
                        f"An earlier version of VisionCraft damaged this file: {name} of node "
                        f"{placed.id} is lost and has its default value, {declared.default!r}."
                    )
        return Node(placed.id, placed.node.type, inputs, placed.node.title)

    def state(self, placed: PlacedNode) -> CanvasNodeState:
        node, child = placed.node, placed.scope.children.get(placed.node.id)
        title = node.title or (child.canvas.name if child else "")
        # The front end adds the property to every new node, with the type in it.
        alias = node.properties.get(ALIAS, node.type)
        widgets = self._widgets(placed.scope, node)
        return CanvasNodeState(
            placed.id, node.type, title, alias if isinstance(alias, str) else "", widgets
        )

    def _widgets(self, scope: Scope, node: CanvasNode) -> dict[str, Any]:
        child = scope.children.get(node.id)
        if child is not None:
            ports = child.canvas.inputs
            given = {port.name: self._promoted.of_input(child, port) for port in ports}
        elif node.type == PRIMITIVE:
            given = {"value": self._promoted.primitive(scope, node)}
        elif node.type in self._types:
            given = self._promoted.own_values(scope, node)
            given |= _control(self._types.inputs(node.type), node)
        else:
            return {}
        return {name: value for name, value in given.items() if value is not NO_VALUE}

    def _trace(self, ref: InputRef) -> Link | Constant:
        step: Step = ref
        seen: dict[tuple[str, Slot | int], str] = {}
        while not isinstance(step, Link | Constant):
            full_id = step.scope.full_id(step.node)
            mark = (full_id, step.slot)
            if mark in seen:
                ids = list(dict.fromkeys(seen.values()))
                raise cycle_problem([*ids[ids.index(full_id) :], full_id])
            if step.node.type == PRIMITIVE and any(isinstance(slot, int) for _, slot in seen):
                # It writes into the widgets it is linked to itself, not through a reroute or
                # out of a subgraph (PrimitiveNode.applyToGraph).
                return NOTHING
            seen[mark] = full_id
            step = self._back(step) if isinstance(step, InputRef) else self._inside(step)
        return step

    def _back(self, ref: InputRef) -> Step:
        """From an input along its link to the output where it starts."""
        if ref.slot.link is None:
            return NOTHING
        wanted = ref.wanted or ref.slot.type
        link = ref.scope.canvas.links.get(ref.slot.link)
        if link is None:
            raise WorkflowProblem(f"node {ref.scope.full_id(ref.node)} has a link that is missing.")
        return self._start(ref.scope, link, wanted)

    def _start(self, scope: Scope, link: CanvasLink, wanted: str) -> Step:
        if link.origin == INPUT_SIDE and scope.host is not None and scope.parent is not None:
            return self._outside(scope, scope.host, scope.parent, link)
        origin = scope.canvas.nodes.get(link.origin)
        if origin is None:
            raise WorkflowProblem(
                f"node {scope.prefix}{link.target} is linked to node {scope.prefix}{link.origin}, "
                "which does not exist."
            )
        return OutputRef(scope, origin, link.origin_slot, wanted)

    def _outside(self, scope: Scope, host: CanvasNode, parent: Scope, link: CanvasLink) -> Step:
        """Out of a subgraph: what the instance's own input gets."""
        port = _port(scope.canvas.inputs, link.origin_slot, f"subgraph node {scope.prefix[:-1]}")
        slot = self._promoted.slots(parent, host)[link.origin_slot]
        if slot.link is None:
            return Constant(self._promoted.of_input(scope, port))
        return InputRef(parent, host, slot)

    def _inside(self, ref: OutputRef) -> Step:
        """From an output to what stands behind it."""
        scope, node = ref.scope, ref.node
        if node.type == REROUTE:
            # Front end 1.27 passes through a muted reroute too; 1.58 cuts there.
            slots = self._promoted.slots(scope, node)
            return InputRef(scope, node, slots[0], ref.wanted) if slots else NOTHING
        if node.type == PRIMITIVE:
            return Constant(self._promoted.primitive(scope, node))
        if node.mode == MUTED or node.type in VIRTUAL:
            return NOTHING
        if node.mode == BYPASSED:
            return self._around(ref)
        child = scope.children.get(node.id)
        if child is not None:
            return self._into(child, ref)
        self._output_type(ref)
        return Link(scope.full_id(node), ref.slot)

    def _into(self, child: Scope, ref: OutputRef) -> Step:
        owner = f"subgraph node {child.prefix[:-1]}"
        port = _port(child.canvas.outputs, ref.slot, owner)
        if not port.links:
            return NOTHING
        link = child.canvas.links.get(port.links[0])
        if link is None:
            raise WorkflowProblem(f"{owner} has a link inside that is missing.")
        return self._start(child, link, ref.wanted)

    def _around(self, ref: OutputRef) -> Step:
        """Past a bypassed node: in at the input that fits the output (#getBypassSlotIndex)."""
        slots = self._promoted.slots(ref.scope, ref.node)
        given = self._output_type(ref)
        index = _bypass(slots, ref.slot, given, ref.wanted)
        if index is None:
            return NOTHING
        return InputRef(ref.scope, ref.node, slots[index])

    def _output_type(self, ref: OutputRef) -> str:
        node, scope = ref.node, ref.scope
        child = scope.children.get(node.id)
        if child is not None:
            outputs: Sequence[str] = [port.type for port in child.canvas.outputs]
        elif node.type in self._types:
            outputs = self._types.outputs(node.type)
        else:
            outputs = node.outputs
        if ref.slot >= len(outputs):
            raise WorkflowProblem(
                f"a link starts at output {ref.slot} of node "
                f"{scope.full_id(node)}, which has {len(outputs)}."
            )
        return outputs[ref.slot]


def _control(inputs: Mapping[str, Input], node: CanvasNode) -> dict[str, str]:
    """The widget that the front end puts after a seed, read as if it were declared."""
    shown: dict[str, Input] = {}
    for name, each in inputs.items():
        shown[name] = each
        if CONTROL not in shown and any(it.usual == CONTROL_MODES for it in each.followers()):
            shown[name] = replace(each, options={**each.options, CONTROL: False})
            shown[CONTROL] = Input(CONTROL, "COMBO", each.optional)
    if CONTROL not in shown:
        return {}
    mode = widget_values(shown, node.saved, node.named)[CONTROL]
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


def _port(ports: Sequence[SubgraphPort], slot: int, owner: str) -> SubgraphPort:
    if slot >= len(ports):
        raise WorkflowProblem(f"a link uses slot {slot} of {owner}, which does not exist.")
    return ports[slot]
