"""A saved ComfyUI workflow, read into the graph that ComfyUI would run.

Takes what ComfyUI writes: the canvas form (Save), the API form (Export API, or the body of a POST
to /prompt) and pictures with either inside. Does not know how nodes run, which values a service
takes, or how a required input without a value is reported.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ....visioncraft_core.errors import WorkflowError, clip
from ....visioncraft_core.spelling import did_you_mean, nearest
from .canvas import is_canvas, key, read_canvas
from .graph import LONGEST_NAME, Link, Node, WorkflowProblem, listed, refuse_cycle
from .link_resolver import CanvasNodeState, refuse_unknown, resolve_links
from .subgraphs import MAX_NODES
from .widget_values import LEFT_TO_NODE, Input, NodeTypes, only_in_comfyui
from .workflow_file import OTHER_FILE, json_of, read_json, refuse_depth

__all__ = ["CanvasNodeState", "Link", "Node", "Workflow", "load", "parse"]

WRAPPED = "__value__"
LONGEST_TITLE = 200  # characters; further on, a "=" is one of the value


@dataclass
class Workflow:
    nodes: dict[str, Node]
    canvas: dict[str, Any] | None
    types: NodeTypes = field(default_factory=lambda: NodeTypes({}), repr=False, compare=False)
    states: list[CanvasNodeState] = field(default_factory=list, repr=False, compare=False)
    notes: list[str] = field(default_factory=list, repr=False, compare=False)
    """What a user should know of the file that it was read from."""

    def prompt(self) -> dict[str, Any]:
        """The API form, as graphToPrompt builds it.

        For a node without a title of its own ComfyUI writes the display name, which is known only
        to ComfyUI; here it is the type.
        """
        return {
            node.id: {
                "class_type": node.class_type,
                "inputs": {name: _for_prompt(value) for name, value in node.inputs.items()},
                "_meta": {"title": node.title or node.class_type},
            }
            for node in self.nodes.values()
        }

    def set(self, assignment: str) -> None:
        """`NODE.INPUT=VALUE`: gives an input a value, whatever it had or was linked to. What stands
        before the sign is read as `target` does; a title may contain `=`, too."""
        refusal: WorkflowError | None = None
        for at in (at for at, character in enumerate(assignment) if character == "="):
            if refusal and at > LONGEST_TITLE:
                break
            try:
                node_id, name = self.target(assignment[:at].strip())
            except WorkflowError as error:
                refusal = refusal or error  # of the plainest reading
                continue
            node = self.nodes[node_id]
            declared = self.types.inputs(node.class_type)[name]
            node.inputs[name] = _converted(node, declared, assignment[at + 1 :])
            # The file no longer says what is run; a picture must not pretend that it does.
            self.canvas = None
            return
        raise refusal or WorkflowError(
            f'"{clip(assignment, LONGEST_NAME)}" is not NODE.INPUT=VALUE.',
            "Write for example 3.steps=20.",
        )

    def target(self, name: str) -> tuple[str, str]:
        """The id of the node and the input that `NODE.INPUT` names, or the id or title alone of a
        node with one widget. Raises WorkflowError."""
        refusals: list[WorkflowError] = []
        for dot in (at for at in reversed(range(len(name))) if name[at] == "."):
            reference, wanted = name[:dot].strip(), name[dot + 1 :].strip()
            node = self._find(reference)
            if node and wanted in self.types.inputs(node.class_type):
                return node.id, wanted
            refusals.append(self._refusal(reference, wanted, node))
        if node := self._find(name):
            inputs = self.types.inputs(node.class_type)
            widgets = [each.name for each in inputs.values() if each.is_widget]
            if len(widgets) == 1:
                return node.id, widgets[0]
            have = listed(f"{node.id}.{each}" for each in widgets)
            raise WorkflowError(
                f'"{clip(name, LONGEST_NAME)}" does not say which input of its node is meant.',
                f"Use one of: {have}." if have else "It has no inputs that take a value.",
            ).at(node.id, node.class_type)
        raise refusals[0] if refusals else self._refusal(name, "", None)

    def _find(self, reference: str) -> Node | None:
        if reference in self.nodes:
            return self.nodes[reference]
        nodes = self.nodes.values() if reference else ()
        # What messages call a node whose title nobody changed counts after the titles in the file.
        titled = [each for each in nodes if each.title == reference] or [
            each
            for each in nodes
            if reference in (each.class_type, self.types.title(each.class_type))
        ]
        if len(titled) > 1:
            ids = listed([node.id for node in titled])
            raise WorkflowError(
                f'Several nodes have the title "{clip(reference, LONGEST_NAME)}": {ids}.',
                "Use the node id.",
            )
        return titled[0] if titled else None

    def _refusal(self, reference: str, name: str, node: Node | None) -> WorkflowError:
        if node is None:
            nodes = self.nodes.values()
            have = listed([f"{each.id} {each.title or each.class_type}" for each in nodes])
            near = did_you_mean(reference, [each.title for each in nodes if each.title])
            if not name:
                near = self._input_meant(reference) or near
            return WorkflowError(
                f'There is no node "{clip(reference, LONGEST_NAME)}".',
                near or (f"Use one of: {have}." if have else "The workflow has no nodes."),
            )
        names = self.types.inputs(node.class_type)
        near = did_you_mean(name, names)
        use = f"Use one of: {listed(names, 100)}." if names else "It has no inputs at all."
        return WorkflowError(
            f'Node {node.id} ({node.class_type}) has no input "{clip(name, LONGEST_NAME)}".',
            f"{near} {use}".strip(),
        ).at(node.id, node.class_type)

    def _input_meant(self, name: str) -> str:
        """A question with the inputs that are called `name`, or nearly so, in any node."""
        places: dict[str, list[str]] = {}
        for node in self.nodes.values():
            for each in self.types.inputs(node.class_type):
                places.setdefault(each, []).append(f"{node.id}.{each}")
        meant = [name] if name in places else nearest(name, places, 1)
        return f"Did you mean {listed(places[meant[0]])}?" if meant else ""


def load(
    path: str | Path, node_classes: Mapping[str, type], content: bytes | None = None
) -> Workflow:
    """The workflow in a file, or in the `content` of one that is called `path`."""
    name = _shown(Path(path)) if content is None else str(path)
    try:
        data = read_json(Path(path)) if content is None else json_of(content)
    except WorkflowProblem as problem:
        raise _named(name, problem) from None
    return parse(data, node_classes, name=name)


def parse(data: object, node_classes: Mapping[str, type], *, name: str) -> Workflow:
    types = NodeTypes(node_classes)
    try:
        refuse_depth(data)
        canvas = data if isinstance(data, dict) and is_canvas(data) else None
        nodes, states, notes = (
            resolve_links(read_canvas(canvas), types)
            if canvas
            else (_api_nodes(data, types), [], [])
        )
        refuse_cycle(nodes)
        _refuse_unusable(nodes, types)
    except WorkflowProblem as problem:
        raise _named(name, problem) from None
    return Workflow(nodes, canvas, types, states, notes)


def _shown(path: Path) -> str:
    # "." and ".." have no name of their own, the root has none at all.
    return os.path.basename(os.path.abspath(path)) or str(path)


def _named(name: str, problem: WorkflowProblem) -> WorkflowError:
    return WorkflowError(f"{clip(name, LONGEST_NAME)}: {problem.message}", problem.advice)


def _api_nodes(content: object, types: NodeTypes) -> dict[str, Node]:
    if isinstance(content, dict) and "class_type" not in _member(content, "prompt"):
        content = content.get("prompt", content)
    if not isinstance(content, dict) or not any(
        isinstance(value, dict) and "class_type" in value for value in content.values()
    ):
        raise WorkflowProblem("this JSON is not a workflow.", OTHER_FILE)
    members = _by_id(content)
    if len(members) > MAX_NODES:
        raise WorkflowProblem(f"it has more than {MAX_NODES} nodes.")
    refuse_unknown([(name, member["class_type"]) for name, member in members.items()], types)
    return {name: _api_node(name, member, types) for name, member in members.items()}


def _by_id(content: dict[Any, Any]) -> dict[str, dict[str, Any]]:
    members: dict[str, dict[str, Any]] = {}
    for name, member in content.items():
        name = key(name, "a node")
        if name in members:
            raise WorkflowProblem(f"two nodes have the id {name}.")
        if not isinstance(member, dict) or not isinstance(member.get("class_type"), str):
            raise WorkflowProblem(f"node {name[:40]} has no class_type.")
        if not isinstance(member.get("inputs", {}), dict):
            raise WorkflowProblem(f"the inputs of node {name[:40]} are not an object.")
        members[name] = member
    return members


def _api_node(name: str, member: dict[str, Any], types: NodeTypes) -> Node:
    title = _member(member, "_meta").get("title")
    declared = types.inputs(member["class_type"])
    given = _without_dots(member.get("inputs", {}), declared, name)
    # ComfyUI ignores entries that the class does not declare, such as an upload button; whether
    # one is a misspelt input is for `validation` to say.
    unknown = tuple(each for each in map(str, given) if each not in declared and "." not in each)
    inputs = {
        known: _api_value(given[known], f"input {known} of node {name[:40]}")
        for known in declared
        if known in given
    }
    title = title if isinstance(title, str) else ""
    return Node(name, member["class_type"], inputs, title, unknown)


def _without_dots(
    given: dict[Any, Any], declared: Mapping[str, Input], node: str
) -> dict[Any, Any]:
    """`given`, with what ComfyUI 0.33 calls format.codec, a part of the choice format, as codec.

    Such a part counts before a plain codec, as there. One that is not known here is refused unless
    it leaves all to the node: the result would not be what was asked for.
    """
    found = dict(given)
    for name, value in given.items():
        choice, *parts = str(name).split(".")
        if not parts or choice not in declared:
            continue
        if parts[-1] in declared:
            found[parts[-1]] = value
        elif value != LEFT_TO_NODE:
            raise only_in_comfyui(str(name), node, value)
    return found


def _member(content: dict[Any, Any], name: str) -> dict[str, Any]:
    member = content.get(name)
    return member if isinstance(member, dict) else {}


def _api_value(value: Any, owner: str) -> Any:
    if isinstance(value, dict) and isinstance(value.get(WRAPPED), list):
        return value[WRAPPED]
    if not isinstance(value, list):
        return value
    if len(value) != 2 or isinstance(value[1], bool) or not isinstance(value[1], int):
        # ComfyUI's bad_linked_input: a bare list is always meant as a link.
        raise WorkflowProblem(f"{owner} is neither a value nor a link.")
    return Link(key(value[0], owner), value[1])


def _refuse_unusable(nodes: Mapping[str, Node], types: NodeTypes) -> None:
    """Raises WorkflowProblem for links that start nowhere, and for values that are no JSON."""
    for node in nodes.values():
        owner = f"node {node.id[:40]}"
        for name, value in node.inputs.items():
            if not isinstance(value, Link):
                try:
                    # ComfyUI's browser could not read NaN and infinity in a picture's metadata.
                    json.dumps(value, allow_nan=False)
                except (TypeError, ValueError):
                    raise WorkflowProblem(
                        f"input {name} of {owner} is not a usable value."
                    ) from None
                continue
            origin = f"node {value.node[:40]}"
            if value.node not in nodes:
                raise WorkflowProblem(f"{owner} is linked to {origin}, which does not exist.")
            outputs = types.outputs(nodes[value.node].class_type)
            if not 0 <= value.slot < len(outputs):
                raise WorkflowProblem(
                    f"{owner} is linked to an output that {origin} does not have; "
                    f"it has {len(outputs)}."
                )


def _for_prompt(value: Any) -> Any:
    if isinstance(value, Link):
        return [value.node, value.slot]
    return {WRAPPED: value} if isinstance(value, list) else value


def _converted(node: Node, wanted: Input, text: str) -> Any:
    try:
        return wanted.read(text)
    except ValueError as error:
        raise WorkflowError(
            f'"{clip(text, LONGEST_NAME)}" does not fit input {wanted.name} of node {node.id}.',
            f"It takes {error}.",
        ).at(node.id, node.class_type) from None
