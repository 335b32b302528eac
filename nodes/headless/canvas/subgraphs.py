"""Subgraphs flattened: every instance becomes a scope with its own ids and promoted widget values.

Knows instances, promoted widgets and their saved forms; link_resolver.py follows the links.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeGuard

from .canvas import BYPASSED, MUTED, PRIMITIVE, VIRTUAL, Canvas, CanvasNode, Slot, SubgraphPort
from .graph import WorkflowProblem, cycle_problem
from .widget_values import Input, NodeTypes, widget_values

# Files of real people have 3 levels and a few hundred nodes. The limits stop a small file from
# growing into millions of nodes, which ComfyUI could not show either.
MAX_DEPTH = 50
MAX_NODES = 20_000

# How front ends 1.28 to 1.45 named the widget of a subgraph inside a subgraph: "12: 7: steps".
LEGACY_PREFIX = re.compile(r"^(?:\s*\d+\s*:\s*)+(?=\S)")

# What those front ends wrote as node id for "the subgraph's own input of this name".
OWN_INPUT = "-1"


@dataclass(eq=False)
class Scope:
    """The workflow itself, or the inside of one subgraph instance, which is its `host`."""

    canvas: Canvas
    types: NodeTypes
    host: PlacedNode | None = None
    nodes: dict[str, PlacedNode] = field(default_factory=dict)

    @cached_property
    def prefix(self) -> str:
        """What ComfyUI puts before the ids of the nodes."""
        return f"{self.host.id}:" if self.host else ""

    @cached_property
    def promoted(self) -> dict[str, tuple[PlacedNode, str]]:
        """For every input of the instance the first inner widget it leads to, if there is one."""
        found = {port.name: self._first_widget(port) for port in self.canvas.inputs}
        return {name: source for name, source in found.items() if source}

    @cached_property
    def host_values(self) -> dict[str, Any]:
        """What the inputs of the instance give to the nodes behind them where they are unlinked."""
        host, sources = self.host, self.promoted
        if host is None:
            return {}
        values = {
            port: node.widgets[name]
            for port, (node, name) in sources.items()
            if name in node.widgets
        }
        saved = host.node.widgets_values
        if isinstance(saved, list):
            # By position over the inputs that have a widget, linked or not (1.27 configure,
            # 1.58 _applyPromotedWidgetValues).
            values |= _set(zip(sources, saved, strict=False))
        named = saved if isinstance(saved, dict) else {}
        for given in (named, _quarantined(host.node)):
            values |= _set((n, value) for n, value in given.items() if n in sources)
        for node, name, value in self._proxied():
            values |= dict.fromkeys(self._ports.get((node, name), ()), value)
        outside = host.scope.overrides.get(host.node.id, {})
        for port, (_, own) in sources.items() if outside else ():
            values |= {port: outside[name] for name in (port, own) if name in outside}  # noqa: B035
        return values

    @cached_property
    def overrides(self) -> dict[str, dict[str, Any]]:
        """Values that the instance keeps for inner widgets which are no inputs of the subgraph, by
        the inner node's id."""
        found: dict[str, dict[str, Any]] = {}
        for node, name, value in self._proxied():
            if (node, name) not in self._ports:
                found.setdefault(node, {})[name] = value
        if self.host and (given := self.host.scope.overrides.get(self.host.node.id)):
            # An outer instance may show a widget that this one only passes on.
            for node, name in self._proxies:
                if name in given:
                    found.setdefault(node, {})[name] = given[name]
        return found

    @cached_property
    def _proxies(self) -> list[tuple[str, str]]:
        """`properties.proxyWidgets` as front ends 1.28 to 1.45 wrote it: (inner node id, name)."""
        entries = self.host.node.properties.get("proxyWidgets") if self.host else None
        # Like the front end's schema: one broken entry and the list is none.
        if not isinstance(entries, list) or not all(_is_proxy(entry) for entry in entries):
            return []
        found: list[tuple[str, str]] = []
        for node, name, *_ in entries:
            inner = self.nodes.get(node)
            found.append((node, LEGACY_PREFIX.sub("", name) if inner and inner.child else name))
        return found

    def _proxied(self) -> Iterator[tuple[str, str, Any]]:
        """Promoted widgets with a value that the instance saved: (inner node id, name, value).

        Front end 1.58 reads the n-th saved value as that of the n-th entry; where there is none the
        inner node's own value holds (proxyWidgetMigration.ts).
        """
        saved = self.host.node.widgets_values if self.host else None
        for (node, name), value in zip(
            self._proxies, saved if isinstance(saved, list) else (), strict=False
        ):
            if value is not None:
                yield node, name, value

    @cached_property
    def _ports(self) -> dict[tuple[str, str], list[str]]:
        """The inputs of the instance that a proxy stands for."""
        found: dict[tuple[str, str], list[str]] = {}
        for port, (inner, widget) in self.promoted.items():
            for proxy in {(OWN_INPUT, port), (inner.node.id, widget)}:
                found.setdefault(proxy, []).append(port)
        return found

    def _first_widget(self, port: SubgraphPort) -> tuple[PlacedNode, str] | None:
        for name in port.links:
            link = self.canvas.links.get(name)
            target = self.nodes.get(link.target) if link else None
            if target and (slot := target.widget_slots.get(name)):
                return target, slot.name
        return None


@dataclass(eq=False)
class PlacedNode:
    """A node and where it stands. Virtual nodes and instances do not run themselves."""

    scope: Scope
    node: CanvasNode
    runs: bool
    child: Scope | None = None
    """What an instance of a subgraph holds."""

    @property
    def id(self) -> str:
        return f"{self.scope.prefix}{self.node.id}"

    @property
    def inputs(self) -> Mapping[str, Input]:
        """What its class declares; nothing where the type is unknown."""
        return self.scope.types.inputs(self.node.type)

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        """Its inputs in the order that counts for bypassing."""
        if self.child:
            promoted = self.child.promoted
            ports = self.child.canvas.inputs
            declared = [(port.name, port.type, port.name in promoted) for port in ports]
        else:
            # The front end adds all sockets first, then all widgets (litegraphService addInputs).
            ordered = sorted(self.inputs.values(), key=lambda each: each.is_widget)
            declared = [(each.name, each.type, each.is_widget) for each in ordered]
        links = {slot.name: slot.link for slot in self.node.inputs}
        known = {name for name, _, _ in declared}
        extra = [slot for slot in self.node.inputs if slot.name not in known]
        return (*(Slot(name, kind, links.get(name), w) for name, kind, w in declared), *extra)

    @cached_property
    def widget_slots(self) -> dict[str, Slot]:
        """The inputs that are widgets, by the link that arrives there; of several the first."""
        return {slot.link: slot for slot in reversed(self.slots) if slot.link and slot.is_widget}

    @cached_property
    def widgets(self) -> dict[str, Any]:
        """The values of its widgets, without what links bring."""
        node = self.node
        if self.child:
            return self.child.host_values
        set_outside = self.scope.overrides.get(node.id, {})
        if node.type == PRIMITIVE:
            saved = node.widgets_values if isinstance(node.widgets_values, list) else []
            found = [*set_outside.values(), *saved]
            return {"value": found[0]} if found else {}
        values = widget_values(self.inputs, node.widgets_values, node.widgets_values_named)
        return values | {name: value for name, value in set_outside.items() if name in values}


def flatten(root: Canvas, types: NodeTypes) -> list[PlacedNode]:
    """Every node in file order, the ones inside an instance before it (mapAllNodes)."""
    found: list[PlacedNode] = []

    def enter(scope: Scope, chain: list[str], *, active: bool) -> None:
        for node in scope.canvas.nodes.values():
            if len(found) >= MAX_NODES:
                raise WorkflowProblem(
                    f"it has more than {MAX_NODES} nodes once its subgraphs are unfolded."
                )
            placed = PlacedNode(scope, node, active and node.mode not in (MUTED, BYPASSED))
            scope.nodes[node.id] = placed
            # Nothing inside a muted or bypassed instance runs, so it is entered only for the types
            # and values of its own inputs, never deeper. (Front end 1.58 does run what is inside a
            # muted instance inside another one; nobody can mean that.)
            if node.type in root.subgraphs and active:
                if node.type in chain:
                    raise cycle_problem(placed.id.split(":")[chain.index(node.type) :])
                if len(chain) >= MAX_DEPTH:
                    raise WorkflowProblem(f"its subgraphs are nested more than {MAX_DEPTH} deep.")
                placed.child = Scope(root.subgraphs[node.type], types, placed)
                enter(placed.child, [*chain, node.type], active=placed.runs)
            if node.type in root.subgraphs or node.type in VIRTUAL:
                placed.runs = False
            found.append(placed)

    enter(Scope(root, types), [], active=True)
    return found


def _set(values: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Without null, by which an instance says that it sets nothing."""
    return {name: value for name, value in values if value is not None}


def _is_proxy(entry: object) -> TypeGuard[list[str]]:
    return (
        isinstance(entry, list)
        and len(entry) in (2, 3)
        and all(isinstance(part, str) for part in entry)
    )


def _quarantined(host: CanvasNode) -> dict[str, Any]:
    """Values that front end 1.58 kept aside in a migration that failed halfway."""
    entries = host.properties.get("proxyWidgetErrorQuarantine")
    found: dict[str, Any] = {}
    for entry in reversed(entries) if isinstance(entries, list) else ():
        original = entry.get("originalEntry") if isinstance(entry, dict) else None
        if _is_proxy(original) and original[0] == OWN_INPUT and entry.get("hostValue") is not None:
            found[original[1]] = entry["hostValue"]
    return found
