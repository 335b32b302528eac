"""Judges a workflow before anything runs, as ComfyUI judges a prompt: inputs there, links of the
right type, values within limits, and what each node's VALIDATE_INPUTS says.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from typing import Any

from ...visioncraft_core.errors import ConfigError, WorkflowError
from ...visioncraft_core.spelling import nearest
from ..widgets import SERVER
from .canvas.graph import listed
from .canvas.widget_values import WIDGET_TYPES
from .canvas.workflow import Link, Node, Workflow

_CONVERSIONS: dict[str, tuple[type, str]] = {
    "INT": (int, "a whole number"),
    "FLOAT": (float, "a number"),
    "STRING": (str, "text"),
    "BOOLEAN": (bool, "true or false"),
}
_UPLOAD_BUTTONS = {"upload", "choose file to upload"}  # what a file says of ComfyUI's page
_NO_TEXT: dict[type, str] = {type(None): "null", list: "a list", dict: "an object"}

_TENSORS = {"IMAGE", "MASK", "VIDEO"}  # types whose values are made of torch's

NodeClasses = Mapping[str, type]
Declared = Callable[[Any], dict[str, Any]]
"""What a node class answers to INPUT_TYPES, perhaps remembered."""


def declared_by(cls: Any) -> dict[str, Any]:
    return cls.INPUT_TYPES()


def validate(
    workflow: Workflow,
    node_classes: NodeClasses,
    needed: list[str],
    declared: Declared = declared_by,
) -> None:
    """Converts the constants of the `needed` nodes; raises WorkflowError with all that is wrong,
    as far as a message has room."""
    declared = cache(declared)  # each class is asked once, not for every node

    def problems_of(nodes: Iterable[Node]) -> list[tuple[Node, list[str]]]:
        found = ((node, [*_problems(node, workflow, node_classes, declared)]) for node in nodes)
        return [(node, words) for node, words in found if words]

    if problems_of(workflow.nodes[node_id] for node_id in needed):
        # Of all nodes: a misspelt link hides what stands behind it.
        problems = problems_of(workflow.nodes.values())
        words = [f"{node.label}: {', '.join(found).rstrip('.')}" for node, found in problems]
        error = WorkflowError(
            listed(words, room=255, between="; ") + ".",
            "Nothing was run; correct it.",
        )
        first = problems[0][0]
        raise error.at(first.id, first.class_type)


def require_torch(workflow: Workflow, node_classes: NodeClasses, needed: list[str]) -> bool:
    """Whether the `needed` nodes work with pictures, which takes torch. Raises ConfigError where it
    is not installed."""
    for node in (workflow.nodes[node_id] for node_id in needed):
        if _TENSORS.intersection(_types(node_classes[node.class_type])):
            if find_spec("torch") is None:
                error = ConfigError(
                    f"{node.label} works with pictures, and torch is not installed.",
                    'Nothing was sent. Run: pip install "visioncraft[standalone]" (for a smaller '
                    "torch without GPU, install it first as pytorch.org/get-started says for CPU).",
                )
                raise error.at(node.id, node.class_type)
            return True
    return False


def ignored_inputs(workflow: Workflow, node_classes: NodeClasses) -> list[str]:
    """A note about each input in the file that no node takes; `validate` refuses misspelt ones."""
    notes: list[str] = []
    for node in workflow.nodes.values():
        misspelt = _misspelt(node, node_classes[node.class_type].INPUT_TYPES())  # type: ignore[attr-defined]
        if odd := [n for n in node.unknown if n not in misspelt and n not in _UPLOAD_BUTTONS]:
            notes.append(f"{node.label} has no input {', '.join(odd)}; ComfyUI ignores it as well.")
    return notes


def needed_nodes(workflow: Workflow, node_classes: NodeClasses) -> list[str]:
    """The ids of the output nodes and all they depend on, in file order.

    Raises WorkflowError where no node saves or shows a result.
    """
    waiting = [
        node_id
        for node_id, node in workflow.nodes.items()
        if getattr(node_classes[node.class_type], "OUTPUT_NODE", False)
    ]
    if not waiting:
        raise WorkflowError(
            "The workflow has no node that saves or shows a result.",
            "Add a Save Image, Preview Image or Preview Any node.",
        )
    wanted = set(waiting)
    while waiting:
        for value in workflow.nodes[waiting.pop()].inputs.values():
            if isinstance(value, Link) and value.node not in wanted:
                wanted.add(value.node)
                waiting.append(value.node)
    return [node_id for node_id in workflow.nodes if node_id in wanted]


def _types(cls: Any) -> set[str]:
    """The types of what a node takes and gives."""
    inputs = cls.INPUT_TYPES()
    taken = [d[0] for group in ("required", "optional") for d in inputs.get(group, {}).values()]
    return {each for each in (*taken, *cls.RETURN_TYPES) if isinstance(each, str)}


@cache  # of the few classes that there are
def _arguments(function: Callable[..., Any]) -> list[str]:
    return inspect.getfullargspec(function).args


def _misspelt(node: Node, declared: Mapping[str, Any]) -> dict[str, str]:
    """What is not an input of `node`, with the one that it lacks and that is spelled like it."""
    names = [name for group in ("required", "optional") for name in declared.get(group, {})]
    absent = [name for name in names if name not in node.inputs]
    return {name: meant[0] for name in node.unknown if (meant := nearest(name, absent, 1))}


def _problems(
    node: Node, workflow: Workflow, node_classes: NodeClasses, declared_of: Declared
) -> Iterator[str]:
    cls: Any = node_classes[node.class_type]
    declared = declared_of(cls)
    names = [name for group in ("required", "optional") for name in declared.get(group, {})]
    absent = [name for name in names if name not in node.inputs]
    misspelt = _misspelt(node, declared)
    for name, meant in misspelt.items():
        yield f"no input {name} (did you mean {meant}?)"
    given = misspelt.values()
    missing = [n for n in declared.get("required", {}) if n in absent and n not in given]
    if missing:
        yield f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"
    own = getattr(cls, "VALIDATE_INPUTS", None)
    asked = _arguments(own) if own else []
    received: dict[str, str] = {}
    sound = not misspelt
    for category in ("required", "optional"):
        for name, declaration in declared.get(category, {}).items():
            type_name, options = declaration[0], declaration[1] if len(declaration) > 1 else {}
            problem = ""
            if name in absent:
                sound &= category == "optional"
            elif isinstance(node.inputs[name], Link):
                origin: Any = node_classes[workflow.nodes[node.inputs[name].node].class_type]
                received[name] = origin.RETURN_TYPES[node.inputs[name].slot]
                if "input_types" not in asked and not _fits(received[name], type_name):
                    problem = f"{name} cannot take a {received[name]}"
            else:
                problem = _constant_problem(node, name, type_name, options, judged=name in asked)
            if problem:
                sound = False
                yield problem
    if not sound or not own:
        return
    # As in ComfyUI, a linked input arrives as None: its value is not known yet.
    values = {n: None if isinstance(v, Link) else v for n, v in node.inputs.items() if n in asked}
    if "input_types" in asked:
        values["input_types"] = received
    verdict = own(**values)
    if verdict is not True:
        yield verdict or "its inputs are not valid"


def _constant_problem(
    node: Node, name: str, type_name: Any, options: dict[str, Any], *, judged: bool
) -> str:
    value = node.inputs[name]
    if type_name == "STRING" or isinstance(type_name, list):
        # ComfyUI would make "None" or "[1]" of it and go on; nobody means that, or pays for it.
        for kind, called in _NO_TEXT.items():
            if isinstance(value, kind):
                return f"{name} must be text, not {called}"
    if isinstance(type_name, list):
        known = value in type_name or (judged and isinstance(value, str))
        return "" if known else f"{name} is {value}, which is not one of its choices"
    if type_name in _CONVERSIONS:
        conversion, called = _CONVERSIONS[type_name]
        try:
            value = node.inputs[name] = _converted(value, conversion)
        except (TypeError, ValueError, OverflowError):
            return f"{name} must be {called}, got {value}"
    elif not (
        type_name in {*WIDGET_TYPES, "*"} or (type_name == SERVER and isinstance(value, str))
    ):
        # ComfyUI gives it to the node, which would fail when others are paid. A server has a name.
        return f"{name} takes a link from a node, not a value"
    if judged:
        return ""
    low, high = options.get("min"), options.get("max")
    if (low is not None and value < low) or (high is not None and value > high):
        return f"{name} is {value}, but must be {low} to {high}"
    return ""


def _converted(value: Any, conversion: type) -> Any:
    """`value` as ComfyUI converts it, but for what nobody means. Raises like `conversion`."""
    if conversion is bool and isinstance(value, str):  # ComfyUI takes "false" for true
        words = {"true": True, "false": False}
        if value.strip().lower() not in words:
            raise ValueError
        return words[value.strip().lower()]
    converted = conversion(value)
    if isinstance(converted, float) and not math.isfinite(converted):
        raise ValueError
    return converted


def _fits(received: Any, wanted: Any) -> bool:
    if isinstance(received, list) or isinstance(wanted, list):
        differs = received != wanted  # what ComfyUI asks; widgets.OpenList answers
        return not differs or "*" in (received, wanted)
    given, taken = set(str(received).split(",")), set(str(wanted).split(","))
    return bool(given & taken) or "*" in given | taken
