"""What a node class declares about its inputs and outputs, seen as ComfyUI's front end sees it.

Answers three questions: which inputs are widgets, which value a saved widget has, and what a text
from a command line means for an input. Knows nothing about links, files or subgraphs.

Saved values have no names: the only sign that a list has shifted is that the values do not fit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ....visioncraft_core.errors import clip
from ....visioncraft_core.spelling import nearest
from .graph import LONGEST_NAME, WorkflowProblem

# Types for which the front end makes a widget (scripts/widgets.ts, ComfyWidgets), as far as a V1
# node can use them. Every other type is a socket.
WIDGET_TYPES = frozenset({"INT", "FLOAT", "BOOLEAN", "STRING", "COMBO", "MARKDOWN", "COLOR"})
TEXT_TYPES = frozenset({"STRING", "COMBO", "MARKDOWN", "COLOR"})

CONTROL_MODES = ("fixed", "increment", "decrement", "randomize", "increment-wrap")
SEEDS = ("seed", "noise_seed")

TRUE_WORDS = ("true", "1", "yes")
FALSE_WORDS = ("false", "0", "no")

LEFT_TO_NODE = "auto"
NO_VALUE: Any = object()
LOST: Any = object()


@dataclass(frozen=True)
class Widget:
    """One widget in `widgets_values`: of an input, or of a widget only the front end has."""

    input: Input | None = None
    accepted: tuple[object, ...] = ()

    def fits(self, value: object) -> bool:
        return self.input.fits(value) if self.input else value in self.accepted


@dataclass(frozen=True)
class Input:
    name: str
    type: str
    options: Mapping[str, Any] = field(default_factory=dict)
    choices: Sequence[Any] = ()

    @property
    def is_widget(self) -> bool:
        kind = self.options.get("widgetType") or self.type
        return kind in WIDGET_TYPES and not self.options.get("forceInput")

    @property
    def default(self) -> Any:
        """What the front end shows in a new node (useIntWidget and its siblings)."""
        if "default" in self.options:
            return self.options["default"]
        if self.type == "COMBO":
            return self.choices[0] if self.choices else ""
        return {"INT": 0, "FLOAT": 0, "BOOLEAN": False}.get(self.type, "")

    def companions(self) -> list[Widget]:
        """The front-end-only widgets that come right after this one."""
        control = self.options.get("control_after_generate")
        widgets = []
        if self.type == "INT" and (self.name in SEEDS if control is None else control):
            widgets.append(Widget(accepted=CONTROL_MODES))
        if self.type == "COMBO" and self.options.get("remote"):
            widgets.append(Widget(accepted=(True, False)))
            if self.options["remote"].get("refresh_button"):
                widgets.append(Widget(accepted=("refresh",)))
        if self.type == "COMBO" and control:
            # A combo gets a second one, the filter (addValueControlWidgets).
            widgets += [Widget(accepted=CONTROL_MODES), Widget(accepted=("",))]
        return widgets

    def fits(self, value: object) -> bool:
        """Whether a widget of this input can hold `value`, whatever its limits."""
        if self.type == "BOOLEAN":
            return isinstance(value, bool)
        if self.type in ("INT", "FLOAT"):
            if isinstance(value, bool) or not isinstance(value, int | float):
                return False
            return math.isfinite(value)
        return isinstance(value, str) or value in self.choices

    def read(self, text: str) -> Any:
        """`text` as a value of this input; ValueError says what would have been right."""
        if self.type == "INT":
            # Twenty digits hold every 64-bit seed.
            if re.fullmatch(r"\s*[+-]?[0-9]{1,20}\s*", text):
                return int(text)
            raise ValueError("a whole number")
        if self.type == "FLOAT":
            with suppress(ValueError):
                if math.isfinite(float(text)) and "_" not in text:
                    return float(text)
            raise ValueError("a number")
        if self.type == "BOOLEAN":
            word = text.strip().lower()
            if word in TRUE_WORDS + FALSE_WORDS:
                return word in TRUE_WORDS
            raise ValueError("true or false")
        if self.type in TEXT_TYPES:
            # A combo may list numbers; then its own entry is meant, not the text.
            return next((choice for choice in self.choices if str(choice) == text), text)
        raise ValueError(f"a link from a node, because its type is {self.type}")


SOCKET = Widget()


def _letters(name: str) -> str:
    return re.sub(r"\(.*\)|[\W_]", "", name).lower()


class NodeTypes:
    """The node classes of this run. Asks each class once, INPUT_TYPES may be slow."""

    def __init__(self, classes: Mapping[str, type]) -> None:
        self._classes = classes
        self._inputs: dict[str, dict[str, Input]] = {}

    def __contains__(self, class_type: str) -> bool:
        return class_type in self._classes

    def similar(self, class_type: str) -> str:
        """Which class may have been meant, as a question: by its name, or by what ComfyUI's page
        calls it; "" where none is near."""
        named = {_letters(name): name for name in self._classes}
        titles = {_letters(self.title(name)): name for name in self._classes}
        short = {_letters(name.removeprefix("VisionCraft")): name for name in self._classes}
        known = {**titles, **short, **named}
        found = dict.fromkeys(known[each] for each in nearest(_letters(class_type), known))
        return f"Did you mean {' or '.join(found)}?" if found else ""

    def title(self, class_type: str) -> str:
        """What ComfyUI's page calls a node of this class, "" where that is not known."""
        return getattr(self._classes.get(class_type), "TITLE", "")

    def inputs(self, class_type: str) -> dict[str, Input]:
        """What the class declares; nothing where it is unknown."""
        if class_type not in self._inputs:
            known = self._classes.get(class_type)
            self._inputs[class_type] = declared_inputs(known) if known else {}
        return self._inputs[class_type]

    def refuse_further(self, class_type: str, node: str, saved: object) -> None:
        """Raises WorkflowProblem where a widget that only a newer ComfyUI has, behind the others,
        asks for something."""
        name = getattr(self._classes[class_type], "FURTHER_WIDGET", "")
        widgets = [
            each for each in _positions(list(self.inputs(class_type).values())) if each.input
        ]
        further = saved[len(widgets) :] if name and isinstance(saved, list) else []
        if further and further[0] != LEFT_TO_NODE:
            raise only_in_comfyui(name, node, further[0])

    def outputs(self, class_type: str) -> tuple[str, ...]:
        returned = getattr(self._classes[class_type], "RETURN_TYPES", ())
        return tuple(kind if isinstance(kind, str) else "COMBO" for kind in returned)


def only_in_comfyui(name: str, node: str, value: object) -> WorkflowProblem:
    return WorkflowProblem(
        f"input {clip(name, LONGEST_NAME)} of node {node[:40]} is "
        f"{clip(str(value), LONGEST_NAME)}, which only ComfyUI can do.",
        f"Set it to {LEFT_TO_NODE}, or run the workflow in ComfyUI.",
    )


def declared_inputs(node_class: Any) -> dict[str, Input]:
    """Required, then optional inputs, each in declaration order. Hidden ones are no inputs."""
    groups = node_class.INPUT_TYPES()
    return {
        name: _input(name, spec)
        for group in ("required", "optional")
        for name, spec in groups.get(group, {}).items()
    }


def widget_values(inputs: Mapping[str, Input], saved: object, named: object) -> dict[str, Any]:
    """The value of every widget, from what the file saved and else from the declaration.

    Front end 1.58 writes `widgets_values_named` too, but restores by position unless the setting
    Comfy.Workflow.NamedValuesRestore is on, which is off by default (createWidgetRestorationState
    in LGraphNode.ts). The file means what ComfyUI would run, so names count only where there are
    no positions. A mapping in `widgets_values` is what some node packs write.
    """
    values = {name: each.default for name, each in inputs.items() if each.is_widget}
    if isinstance(saved, list):
        found = _by_position(list(inputs.values()), saved)
    else:
        names = saved if isinstance(saved, dict) else named
        found = names if isinstance(names, dict) else {}
    kept = {name: value for name, value in found.items() if value is not LOST}
    return values | {name: value for name, value in kept.items() if name in values}


def lost_values(inputs: Mapping[str, Input], saved: object) -> list[str]:
    """The widgets whose values a damaged list has lost, so that they have their defaults."""
    found = _by_position(list(inputs.values()), saved) if isinstance(saved, list) else {}
    return [name for name, value in found.items() if value is LOST]


def _by_position(inputs: list[Input], saved: list[Any]) -> dict[str, Any]:
    positions = _positions(inputs)
    widgets = [widget for widget in positions if widget is not SOCKET]
    # What is left over at the end is ignored, as in the front end.
    values = saved[: len(widgets)]
    if len(saved) == len(positions) > len(widgets):
        # Before front end 1.16 an input with forceInput saved a dummy value (migrateWidgetsValues).
        # A status text at the end makes a list as long.
        paired = zip(saved, positions, strict=True)
        of_widgets = [value for value, widget in paired if widget is not SOCKET]
        values = min((of_widgets, values), key=lambda each: _misfits(each, widgets))
    found: dict[str, Any] = {}
    rest = list(reversed(_restored(values, widgets)))
    for widget in widgets:
        if not rest:
            break
        # A list that is too short was written before inputs were appended, or by a tool that
        # does not know about control_after_generate. What stands there tells which.
        missing = not widget.input and len(saved) < len(widgets) and rest[-1] not in widget.accepted
        if not missing:
            value = rest.pop()
            if widget.input:
                found[widget.input.name] = value
    return found


def _restored(values: list[Any], widgets: list[Widget]) -> list[Any]:
    """`values` as they were before front end 1.27 opened a list with a status text at its end.

    It took the list for one with a dummy value in it and removed one that was none, so that all
    behind it moved up and the text became the last value.
    """
    if len(values) < len(widgets) or not widgets or not isinstance(values[-1], str):
        return values
    if widgets[-1].fits(values[-1]):
        return values
    gaps = [values[:at] + [LOST] + values[at:-1] for at in reversed(range(len(values)))]
    best = min(gaps, key=lambda gap: _misfits(gap, widgets))
    fitted = zip(best, widgets, strict=True)
    return [value if widget.fits(value) else LOST for value, widget in fitted]


def _misfits(values: list[Any], widgets: list[Widget]) -> int:
    return sum(not widget.fits(value) for value, widget in zip(values, widgets, strict=True))


def _positions(inputs: list[Input]) -> list[Widget]:
    # An upload button comes after all of these: the backend's input_order does not list it
    # (getOrderedInputSpecs).
    widgets: list[Widget] = []
    for each in inputs:
        if each.is_widget:
            widgets += [Widget(each), *each.companions()]
        elif each.options.get("forceInput"):
            widgets.append(SOCKET)
    return widgets


def _input(name: str, spec: Any) -> Input:
    kind = spec[0]
    options = spec[1] if len(spec) > 1 else {}
    if isinstance(kind, list | tuple):
        return Input(name, "COMBO", options, kind)
    return Input(name, str(kind), options, options.get("options") or ())
