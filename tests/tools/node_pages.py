"""How a node reads: its help page and its row in the README, in Markdown.

Everything comes from the node's class and the request that it names; knows no node by name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from visioncraft.nodes.headless.canvas.input_specs import Input, declared_inputs
from visioncraft.visioncraft_core.api.catalogs import bundled
from visioncraft.visioncraft_core.api.fields import ImageField, Request
from visioncraft.visioncraft_core.errors import clip

SHORT_LIST = 8  # a longer list of choices is counted, not shown
DEFAULT_LENGTH = 80
MOST_EXAMPLES = 3

Examples = dict[str, set[str]]  # file stem: the node types in it


@dataclass(frozen=True)
class Node:
    """One node class and how it reads."""

    id: str
    title: str
    cls: Any

    @property
    def request(self) -> type[Request] | None:
        return getattr(self.cls, "REQUEST", None)

    @property
    def about(self) -> str:
        return _cell(self.cls.DESCRIPTION)

    @cached_property
    def inputs(self) -> dict[str, Input]:
        return declared_inputs(self.cls)

    def row(self) -> list[str]:
        title = f"**[{_cell(self.title)}](web/docs/{self.id}.md)**"
        return [title, self.about, ", ".join(self.cls.RETURN_NAMES) or "-", self._endpoint()]

    def page(self, examples: Examples) -> str:
        title = f"# {_cell(self.title)}"
        parts = [title, self.about, self._account(), "## Inputs", self._input_table()]
        parts += ["## Outputs", self._output_table(), self._sending(), self._shown_in(examples)]
        return "\n\n".join(part for part in parts if part) + "\n"

    def _endpoint(self) -> str:
        if self.request is None:
            return "-"
        paid = ", **premium**" if self.request.premium else ""
        partly = ", partly **premium**" if self.request.free and not paid else ""
        return f"{_code(self.request.path)}{paid or partly}"

    def _account(self) -> str:
        """Who may use it, where that is not everyone with a key."""
        if self.request is None or not (self.request.premium or self.request.free):
            return ""
        if self.request.premium:
            return "**Premium:** the service answers premium accounts only."
        free = " and ".join(
            f"{_code(name)} {_listed(values, 'or')}" for name, values in self.request.free.items()
        )
        return f"**Free** with {free}; anything else there needs a **premium** account."

    def _input_table(self) -> str:
        rows = [
            [_code(name), _cell(each.options.get("tooltip", "")), self._default(each), _takes(each)]
            for name, each in self.inputs.items()
        ]
        return _table(["Input", "What it is", "Default", "Takes"], rows) if rows else "None."

    def _default(self, each: Input) -> str:
        if not each.is_widget:
            return "not connected" if each.optional else "connect it"
        if isinstance(each.default, bool):
            return "on" if each.default else "off"
        # A node with a request refuses a needed text that is empty; others may take it.
        nothing = "fill it in" if self.request and not each.optional else "empty"
        return _code(clip(_plain(each.default), DEFAULT_LENGTH)) or nothing

    def _output_table(self) -> str:
        cls = self.cls
        if not cls.RETURN_TYPES:
            return "None. It runs whenever it is in the workflow."
        lists = getattr(cls, "OUTPUT_IS_LIST", None) or (False,) * len(cls.RETURN_TYPES)
        slots = zip(cls.RETURN_NAMES, cls.RETURN_TYPES, lists, cls.OUTPUT_TOOLTIPS, strict=True)
        rows = [
            [_code(name), f"{'list of ' if many else ''}{_type(kind)}", _cell(tip)]
            for name, kind, many, tip in slots
        ]
        return _table(["Output", "Type", "What it is"], rows)

    def _sending(self) -> str:
        """What leaves the computer."""
        if self.request is None:
            return ""
        fields = {field.name: field for field in self.request.fields()}
        lines = [f"Sends `POST {self.request.path}` with {_listed(fields)}, and your key."]
        filled = [name for name in fields if name not in self.inputs]
        used = [n for group in self.cls.own_inputs().values() for n in group] if filled else []
        if used:
            lines.append(f"The node makes {_listed(filled)} from {_listed(used)}.")
        if blank := [n for n, f in fields.items() if not f.required and f.kind.blank(f.default)]:
            lines.append(f"Left out while blank: {_listed(blank)}.")
        if never := [name for name in self.inputs if name not in {*fields, *used}]:
            lines.append(f"Never sent: {_listed(never)}.")
        if any(isinstance(field.kind, ImageField) for field in fields.values()):
            lines.append("Each picture of a batch is a request of its own.")
        return "\n".join(["## What is sent", "", *lines])

    def _shown_in(self, examples: Examples) -> str:
        """The example that the class names comes first, then those with the least beside it."""
        own = getattr(self.cls, "EXAMPLE", "")
        found = [stem for stem, types in examples.items() if stem == own or self.id in types]
        found.sort(key=lambda stem: (stem != own, len(examples[stem]), stem))
        if not found:
            return ""
        shown = _listed(found[:MOST_EXAMPLES], "or")
        return f"See it at work: **Templates > ComfyUI-VisionCraft**, {shown}."


def overview(nodes: Iterable[Node]) -> str:
    """The README's table of nodes."""
    head = ["Node", "What it does", "Outputs", "Endpoint"]
    return _table(head, [node.row() for node in nodes])


def _takes(each: Input) -> str:
    if not each.is_widget:
        return f"{_type(each.type)} link"
    if each.choices:
        return _choices([str(choice) for choice in each.choices])
    if {"min", "max"} <= set(each.options):
        low, high, step = (_plain(each.options.get(key, 1)) for key in ("min", "max", "step"))
        return f"{low} to {high}" + (f" in steps of {step}" if step != "1" else "")
    words = {"BOOLEAN": "on or off", "STRING": "text", "INT": "whole number", "FLOAT": "number"}
    return words.get(each.type, _type(each.type))


def _choices(names: list[str]) -> str:
    count, shown = len(names), len(names) <= SHORT_LIST
    if names in bundled().values():
        return f"{count} names bundled" + (f": {', '.join(map(_code, names))}" if shown else "")
    return _listed(names, "or") if shown else f"one of {count} names"


def _type(kind: object) -> str:
    return " or ".join(map(_code, str(kind).split(","))) if isinstance(kind, str) else "a choice"


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _listed(names: Iterable[str], word: str = "and") -> str:
    *most, last = map(_code, names)
    return f"{', '.join(most)} {word} {last}" if most else last


def _code(text: str) -> str:
    # Nothing can be escaped between backticks.
    return f"`{text}`" if text and not set(text) & set("`<|") else _cell(text)


def _cell(text: str) -> str:
    """`text` in one line that neither a table nor HTML takes for its own."""
    line = " ".join(text.split())
    return line.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
