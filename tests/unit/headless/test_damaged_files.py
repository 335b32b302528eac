"""Files that ComfyUI 0.3.64 (front end 1.27.10) saved with an earlier version of this pack.

It saved the status text of a node as one more value, and took some of these lists for older ones
when it opened them. All lists here are real ones.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from visioncraft.nodes import NODE_CLASS_MAPPINGS
from visioncraft.nodes.headless import cli
from visioncraft.nodes.headless.canvas import workflow
from visioncraft.nodes.headless.canvas.widget_values import (
    declared_inputs,
    lost_values,
    widget_values,
)
from visioncraft.nodes.headless.hostnodes import NODE_CLASSES

XL = ["a fox", "sdxl-turbo", "", 512, 512, "euler", "normal", False]
CATALOG = ["models-xl", "xl", "all", 1, "fixed"]
LISTED = "models-xl: 6 names, live from the server."
TURN = ["gpt-3-5-turbo", "make it night", ""]
STRENGTH = ["a dragon", "", "DDIM", 50, 0.2, "no_refiner"]

# Saved after a run, then what is right.
LONGER = {
    "VisionCraftGenerateXL": ([*XL, 42, "fixed", "Done in 0.1 s."], {"seed": 42}),
    "VisionCraftCatalog": ([*CATALOG, False, LISTED], {"number": 1, "refresh": False}),
    "VisionCraftPremiumLLM": ([*TURN, 1, "fixed", "Done in 0.0 s."], {"chat_id": "", "seed": 1}),
    "VisionCraftGif": (["Euler", "", "", 8, 30, 2, "fixed", "Done in 4.0 s."], {"seed": 2}),
    "VisionCraftImg2Img": ([*STRENGTH, 1, "fixed", "Done in 3.7 s."], {"strength": 0.2, "seed": 1}),
    "VisionCraftLLM": (["m", "a boat", "be brief", 4, "fixed", "Done in 0.3 s."], {"seed": 4}),
}

# Opened again and saved again, then what is right and what is lost.
SHIFTED = [
    pytest.param("VisionCraftGenerateXL", [*XL, "fixed", "Done in 0.1 s."], ["seed"], id="opened"),
    pytest.param("VisionCraftGenerateXL", [*XL, None, "Done in 1.8 s."], ["seed"], id="tried"),
    pytest.param(
        "VisionCraftGenerateXL", [*XL, 0, "Done in 0.8 s.", "Done in 0.7 s."], [], id="seed chosen"
    ),
    pytest.param("VisionCraftCatalog", [*CATALOG, LISTED], ["refresh"], id="list opened"),
    pytest.param("VisionCraftCatalog", [*CATALOG, LISTED, LISTED], ["refresh"], id="list run"),
    pytest.param("VisionCraftPremiumLLM", [*TURN, "fixed", "Done in 0.0 s."], ["seed"], id="chat"),
    pytest.param(
        "VisionCraftImg2Img", [*STRENGTH, "fixed", "Done in 3.7 s."], ["seed"], id="from picture"
    ),
]


def values_of(class_type: str, saved: list[Any]) -> dict[str, Any]:
    return widget_values(declared_inputs(NODE_CLASS_MAPPINGS[class_type]), saved, None)


@pytest.mark.parametrize("class_type", LONGER)
def test_a_status_text_at_the_end_changes_nothing(class_type: str):
    saved, expected = LONGER[class_type]
    inputs = declared_inputs(NODE_CLASS_MAPPINGS[class_type])
    assert widget_values(inputs, saved, None) == widget_values(inputs, saved[:-1], None)
    assert widget_values(inputs, saved, None).items() >= expected.items()
    assert lost_values(inputs, saved) == []


@pytest.mark.parametrize(("class_type", "saved", "lost"), SHIFTED)
def test_values_that_moved_are_put_back_and_what_is_lost_has_its_default(
    class_type: str, saved: list[Any], lost: list[str]
):
    inputs = declared_inputs(NODE_CLASS_MAPPINGS[class_type])
    read = widget_values(inputs, saved, None)
    whole, _ = LONGER[class_type]
    right = widget_values(inputs, whole, None)
    changed = {"seed": 0} if "seed" in right else {"refresh": False}
    assert read == {**right, **changed}
    assert lost_values(inputs, saved) == lost


# Save Original never had a status.
@pytest.mark.parametrize("class_type", sorted({*NODE_CLASS_MAPPINGS} - {"VisionCraftSaveOriginal"}))
def test_no_node_takes_a_status_text_for_a_value(class_type: str):
    inputs = declared_inputs(NODE_CLASS_MAPPINGS[class_type])
    saved: list[Any] = []
    for name, each in inputs.items():
        if each.is_widget:
            odd = {"INT": 3, "FLOAT": 0.5, "BOOLEAN": True}.get(each.type, f"some {name}")
            saved += [odd, *(place.accepted[0] for place in each.companions())]
    plain = widget_values(inputs, saved, None)
    assert "Done in 0.1 s." not in plain.values()
    assert widget_values(inputs, [*saved, "Done in 0.1 s."], None) == plain
    assert lost_values(inputs, [*saved, "Done in 0.1 s."]) == []


def damaged_file(values: list[Any], tmp_path: Path) -> Path:
    generate = {"id": 2, "type": "VisionCraftGenerateXL", "widgets_values": values}
    generate["outputs"] = [{"name": "images", "type": "IMAGE", "links": [1]}]
    save = {"id": 3, "type": "SaveImage", "widgets_values": ["fox"]}
    save["inputs"] = [{"name": "images", "type": "IMAGE", "link": 1}]
    path = tmp_path / "damaged.json"
    links = [[1, 2, 0, 3, 0, "IMAGE"]]
    path.write_text(json.dumps({"nodes": [generate, save], "links": links, "version": 0.4}))
    return path


def test_a_run_says_what_a_file_has_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    path = damaged_file([*XL, "fixed", "Done in 0.1 s."], tmp_path)
    assert cli.main(["run", str(path), "--server", "sandbox"]) == 0
    said = capsys.readouterr().out
    assert "seed of node 2 is lost and has its default value, 0." in said
    assert (tmp_path / "output" / "fox_00001_.png").exists()


def test_nothing_is_said_of_a_file_that_lost_nothing(tmp_path: Path):
    path = damaged_file([*XL, 42, "fixed", "Done in 0.1 s."], tmp_path)
    assert workflow.load(path, {**NODE_CLASSES, **NODE_CLASS_MAPPINGS}).notes == []
