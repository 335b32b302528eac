"""What a node says and what a file keeps, in the front ends of real ComfyUIs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import requests
from support.browser import BOTH, Canvas
from support.comfyui import ROOT, ComfyUI

from .seeds import fresh

EXAMPLES = sorted((ROOT / "example_workflows").glob("*.json"))
SILENT = {"VisionCraftServer", "VisionCraftLoraStack", "VisionCraftSaveOriginal"}


_seeds = count(1000)


def picture() -> dict[str, Any]:
    """A workflow that makes a picture with node 2, which no ComfyUI has run yet."""
    workflow = json.loads(
        (ROOT / "example_workflows" / "VisionCraft - Text to picture SDXL.json").read_text()
    )
    (ours,) = (node for node in workflow["nodes"] if node["id"] == 2)
    ours["widgets_values"][-2] = next(_seeds)
    return workflow


def speakers(workflow: dict[str, Any]) -> set[str]:
    ours = [node for node in workflow["nodes"] if node["type"].startswith("VisionCraft")]
    return {str(node["id"]) for node in ours if node["type"] not in SILENT}


def png_of(comfyui: ComfyUI, prompt_id: str) -> bytes | None:
    """A picture that a run saved."""
    outputs = comfyui.finish(prompt_id)["outputs"].values()
    saved = [entry for shown in outputs for entry in shown.get("images", [])]
    for entry in saved:
        if entry["type"] == "output" and entry["filename"].endswith(".png"):
            return requests.get(f"{comfyui.url}/view", params=entry, timeout=30).content
    return None


@BOTH
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_an_example_keeps_its_values_through_runs_and_files(
    path: Path, canvas: Canvas, comfyui: ComfyUI
):
    workflow = fresh(json.loads(path.read_text()))
    canvas.drop_workflow(workflow)
    first = canvas.state()

    canvas.run()
    said = canvas.status()
    # A node that no value of was changed says nothing: ComfyUI has its results.
    assert said
    assert set(said) <= speakers(workflow)
    assert all(said.values())
    ran = canvas.state()
    assert ran == first

    canvas.drop_workflow(canvas.workflow())
    assert canvas.status() == said
    assert canvas.state() == ran

    canvas.change()
    ran = canvas.state()
    prompt_id = canvas.run()
    assert canvas.state() == ran

    if png := png_of(comfyui, prompt_id):
        canvas.drop("picture.png", "image/png", png)
        assert canvas.state() == ran


def interrupt(comfyui: ComfyUI) -> None:
    requests.post(f"{comfyui.url}/interrupt", timeout=30)


@pytest.fixture
def slow(comfyui: ComfyUI) -> Iterator[None]:
    """No answer comes while a test looks."""
    comfyui.sandbox.app.latency = 600.0
    yield
    comfyui.sandbox.app.latency = 0.0
    interrupt(comfyui)


@pytest.mark.usefixtures("slow")
def test_a_cancelled_node_does_not_go_on_waiting(canvas: Canvas, comfyui: ComfyUI):
    canvas.drop_workflow(picture())
    canvas.queue()
    canvas.wait_for_status("2", "waiting")
    interrupt(comfyui)
    canvas.wait_for_status("2", "Stopped.")


@pytest.mark.usefixtures("slow")
def test_another_workflow_shows_nothing_of_what_runs(canvas: Canvas):
    workflow = picture()
    canvas.drop_workflow(workflow)
    canvas.queue()
    canvas.wait_for_status("2", "waiting")
    canvas.drop_workflow({**workflow, "id": "0f5a8a4e-0000-4000-8000-000000000001"})
    canvas.wait_for_event("visioncraft.status")
    assert canvas.status() == {}


def test_another_page_shows_nothing_of_what_runs(canvas: Canvas, new_page: Callable[[], Canvas]):
    workflow = picture()
    other = new_page()
    for page in (canvas, other):
        page.drop_workflow(workflow)
    canvas.run()
    other.run()  # for it, all is known already; what was sent to it before has come
    assert set(canvas.status()) == {"2"}
    assert other.status() == {}


def test_a_node_in_a_subgraph_says_what_it_does(canvas: Canvas):
    canvas.drop_workflow(picture())
    canvas.page.evaluate(
        "() => { app.graph.convertToSubgraph(new Set([app.graph.getNodeById(2)])) }"
    )
    canvas.run()
    ((node, text),) = canvas.status().items()
    assert ":" in node
    assert text.startswith("Done in")


def of_length(values: list[Any], workflow: dict[str, Any]) -> dict[str, Any]:
    (ours,) = (node for node in workflow["nodes"] if node["type"] == "VisionCraftGenerateXL")
    ours["widgets_values"] = values
    return workflow


def test_a_file_with_a_status_text_in_it_is_read_as_it_was_meant(canvas: Canvas):
    workflow = picture()
    canvas.drop_workflow(workflow)
    right = canvas.state()
    values = right["values"]["2"]
    canvas.drop_workflow(of_length([*values, "Done in 0.1 s."], workflow))
    assert canvas.state() == right


def test_a_file_that_lost_a_value_gets_its_default_and_the_user_is_told(canvas: Canvas):
    workflow = picture()
    canvas.drop_workflow(workflow)
    right = canvas.state()
    *values, _seed, control = right["values"]["2"]
    canvas.drop_workflow(of_length([*values, control, "Done in 0.1 s."], workflow))
    assert canvas.state()["values"]["2"] == [*values, 0, control]
    assert canvas.state()["prompt"]["2"] == {**right["prompt"]["2"], "seed": 0}
    canvas.page.get_by_text("seed of node 2").first.wait_for()
