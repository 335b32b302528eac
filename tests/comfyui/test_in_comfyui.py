"""The pack in a real ComfyUI: what it shows, runs, refuses and cancels."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from conftest import gradient, png_of
from PIL import Image
from visioncraft.nodes import NODE_CLASS_MAPPINGS
from visioncraft.nodes.headless import folders
from visioncraft.nodes.headless.cli import main
from visioncraft.nodes.headless.folders import Folders
from visioncraft.nodes.headless.hostnodes import NODE_CLASSES
from visioncraft.nodes.headless.workflow import load
from visioncraft.visioncraft_core.sandbox.server import Sandbox

from comfyui.conftest import ComfyUI, skip_without_comfyui

skip_without_comfyui()

EXAMPLES = sorted((Path(__file__).parents[2] / "example_workflows").glob("*.json"))


def xl(**inputs: Any) -> dict[str, Any]:
    values = {"prompt": "a red fox", "model": "sdxl-turbo", "width": 96, "height": 64, **inputs}
    return {"class_type": "VisionCraftGenerateXL", "inputs": values}


def save(node: str = "1", slot: int = 0, prefix: str = "made") -> dict[str, Any]:
    inputs = {"images": [node, slot], "filename_prefix": prefix}
    return {"class_type": "SaveImage", "inputs": inputs}


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def headless(
    workflow: Path, out: Path, capsys: pytest.CaptureFixture[str], *options: str
) -> dict[str, Any]:
    """The outputs by node id of a run against a sandbox that was asked nothing before."""
    with Sandbox() as sandbox:
        arguments = ["--server", sandbox.url, "--out", str(out), "--json", *options]
        assert main(["run", str(workflow), *arguments]) == 0
    return json.loads(capsys.readouterr().out)["outputs"]


def images(outputs: dict[str, Any], folder: Path) -> dict[str, list[tuple[str, np.ndarray]]]:
    """Names and pixels of the saved pictures by node id."""
    return {
        node: [
            (f"{i['subfolder']}/{i['filename']}", pixels(folder / i["subfolder"] / i["filename"]))
            for i in shown["images"]
            if i["type"] == "output"
        ]
        for node, shown in outputs.items()
        if "images" in shown
    }


def assert_same(ours: dict[str, Any], theirs: dict[str, Any], out: Path, comfyui: ComfyUI) -> None:
    texts = [{n: s["text"] for n, s in run.items() if "text" in s} for run in (ours, theirs)]
    assert texts[0] == texts[1]
    saved, real = images(ours, out), images(theirs, comfyui.base / "output")
    assert {n: [name for name, _ in s] for n, s in saved.items()} == {
        n: [name for name, _ in s] for n, s in real.items()
    }
    for node, pictures in saved.items():
        for (_, mine), (_, its) in zip(pictures, real[node], strict=True):
            assert np.array_equal(mine, its), node


def test_the_nodes_are_there_with_all_their_inputs(comfyui: ComfyUI):
    for node_id, cls in NODE_CLASS_MAPPINGS.items():
        shown = requests.get(f"{comfyui.url}/object_info/{node_id}", timeout=30).json()[node_id]
        declared: Any = cls
        expected = declared.INPUT_TYPES()
        assert set(shown["input"]["required"]) == set(expected["required"])
        assert set(shown["input"].get("optional", {})) == set(expected.get("optional", {}))
        assert shown["output_name"] == list(declared.RETURN_NAMES)
        assert shown["category"].startswith("VisionCraft/")


def test_the_example_workflows_are_offered_as_templates(comfyui: ComfyUI):
    offered = requests.get(f"{comfyui.url}/api/workflow_templates", timeout=30).json()
    assert set(offered["ComfyUI-VisionCraft"]) == {path.stem for path in EXAMPLES}


@pytest.mark.parametrize("workflow", EXAMPLES, ids=lambda p: p.stem)
def test_an_example_gives_the_same_as_the_headless_run(
    workflow: Path, comfyui: ComfyUI, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folders.current.set(Folders(tmp_path, ()))
    graph = load(workflow, {**NODE_CLASSES, **NODE_CLASS_MAPPINGS})
    extra = {"extra_data": {"extra_pnginfo": {"workflow": graph.canvas}}}
    theirs = comfyui.run(graph.prompt(), **extra)
    ours = headless(workflow, tmp_path / "out", capsys)
    assert_same(ours, theirs, tmp_path / "out", comfyui)
    for shown in theirs.values():
        for entry in shown.get("images", []):
            name = Path(entry["subfolder"]) / entry["filename"]
            with (
                Image.open(comfyui.base / "output" / name) as its,
                Image.open(tmp_path / "out" / name) as mine,
            ):
                assert json.loads(mine.text["workflow"]) == json.loads(its.text["workflow"])
                values = [json.loads(i.text["prompt"]) for i in (mine, its)]
                inputs = [{n: node["inputs"] for n, node in v.items()} for v in values]
                assert inputs[0] == inputs[1]


def host_graph() -> dict[str, Any]:
    graph: dict[str, Any] = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "photo.png"}},
        "2": {"class_type": "PrimitiveString", "inputs": {"value": "a"}},
        "3": {"class_type": "PrimitiveStringMultiline", "inputs": {"value": "b\nc"}},
        "4": {
            "class_type": "StringConcatenate",
            "inputs": {"string_a": ["2", 0], "string_b": ["3", 0], "delimiter": " + "},
        },
        "5": {"class_type": "PreviewAny", "inputs": {"source": ["4", 0]}},
        "6": {"class_type": "PrimitiveInt", "inputs": {"value": 40}},
        "7": {"class_type": "PrimitiveFloat", "inputs": {"value": 0.5}},
        "8": {"class_type": "PreviewAny", "inputs": {"source": ["7", 0]}},
        "9": save("1", prefix="host/%width%x%height%"),
    }
    sizes = [
        (40, 24, "disabled"),
        (["6", 0], 40, "center"),
        (30, 50, "center"),
        (0, 17, "disabled"),
    ]
    methods = ["nearest-exact", "bilinear", "area", "bicubic", "lanczos"]
    for number, (method, (width, height, crop)) in enumerate(
        (method, size) for method in methods for size in sizes
    ):
        inputs = {"upscale_method": method, "width": width, "height": height, "crop": crop}
        graph[f"{number}s"] = {"class_type": "ImageScale", "inputs": {"image": ["1", 0], **inputs}}
        graph[f"{number}b"] = {
            "class_type": "ImageBatch",
            "inputs": {"image1": ["1", 0], "image2": [f"{number}s", 0]},
        }
        graph[f"{number}t"] = save(f"{number}s", prefix=f"host/{number}s")
        graph[f"{number}u"] = save(f"{number}b", prefix=f"host/{number}b")
    return graph


def test_the_host_nodes_do_what_the_real_ones_do(
    comfyui: ComfyUI, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    picture = png_of(np.dstack([gradient(61, 37), gradient(61, 37)[..., 0]]))
    (comfyui.base / "input" / "photo.png").write_bytes(picture)
    (tmp_path / "photo.png").write_bytes(picture)
    workflow = tmp_path / "host.json"
    workflow.write_text(json.dumps(host_graph()))
    theirs = comfyui.run(host_graph())
    ours = headless(workflow, tmp_path / "out", capsys)
    assert_same(ours, theirs, tmp_path / "out", comfyui)


def test_the_built_in_sandbox_draws_inside_comfyui(comfyui: ComfyUI):
    server = {"class_type": "VisionCraftServer", "inputs": {"profile": "sandbox"}}
    show = {"class_type": "PreviewAny", "inputs": {"source": ["1", 2]}}
    outputs = comfyui.run({"0": server, "1": xl(server=["0", 0]), "2": save(), "3": show})
    told = json.loads(outputs["3"]["text"][0])
    assert told["server"] != comfyui.sandbox.url
    assert told["pictures"] == ["96x64"]
    assert "2" in outputs


@pytest.mark.parametrize(
    ("inputs", "complaint"),
    [
        ({"prompt": "  "}, "prompt is empty"),
        ({"width": 5000}, "bigger than max of 1024"),
        ({"height": 8}, "smaller than min of 64"),
    ],
)
def test_a_bad_value_is_refused_before_the_queue_runs(
    inputs: dict[str, Any], complaint: str, comfyui: ComfyUI
):
    before = comfyui.sandbox.requests
    answer = comfyui.queue({"1": xl(**inputs), "2": save()})
    assert answer.status_code == 400
    assert complaint in answer.text
    assert comfyui.sandbox.requests == before


def test_a_name_the_pack_does_not_know_passes_and_the_server_judges(comfyui: ComfyUI):
    answer = comfyui.queue({"1": xl(model="model-of-tomorrow"), "2": save()})
    status = comfyui.finish(answer.json()["prompt_id"])["status"]
    error = next(m[1] for m in status["messages"] if m[0] == "execution_error")
    assert error["exception_type"] == "visioncraft.FieldRejected"
    assert "model-of-tomorrow" in error["exception_message"]


def test_interrupting_ends_every_waiting_node_and_the_server_lives_on(comfyui: ComfyUI):
    comfyui.sandbox.app.latency = 20.0
    try:
        graph = {"1": xl(), "2": save(), "3": xl(prompt="a boat"), "4": save("3")}
        prompt_id = comfyui.queue(graph).json()["prompt_id"]
        before = len(comfyui.sandbox.requests)
        end = time.monotonic() + 10
        while len(comfyui.sandbox.requests) < before + 2 and time.monotonic() < end:
            time.sleep(0.02)
        pressed = time.monotonic()
        requests.post(f"{comfyui.url}/interrupt", timeout=10)
        entry = comfyui.finish(prompt_id)
        assert time.monotonic() - pressed < 1.0
    finally:
        comfyui.sandbox.app.latency = 0.0
    kinds = [message[0] for message in entry["status"]["messages"]]
    assert "execution_interrupted" in kinds
    assert "execution_error" not in kinds
    assert comfyui.run({"1": xl(seed=7), "2": save()})["2"]["images"]


def test_two_nodes_wait_at_the_same_time(comfyui: ComfyUI):
    comfyui.sandbox.app.latency = 1.0
    try:
        graph = {
            **{f"{n}": xl(prompt=f"idea {n}", seed=n) for n in range(3)},
            **{f"{n}s": save(f"{n}") for n in range(3)},
        }
        started = time.monotonic()
        comfyui.run(graph)
        assert time.monotonic() - started < 2.9
    finally:
        comfyui.sandbox.app.latency = 0.0
