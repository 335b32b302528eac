"""Subgraphs flattened: every instance becomes a scope with its own ids and promoted widget values.

Knows instances, promoted widgets and their saved forms; link_resolver.py follows the links.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from .canvas import PRIMITIVE, VIRTUAL, Canvas, CanvasNode, Slot, SubgraphPort
from .graph import WorkflowProblem, cycle_problem
from .input_specs import NO_VALUE, NodeTypes, widget_values

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
    """The workflow itself, or one subgraph instance. `prefix` is what ComfyUI puts before ids."""

    canvas: Canvas
    prefix: str = ""
    parent: Scope | None = None
    host: CanvasNode | None = None
    children: dict[str, Scope] = field(default_factory=dict)

    def full_id(self, node: CanvasNode) -> str:
        return f"{self.prefix}{node.id}"


@dataclass(frozen=True)
class PlacedNode:
    """A node and where it stands. Virtual nodes and instances do not run themselves."""

    scope: Scope
    node: CanvasNode
    runs: bool

    @property
    def id(self) -> str:
        return self.scope.full_id(self.node)


def flatten(root: Canvas) -> list[PlacedNode]:
    """Every node in file order, the ones inside an instance before it (mapAllNodes)."""
    return _Flattener(root).placed


class _Flattener:
    def __init__(self, root: Canvas) -> None:
        self.placed: list[PlacedNode] = []
        self._root = root
        self._count = 0
        self._enter(Scope(root), [], active=True)

    def _enter(self, scope: Scope, chain: list[str], *, active: bool) -> None:
        for node in scope.canvas.nodes.values():
            self._count += 1
            if self._count > MAX_NODES:
                raise WorkflowProblem(
                    f"it has more than {MAX_NODES} nodes once its subgraphs are unfolded."
                )
            runs = active and not node.is_off
            if node.type in self._root.subgraphs:
                # Nothing inside a muted or bypassed instance runs, so it is entered only for the
                # types and values of its own inputs, never deeper. (Front end 1.58 does run what
                # is inside a muted instance inside another one; nobody can mean that.)
                if active:
                    self._enter_instance(scope, node, chain, runs=runs)
                runs = False
            self.placed.append(PlacedNode(scope, node, runs and node.type not in VIRTUAL))

    def _enter_instance(
        self, scope: Scope, node: CanvasNode, chain: list[str], *, runs: bool
    ) -> None:
        full_id = scope.full_id(node)
        if node.type in chain:
            raise cycle_problem(full_id.split(":")[chain.index(node.type) :])
        if len(chain) >= MAX_DEPTH:
            raise WorkflowProblem(f"its subgraphs are nested more than {MAX_DEPTH} deep.")
        child = Scope(self._root.subgraphs[node.type], f"{full_id}:", scope, node)
        scope.children[node.id] = child
        self._enter(child, [*chain, node.type], active=runs)


class PromotedWidgets:
    """Widget values as each scope sees them: saved in a node, or set on an instance around it."""

    def __init__(self, types: NodeTypes) -> None:
        self._types = types
        self._slots: dict[tuple[Scope, str], tuple[Slot, ...]] = {}
        self._sources: dict[Scope, dict[str, tuple[CanvasNode, str]]] = {}
        self._overrides: dict[Scope, dict[tuple[str, str], Any]] = {}
        self._hosts: dict[Scope, dict[str, Any]] = {}

    def slots(self, scope: Scope, node: CanvasNode) -> tuple[Slot, ...]:
        """A node's inputs in the order that counts for bypassing."""
        key = (scope, node.id)
        if key not in self._slots:
            self._slots[key] = self._find_slots(scope, node)
        return self._slots[key]

    def own_values(self, scope: Scope, node: CanvasNode) -> dict[str, Any]:
        """The widgets of a node of a known type, without what links bring."""
        values = widget_values(self._types.inputs(node.type), node.saved, node.named)
        for (owner, name), value in self._set_from_outside(scope).items():
            if owner == node.id and name in values:
                values[name] = value
        return values

    def primitive(self, scope: Scope, node: CanvasNode) -> Any:
        for (owner, _), value in self._set_from_outside(scope).items():
            if owner == node.id:
                return value
        return node.saved[0] if isinstance(node.saved, list) and node.saved else NO_VALUE

    def of_input(self, scope: Scope, port: SubgraphPort) -> Any:
        """What an unlinked input of the instance `scope` gives to the nodes behind it."""
        return self._host_values(scope).get(port.name, NO_VALUE)

    def _find_slots(self, scope: Scope, node: CanvasNode) -> tuple[Slot, ...]:
        child = scope.children.get(node.id)
        if child is not None:
            declared = [(port.name, port.type, False) for port in child.canvas.inputs]
        elif node.type in self._types:
            # The front end adds all sockets first, then all widgets (litegraphService addInputs).
            inputs = self._types.inputs(node.type).values()
            ordered = sorted(inputs, key=lambda each: each.is_widget)
            declared = [(each.name, each.type, each.is_widget) for each in ordered]
        else:
            return node.inputs
        links = {slot.name: slot.link for slot in node.inputs}
        known = {name for name, _, _ in declared}
        extra = [slot for slot in node.inputs if slot.name not in known]
        return (*(Slot(name, kind, links.get(name), w) for name, kind, w in declared), *extra)

    def _host_values(self, scope: Scope) -> dict[str, Any]:
        if scope not in self._hosts:
            self._hosts[scope] = self._find_host_values(scope)
        return self._hosts[scope]

    def _find_host_values(self, scope: Scope) -> dict[str, Any]:
        sources = self._promoted(scope)
        values = {name: self._inner(scope, *source) for name, source in sources.items()}
        host, parent = scope.host, scope.parent
        if host is None or parent is None:
            return {}
        if isinstance(host.saved, list):
            # By position over the inputs that have a widget, linked or not (1.27 configure,
            # 1.58 _applyPromotedWidgetValues).
            values |= dict(zip(sources, host.saved, strict=False))
        elif isinstance(host.saved, dict):
            values |= {name: host.saved[name] for name in sources if name in host.saved}
        values |= {name: value for name, value in _quarantined(host).items() if name in sources}
        values |= self._proxied_inputs(scope, sources)
        for (owner, name), value in self._set_from_outside(parent).items():
            if owner == host.id:
                values |= {port: value for port in _named(sources, name)}
        return values

    def _promoted(self, scope: Scope) -> dict[str, tuple[CanvasNode, str]]:
        """For every input of an instance the first inner widget it leads to, if there is one."""
        if scope not in self._sources:
            found = {port.name: self._first_widget(scope, port) for port in scope.canvas.inputs}
            self._sources[scope] = {name: source for name, source in found.items() if source}
        return self._sources[scope]

    def _first_widget(self, scope: Scope, port: SubgraphPort) -> tuple[CanvasNode, str] | None:
        for name in port.links:
            link = scope.canvas.links.get(name)
            target = scope.canvas.nodes.get(link.target) if link else None
            for slot in self.slots(scope, target) if target else ():
                if target and slot.link == name and self._has_widget(scope, target, slot):
                    return target, slot.name
        return None

    def _has_widget(self, scope: Scope, node: CanvasNode, slot: Slot) -> bool:
        child = scope.children.get(node.id)
        return slot.is_widget if child is None else slot.name in self._promoted(child)

    def _inner(self, scope: Scope, node: CanvasNode, name: str) -> Any:
        child = scope.children.get(node.id)
        if child is not None:
            return self._host_values(child).get(name, NO_VALUE)
        if node.type in self._types:
            return self.own_values(scope, node).get(name, NO_VALUE)
        return NO_VALUE

    def _set_from_outside(self, scope: Scope) -> dict[tuple[str, str], Any]:
        """Values that the instance keeps for inner widgets which are no inputs of the subgraph."""
        if scope not in self._overrides:
            sources = self._promoted(scope)
            found = {
                (node, name): value
                for node, name, value in _proxied(scope)
                if node != OWN_INPUT and not _linked(sources, node, name)
            }
            self._overrides[scope] = found | self._set_further_out(scope)
        return self._overrides[scope]

    def _set_further_out(self, scope: Scope) -> dict[tuple[str, str], Any]:
        """An outer instance may show a widget that this one only passes on."""
        host, parent = scope.host, scope.parent
        outer = self._set_from_outside(parent) if parent else {}
        return {
            (node, name): outer[host.id, name]
            for node, name in _proxy_widgets(scope)
            if host and (host.id, name) in outer
        }

    def _proxied_inputs(
        self, scope: Scope, sources: dict[str, tuple[CanvasNode, str]]
    ) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for node, name, value in _proxied(scope):
            if node == OWN_INPUT and name in sources:
                found[name] = value
            found |= {port: value for port in _linked(sources, node, name)}
        return found


def _proxied(scope: Scope) -> list[tuple[str, str, Any]]:
    """Promoted widgets with a value that the instance saved: (inner node id, widget name, value).

    Front end 1.58 reads the n-th saved value as that of the n-th entry; where there is none the
    inner node's own value holds (proxyWidgetMigration.ts).
    """
    saved = scope.host.saved if scope.host else None
    if not isinstance(saved, list):
        return []
    pairs = zip(_proxy_widgets(scope), saved, strict=False)
    return [(node, name, value) for (node, name), value in pairs]


def _proxy_widgets(scope: Scope) -> list[tuple[str, str]]:
    """`properties.proxyWidgets` as front ends 1.28 to 1.45 wrote it: (inner node id, name)."""
    entries = scope.host.properties.get("proxyWidgets") if scope.host else None
    # Like the front end's schema: one broken entry and the list is none.
    if not isinstance(entries, list) or not all(_is_proxy(entry) for entry in entries):
        return []
    return [(entry[0], _widget_name(scope, entry)) for entry in entries]


def _is_proxy(entry: object) -> bool:
    return (
        isinstance(entry, list)
        and len(entry) in (2, 3)
        and all(isinstance(part, str) for part in entry)
    )


def _widget_name(scope: Scope, entry: list[str]) -> str:
    node = scope.canvas.nodes.get(entry[0])
    is_plain = node is None or node.type == PRIMITIVE or node.id not in scope.children
    return entry[1] if is_plain else LEGACY_PREFIX.sub("", entry[1])


def _linked(sources: dict[str, tuple[CanvasNode, str]], node: str, name: str) -> list[str]:
    return [port for port, (inner, widget) in sources.items() if (inner.id, widget) == (node, name)]


def _named(sources: dict[str, tuple[CanvasNode, str]], name: str) -> list[str]:
    return [port for port, (_, widget) in sources.items() if name in (port, widget)]


def _quarantined(host: CanvasNode) -> dict[str, Any]:
    """Values that front end 1.58 kept aside in a migration that failed halfway."""
    entries = host.properties.get("proxyWidgetErrorQuarantine")
    found: dict[str, Any] = {}
    for entry in reversed(entries) if isinstance(entries, list) else ():
        name = _own_input(entry.get("originalEntry")) if isinstance(entry, dict) else None
        if name is not None and entry.get("hostValue") is not None:
            found[name] = entry["hostValue"]
    return found


def _own_input(entry: object) -> str | None:
    if not isinstance(entry, list) or len(entry) < 2 or entry[0] != OWN_INPUT:
        return None
    return entry[1] if isinstance(entry[1], str) else None
