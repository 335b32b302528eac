"""What a page would queue is what `visioncraft run` runs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from support.browser import Canvas
from support.paths import ROOT
from visioncraft.nodes import NODE_CLASS_MAPPINGS
from visioncraft.nodes.headless import prefixes
from visioncraft.nodes.headless.canvas.workflow import parse
from visioncraft.nodes.headless.hostnodes import NODE_CLASSES

EXAMPLES = sorted((ROOT / "example_workflows").glob("*.json"))
BUILDERS = Path(__file__).with_name("canvases.js").read_text()
NAMES = re.findall(r'^    (?:async )?"(.+)"\(\) \{$', BUILDERS, re.MULTILINE)

CLASSES = {**NODE_CLASSES, **NODE_CLASS_MAPPINGS}
Prompt = dict[str, Any]


# Front end 1.27 leaves an input out whose origin is muted, and ComfyUI then refuses the prompt.
# Newer ones, as we, let the widget count again.
MUTED_ORIGINS = {
    "muted nodes",
    "muted and bypassed nodes in subgraphs",
    "a subgraph that is muted inside another",
}

# Front end 1.27 gives the value of a choice to another widget when it opens its own file again.
NOT_KEPT_BY_1_27 = {"a choice that a list gives through subgraphs"}


def converted(workflow: dict[str, Any]) -> Prompt:
    read = parse(workflow, CLASSES, name="it")
    prefixes.fill(read)
    return known(read.prompt())


def known(prompt: Prompt) -> Prompt:
    """What ComfyUI would run: of each node that an output needs its class and declared inputs.

    ComfyUI's own page adds what only it needs: previews, upload buttons, parts of a choice.
    """
    found: Prompt = {}
    needed = [name for name, node in prompt.items() if is_output(node)]
    while needed:
        name = needed.pop()
        if name in found:
            continue
        class_type = prompt[name]["class_type"]
        inputs = CLASSES[class_type].INPUT_TYPES()
        declared = {**inputs.get("required", {}), **inputs.get("optional", {})}
        given = {key: value for key, value in prompt[name]["inputs"].items() if key in declared}
        found[name] = {"class_type": class_type, "inputs": given}
        needed += [value[0] for value in given.values() if isinstance(value, list)]
    return found


def is_output(node: dict[str, Any]) -> bool:
    return getattr(CLASSES[node["class_type"]], "OUTPUT_NODE", False)


def queued(canvas: Canvas) -> Prompt:
    return known(canvas.prompt())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_an_example_is_queued_as_it_is_converted(path: Path, canvas: Canvas):
    workflow = json.loads(path.read_text())
    canvas.drop_workflow(workflow)
    assert converted(workflow) == queued(canvas)
    assert converted(canvas.workflow()) == queued(canvas)


@pytest.mark.parametrize("name", NAMES)
def test_a_canvas_is_queued_as_it_is_converted(name: str, canvas: Canvas):
    canvas.page.evaluate(f"(name) => {BUILDERS.strip()}[name]()", name)
    canvas.shoot("built")
    saved = canvas.workflow()
    prompt = queued(canvas)
    assert prompt
    assert like(prompt, converted(saved), name) == prompt
    if name in NOT_KEPT_BY_1_27 and canvas.front_end().startswith("1.27."):
        return
    canvas.drop_workflow(saved)
    assert queued(canvas) == prompt
    assert like(prompt, converted(canvas.workflow()), name) == prompt


def like(page: Prompt, ours: Prompt, name: str) -> Prompt:
    """`ours` without the inputs that an old page leaves out for a reason that is known."""
    if name not in MUTED_ORIGINS:
        return ours
    left_out = {("VisionCraftGenerateXL", "prompt")}
    return {
        ident: {
            **node,
            "inputs": {
                key: value
                for key, value in node["inputs"].items()
                if (node["class_type"], key) not in left_out or key in page[ident]["inputs"]
            },
        }
        for ident, node in ours.items()
    }
