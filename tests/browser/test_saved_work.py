"""A saved workflow holds the declared values and nothing else, whatever ended its runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from support.browser import BOTH, Canvas
from support.comfyui import ROOT, ComfyUI
from visioncraft.visioncraft_core.service.faults.rules import parse

from .seeds import fresh

STATUS = "visioncraft.status"
MODEL = "a-model-that-is-gone"
TYPES = {"png": "image/png", "webp": "image/webp", "mp4": "video/mp4"}


def example(name: str) -> dict[str, Any]:
    return fresh(
        json.loads((ROOT / "example_workflows" / f"VisionCraft - {name}.json").read_text())
    )


@pytest.fixture
def sandbox(comfyui: ComfyUI) -> Iterator[Any]:
    yield comfyui.sandbox
    comfyui.sandbox.app.latency = 0.0
    comfyui.sandbox.injector.rules = ()
    requests.post(f"{comfyui.url}/interrupt", timeout=30)


def saved_values(workflow: dict[str, Any]) -> dict[str, Any]:
    ours = [node for node in workflow["nodes"] if node["type"].startswith("VisionCraft")]
    return {str(node["id"]): node["widgets_values"] for node in ours}


def assert_clean(canvas: Canvas, workflow: dict[str, Any]) -> None:
    """Saved now it has the values of the file that was opened, and it opens again as that."""
    before = canvas.state()
    assert before["values"] == saved_values(workflow)
    canvas.drop_workflow(canvas.workflow())
    assert canvas.state() == before


@BOTH
def test_a_run_that_failed_leaves_the_file_clean(canvas: Canvas, sandbox: Any):
    workflow = example("Idea to picture")
    sandbox.injector.rules = (parse("generate-xl=422"),)
    canvas.drop_workflow(workflow)
    how, _ = canvas.run_to_end()
    assert how == "execution_error"
    canvas.page.keyboard.press("Escape")
    assert_clean(canvas, workflow)


@BOTH
def test_a_run_that_was_cancelled_leaves_the_file_clean(canvas: Canvas, sandbox: Any):
    workflow = example("Idea to picture")
    sandbox.app.latency = 600.0
    canvas.drop_workflow(workflow)
    canvas.queue(until=STATUS)
    canvas.cancel()
    assert_clean(canvas, workflow)


@BOTH
def test_a_page_that_is_reloaded_in_the_middle_leaves_the_file_clean(canvas: Canvas, sandbox: Any):
    workflow = example("Idea to picture")
    sandbox.app.latency = 600.0
    canvas.drop_workflow(workflow)
    canvas.change()  # an unchanged file is not kept for the next page
    changed = canvas.workflow()
    canvas.queue(until=STATUS)
    canvas.wait_until_kept(str(saved_values(changed)["3"][-2]))
    canvas.reload()
    assert canvas.state()["values"] == saved_values(changed)
    canvas.cancel()
    assert_clean(canvas, changed)
    sandbox.app.latency = 0.0
    canvas.run()
    assert_clean(canvas, changed)


def test_two_pages_keep_their_own_values(canvas: Canvas, new_page: Callable[[], Canvas]):
    other = new_page()
    first, second = example("Text to picture SDXL"), example("Text to picture SDXL")
    canvas.drop_workflow(first)
    other.drop_workflow(second)
    canvas.run()
    other.run()
    assert_clean(canvas, first)
    assert_clean(other, second)


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("Text to picture SDXL", "png"), ("Idea to animation", "webp"), ("Picture to video", "mp4")],
)
def test_a_result_is_a_workflow(canvas: Canvas, comfyui: ComfyUI, name: str, suffix: str):
    canvas.drop_workflow(example(name))
    ran = canvas.state()
    content = comfyui.saved_by(canvas.run(), suffix)
    canvas.drop_workflow(example("Text to picture SD"))
    canvas.drop(f"result.{suffix}", TYPES[suffix], content)
    opened = canvas.state()
    assert opened == ran


@BOTH
def test_a_refresh_keeps_a_value_that_is_gone_from_the_list(canvas: Canvas):
    workflow = example("Text to picture SDXL")
    (ours,) = (node for node in workflow["nodes"] if node["type"].startswith("VisionCraft"))
    ours["widgets_values"][1] = MODEL
    canvas.drop_workflow(workflow)
    assert canvas.state()["prompt"][str(ours["id"])]["model"] == MODEL
    canvas.page.evaluate("() => app.refreshComboInNodes()")
    canvas.shoot("refreshed")
    assert canvas.state()["prompt"][str(ours["id"])]["model"] == MODEL
    assert_clean(canvas, workflow)
