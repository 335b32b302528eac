"""What a run leaves on the nodes, in the front ends of real ComfyUIs."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from support.browser import Canvas
from support.comfyui import ROOT, ComfyUI, skip_without_comfyui
from visioncraft.visioncraft_core.service.faults.rules import parse

if importlib.util.find_spec("playwright") is None or shutil.which("chromium") is None:
    pytest.skip(
        'no browser found: pip install -e ".[browser]", and put Chromium on the PATH as chromium',
        allow_module_level=True,
    )
skip_without_comfyui()

_seeds = count(7000)

TEXTS = """() => Object.fromEntries(app.graph.nodes.flatMap((node) => {
    const shown = node.widgets?.find((widget) => widget.name === "visioncraft_text")
    return shown ? [[node.id, shown.element.value]] : []
}))"""

BADGES = """(id) => app.graph.getNodeById(id).badges
    .map((badge) => typeof badge === "function" ? badge() : badge)
    .map((badge) => [badge instanceof LGraphBadge, badge.text])
    .filter(([real, text]) => !real || text).map(([real, text]) => real ? text : null)"""

LISTEN = """async () => {
    const { api } = await import("/scripts/api.js")
    window.heard = []
    api.addEventListener("progress_state", ({ detail }) => {
        const node = detail.nodes["2"]
        if (node?.state === "running") window.heard.push(node.value / node.max)
    })
}"""


def example(name: str) -> dict[str, Any]:
    """An example that no ComfyUI has run yet."""
    workflow = json.loads((ROOT / "example_workflows" / f"VisionCraft - {name}.json").read_text())
    for node in workflow["nodes"]:
        if node["type"].startswith("VisionCraft") and node["widgets_values"][-1] == "fixed":
            node["widgets_values"][-2] = next(_seeds)
    return workflow


@pytest.fixture
def sandbox(comfyui: ComfyUI) -> Iterator[Any]:
    yield comfyui.sandbox
    comfyui.sandbox.injector.rules = ()
    comfyui.sandbox.app.latency = 0.0


def test_a_picture_that_failed_is_named_on_the_node_and_in_a_message(canvas: Canvas, sandbox: Any):
    # Four for one of the two pictures, after which nobody tries again, and three for the other.
    sandbox.injector.rules = (parse("results=500*7"),)
    canvas.drop_workflow(example("Text to picture SD"))
    canvas.run()
    assert "of 2 failed" in canvas.status()["2"]
    message = "//*[contains(text(), 'of 2 failed') and not(@title)]"  # the node's line has a title
    canvas.page.locator(f"xpath={message}").first.wait_for()


def test_the_bar_follows_the_usual_time_and_does_not_arrive_before_the_result(
    canvas: Canvas, sandbox: Any
):
    sandbox.app.latency = 1.0
    canvas.drop_workflow(example("Text to picture SDXL"))
    canvas.run()
    canvas.drop_workflow(example("Text to picture SDXL"))
    canvas.page.evaluate(LISTEN)
    canvas.run()
    heard = canvas.page.evaluate("window.heard")
    assert 0 < max(heard) <= 0.95
    assert heard == sorted(heard)


def test_a_workflow_shows_its_last_words_and_texts_again_when_its_tab_is_entered(canvas: Canvas):
    canvas.drop_workflow(example("Conversation"))
    before = canvas.state()
    canvas.run()
    said, texts = canvas.status(), canvas.page.evaluate(TEXTS)
    assert set(texts) == {"2", "3", "4"}
    assert all(texts.values())
    other = {**example("Text to picture SD"), "id": "0f5a8a4e-0000-4000-8000-000000000002"}
    canvas.drop("other.json", "application/json", json.dumps(other).encode())
    assert canvas.status() == {}
    tab = canvas.page.locator(".workflow-tabs .workflow-label").get_by_text("workflow").last
    tab.evaluate("tab => tab.click()")  # not the mouse: the page's mask sometimes stays over it
    canvas.page.wait_for_function(f"() => Object.keys(({TEXTS})()).length === 3")
    assert canvas.page.evaluate(TEXTS) == texts
    assert canvas.status() == said
    assert canvas.state() == before
    canvas.reload()
    assert canvas.page.evaluate(TEXTS) == {}
    assert canvas.state() == before


def test_an_animation_and_a_video_play_on_the_nodes_that_made_them(
    canvas: Canvas, comfyui: ComfyUI
):
    for name, suffix in (("Idea to animation", ".webp"), ("Picture to video", ".mp4")):
        canvas.drop_workflow(example(name))
        shown = comfyui.finish(canvas.run())["outputs"]["3"]
        assert shown["animated"] == [True]
        (entry,) = shown["images"]
        assert entry["type"] == "temp"
        assert entry["filename"].endswith(suffix)
        again = comfyui.finish(canvas.run())["status"]["messages"]
        (cached,) = (told["nodes"] for kind, told in again if kind == "execution_cached")
        assert {"2", "3"} <= set(cached)


def test_badges_tell_what_a_run_needs_and_makes(canvas: Canvas):
    workflow = example("Text to picture SDXL")
    canvas.drop_workflow(workflow)
    assert "premium" not in canvas.page.evaluate(BADGES, 2)
    (ours,) = (node for node in workflow["nodes"] if node["id"] == 2)
    ours["widgets_values"][1] = "sdxl-base"
    canvas.drop_workflow(workflow)
    assert "premium" in canvas.page.evaluate(BADGES, 2)
    canvas.drop_workflow(example("Text to picture SD"))
    assert "2 pictures, 1 call" in canvas.page.evaluate(BADGES, 2)
