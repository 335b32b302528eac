"""The example workflows: tidy, legal, and each one runs."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.paths import EXAMPLES, ROOT
from thumbnails import SIZE, square, still
from visioncraft.nodes import NODE_CLASS_MAPPINGS
from visioncraft.nodes.headless import folders
from visioncraft.nodes.headless.canvas.workflow import Link, load
from visioncraft.nodes.headless.cli import main
from visioncraft.nodes.headless.folders import Folders
from visioncraft.nodes.headless.hostnodes import NODE_CLASSES
from visioncraft.visioncraft_core.sandbox import Sandbox

WORKFLOWS = sorted(EXAMPLES.glob("*.json"))
CLASSES: dict[str, Any] = {**NODE_CLASSES, **NODE_CLASS_MAPPINGS}
TITLE_BAR = 30  # ComfyUI draws it above a node's position

each = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.stem)


def run(path: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    with Sandbox() as sandbox:
        arguments = ["--server", sandbox.url, "--out", str(out), "--json"]
        assert main(["run", str(path), *arguments]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_examples_of_this_release_are_there():
    assert {path.stem.removeprefix("VisionCraft - ") for path in WORKFLOWS} == {
        *("Idea to picture", "Idea to animation", "Idea to large picture", "Picture to video"),
        *("Text to picture SD", "Text to picture SDXL", "Four strengths"),
        *("Compare five models", "LoRA stack", "Two servers"),
        *("Conversation", "Premium chat"),
    }


def test_every_node_is_shown_in_an_example():
    used = {n["type"] for p in WORKFLOWS for n in json.loads(p.read_text("utf-8"))["nodes"]}
    assert set(NODE_CLASS_MAPPINGS) <= used


@each
def test_it_runs_headless_and_its_thumbnail_is_made_from_that_run(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    told = run(path, tmp_path, capsys)
    saved = [i for shown in told["outputs"].values() for i in shown.get("images", [])]
    assert saved
    picture = still(Path(saved[0]["path"]))
    with Image.open(path.with_suffix(".jpg")) as thumbnail:
        assert thumbnail.size == SIZE
        assert path.with_suffix(".jpg").stat().st_size < 100_000
        small = np.asarray(square(picture)).astype(int)
        assert np.abs(small - np.asarray(thumbnail)).mean() < 6


@each
def test_every_widget_holds_a_legal_value(path: Path):
    folders.current.set(Folders(Path(), ()))
    for node in load(path, CLASSES).nodes.values():
        declared = CLASSES[node.class_type].INPUT_TYPES()
        inputs = {**declared["required"], **declared.get("optional", {})}
        for name, value in node.inputs.items():
            if isinstance(value, Link):
                continue
            kind, options = inputs[name][0], inputs[name][1]
            if isinstance(kind, list):
                assert value in kind, (node.class_type, name)
            elif kind in ("INT", "FLOAT"):
                assert options["min"] <= value <= options["max"], (node.class_type, name)
            else:
                assert isinstance(value, {"STRING": str, "BOOLEAN": bool}[kind])


@each
def test_its_widget_values_are_as_many_as_the_node_has_widgets(path: Path):
    for node in json.loads(path.read_text("utf-8"))["nodes"]:
        if node["type"] not in NODE_CLASS_MAPPINGS:
            continue
        declared = CLASSES[node["type"]].INPUT_TYPES()
        inputs = {**declared["required"], **declared.get("optional", {})}.values()
        kinds = ("STRING", "INT", "FLOAT", "BOOLEAN")
        widgets = [
            i
            for i in inputs
            if isinstance(i[0], list) or i[0] in kinds and not i[1].get("forceInput")
        ]
        controls = [i for i in widgets if i[1].get("control_after_generate")]
        assert len(node["widgets_values"]) == len(widgets) + len(controls)


@each
def test_it_is_tidy_on_the_canvas_and_says_what_it_shows(path: Path):
    canvas = json.loads(path.read_text("utf-8"))
    assert canvas["version"] == 0.4
    assert [n for n in canvas["nodes"] if n["type"] == "MarkdownNote" and n["widgets_values"][0]]
    boxes = [(n["pos"][0], n["pos"][1] - TITLE_BAR, *n["size"]) for n in canvas["nodes"]]
    for (x1, y1, w1, h1), (x2, y2, w2, h2) in itertools.combinations(boxes, 2):
        apart = x1 + w1 <= x2 or x2 + w2 <= x1
        apart = apart or y1 + h1 + TITLE_BAR <= y2 or y2 + h2 + TITLE_BAR <= y1
        assert apart


@each
def test_its_links_agree_on_both_ends(path: Path):
    canvas = json.loads(path.read_text("utf-8"))
    nodes = {node["id"]: node for node in canvas["nodes"]}
    for link, source, slot, target, place, kind in canvas["links"]:
        assert link in nodes[source]["outputs"][slot]["links"]
        assert nodes[target]["inputs"][place]["link"] == link
        assert nodes[source]["outputs"][slot]["type"] == kind
    assert canvas["last_node_id"] == max(nodes)
    assert canvas["last_link_id"] == max(link[0] for link in canvas["links"])


@each
def test_it_holds_no_key_and_no_path_of_a_computer(path: Path):
    text = path.read_text("utf-8").lower()
    assert not [
        word for word in ("/home/", "/users/", "c:\\", "sandbox-free", "token") if word in text
    ]


def test_the_blueprint_is_one_subgraph_whose_nodes_are_ours_and_legal(tmp_path: Path):
    (path,) = (ROOT / "subgraphs").glob("*.json")
    canvas = json.loads(path.read_text("utf-8"))
    (instance,), (definition,) = canvas["nodes"], canvas["definitions"]["subgraphs"]
    assert instance["type"] == definition["id"]
    # ComfyUI calls a blueprint by its file.
    assert instance["title"] == definition["name"] == path.stem
    answer, picture = load(path, CLASSES).nodes.values()
    assert (answer.class_type, picture.class_type) == ("VisionCraftLLM", "VisionCraftGenerateXL")
    assert isinstance(picture.inputs["prompt"], Link)
    test_every_widget_holds_a_legal_value(path)


def test_a_picture_holds_its_workflow_and_runs_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    first = run(EXAMPLES / "VisionCraft - Text to picture SDXL.json", tmp_path, capsys)
    picture = next(i["path"] for s in first["outputs"].values() for i in s.get("images", []))
    again = run(Path(picture), tmp_path, capsys)
    repeated = next(i["path"] for s in again["outputs"].values() for i in s.get("images", []))
    assert repeated != picture
    with Image.open(picture) as a, Image.open(repeated) as b:
        assert np.array_equal(np.asarray(a), np.asarray(b))
