"""What a node says and what a file keeps, in the front ends of real ComfyUIs."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import requests
from support.browser import Canvas
from support.comfyui import ROOT, ComfyUI, skip_without_comfyui

if importlib.util.find_spec("playwright") is None or shutil.which("chromium") is None:
    pytest.skip(
        'no browser found: pip install -e ".[browser]", and put Chromium on the PATH as chromium',
        allow_module_level=True,
    )
skip_without_comfyui()

EXAMPLES = sorted((ROOT / "example_workflows").glob("*.json"))
SILENT = {"VisionCraftServer", "VisionCraftLoraStack", "VisionCraftSaveOriginal"}


def example(name: str) -> dict[str, Any]:
    return json.loads((ROOT / "example_workflows" / f"{name}.json").read_text())


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


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_an_example_keeps_its_values_through_runs_and_files(
    path: Path, canvas: Canvas, comfyui: ComfyUI
):
    workflow = json.loads(path.read_text())
    canvas.drop_workflow(workflow)
    first = canvas.state()

    canvas.run()
    said = canvas.status()
    assert set(said) == speakers(workflow)
    assert all(said.values())
    ran = canvas.state()
    assert {**ran, "sizes": first["sizes"]} == first  # a node may grow for its first words

    canvas.drop_workflow(canvas.workflow())
    assert canvas.status() == {}
    assert canvas.state() == ran

    canvas.change()
    ran = canvas.state()
    prompt_id = canvas.run()
    assert set(canvas.status()) == speakers(workflow)
    assert canvas.state() == ran

    canvas.reload()
    assert canvas.state() == ran

    if png := png_of(comfyui, prompt_id):
        canvas.drop("picture.png", "image/png", png)
        assert canvas.state() == ran
