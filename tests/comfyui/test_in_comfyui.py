"""The pack in a real ComfyUI: what it shows, runs, refuses and cancels."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from PIL import Image
from support.comfyui import ComfyUI, skip_without_comfyui
from support.paths import EXAMPLES, ROOT
from visioncraft.nodes import NODE_CLASS_MAPPINGS
from visioncraft.nodes.headless import folders
from visioncraft.nodes.headless.canvas.workflow import load
from visioncraft.nodes.headless.folders import Folders
from visioncraft.nodes.headless.hostnodes import NODE_CLASSES
from visioncraft.visioncraft_core.media.animations import decode_animation
from visioncraft.visioncraft_core.sandbox import Sandbox
from visioncraft.visioncraft_core.service.faults.rules import parse

skip_without_comfyui()

WORKFLOWS = sorted(EXAMPLES.glob("*.json"))


def xl(**inputs: Any) -> dict[str, Any]:
    values = {"prompt": "a red fox", "model": "sdxl-turbo", "width": 96, "height": 64, **inputs}
    return {"class_type": "VisionCraftGenerateXL", "inputs": values}


def save(node: str = "1", slot: int = 0, prefix: str = "made") -> dict[str, Any]:
    inputs = {"images": [node, slot], "filename_prefix": prefix}
    return {"class_type": "SaveImage", "inputs": inputs}


def headless(workflow: Path, out: Path, *options: str) -> dict[str, Any]:
    """The outputs by node id of a run in a process of its own, against a fresh sandbox."""
    command = [str(Path(sys.executable).with_name("visioncraft")), "run", str(workflow)]
    with Sandbox() as sandbox:
        command += ["--server", sandbox.url, "--out", str(out), "--json", *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["outputs"]


def saved(outputs: dict[str, Any], folder: Path) -> dict[str, list[Path]]:
    """The files in the output folder by node id."""
    return {
        node: [
            folder / entry["subfolder"] / entry["filename"]
            for key in ("images", "files")
            for entry in shown.get(key, [])
            if entry["type"] == "output"
        ]
        for node, shown in outputs.items()
    }


def assert_same(ours: dict[str, Any], theirs: dict[str, Any], out: Path, comfyui: ComfyUI) -> None:
    """Both runs showed the same texts and saved the same frames, times and names."""
    theirs = {n: shown for n, shown in theirs.items() if n in ours}  # a canvas shows more nodes
    texts = [{n: s["text"] for n, s in run.items() if "text" in s} for run in (ours, theirs)]
    assert texts[0] == texts[1]
    mine, real = saved(ours, out), saved(theirs, comfyui.base / "output")
    assert {n: [p.name for p in files] for n, files in mine.items()} == {
        n: [p.name for p in files] for n, files in real.items()
    }
    for node, files in mine.items():
        for file, other in zip(files, real[node], strict=True):
            contents = [path.read_bytes() for path in (file, other)]
            moving = [decode_animation(content) for content in contents]
            difference = np.abs(moving[0].frames.astype(int) - moving[1].frames)
            # x264 does not repeat every film to the last bit; a newer ComfyUI sets it otherwise.
            most = 6 if file.suffix == ".mp4" else 0
            assert difference.mean(axis=(1, 2, 3)).max() <= most, (node, file.name)
            assert moving[0].delays == moving[1].delays
            if file.suffix == ".gif":
                assert contents[0] == contents[1]


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
    assert set(offered["ComfyUI-VisionCraft"]) == {path.stem for path in WORKFLOWS}


def test_the_translations_and_the_blueprint_are_offered(comfyui: ComfyUI):
    translated = requests.get(f"{comfyui.url}/api/i18n", timeout=30).json()
    for language in (path.name for path in (ROOT / "locales").iterdir()):
        assert set(NODE_CLASS_MAPPINGS) <= set(translated[language]["nodeDefs"])
    answer = requests.get(f"{comfyui.url}/api/global_subgraphs", timeout=30)
    if answer.status_code != 404:  # ComfyUI 0.3.64 knows none
        names = [each["name"] for each in answer.json().values()]
        assert "VisionCraft - Idea to picture" in names


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda p: p.stem)
def test_an_example_gives_the_same_as_the_headless_run(
    workflow: Path, comfyui: ComfyUI, tmp_path: Path
):
    folders.current.set(Folders(tmp_path, ()))
    graph = load(workflow, {**NODE_CLASSES, **NODE_CLASS_MAPPINGS})
    extra = {"extra_data": {"extra_pnginfo": {"workflow": graph.canvas}}}
    theirs = comfyui.run(graph.prompt(), **extra)
    ours = headless(workflow, tmp_path / "out")
    assert_same(ours, theirs, tmp_path / "out", comfyui)
    mine, real = saved(ours, tmp_path / "out"), saved(theirs, comfyui.base / "output")
    for node, files in mine.items():
        for file, other in zip(files, real[node], strict=True):
            if file.suffix == ".png":
                assert stored(file) == stored(other)


def stored(path: Path) -> tuple[Any, Any]:
    """The workflow in a picture, and the inputs of the nodes that made it."""
    with Image.open(path) as image:
        prompt = json.loads(image.text["prompt"])
        inputs = {node_id: node["inputs"] for node_id, node in prompt.items()}
        return json.loads(image.text["workflow"]), inputs


def test_a_gif_can_be_saved_as_video_with_the_defaults(comfyui: ComfyUI, tmp_path: Path):
    gif = {"sampler": "Euler", "prompt": "a boat on the sea"}
    film = {"filename_prefix": "gif/film", "format": "auto", "codec": "auto"}
    graph = {
        "1": {"class_type": "VisionCraftGif", "inputs": gif},
        "2": {"class_type": "SaveVideo", "inputs": {"video": ["1", 2], **film}},
        "3": {
            "class_type": "VisionCraftSaveOriginal",
            "inputs": {"original": ["1", 3], "filename_prefix": "gif/original"},
        },
    }
    workflow = tmp_path / "gif.json"
    workflow.write_text(json.dumps(graph))
    theirs = comfyui.run(graph)
    assert_same(headless(workflow, tmp_path / "out"), theirs, tmp_path / "out", comfyui)
    path = saved(theirs, comfyui.base / "output")["2"][0]
    animation = decode_animation(path.read_bytes())
    assert (len(animation.frames), animation.fps) == (16, pytest.approx(12.5))
    preview = theirs["3"]["images"][0]
    assert preview["type"] == "temp"
    assert preview["filename"].endswith(".webp")
    assert theirs["3"]["animated"] == [True]


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


def test_a_node_that_blocks_the_loop_delays_no_call(comfyui: ComfyUI):
    graph = {
        "1": xl(prompt="beside a sampler"),
        "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 2]}},
        "3": {"class_type": "TestBlocksTheLoop", "inputs": {"seconds": 3.0}},
    }
    (told,) = comfyui.run(graph)["2"]["text"]
    assert json.loads(told)["seconds"] < 0.5  # 0.1 on an idle computer


def test_a_node_that_gave_only_a_part_runs_again_without_paying_for_the_rest(comfyui: ComfyUI):
    graph = {
        "1": xl(prompt="one of two"),
        "2": {"class_type": "RepeatImageBatch", "inputs": {"image": ["1", 0], "amount": 2}},
        "3": {"class_type": "VisionCraftUpscale", "inputs": {"image": ["2", 0]}},
        "4": save("3", prefix="part"),
    }
    comfyui.sandbox.injector.rules = (parse("upscale=500*1"),)
    try:
        before = comfyui.sandbox.requests.count("POST /upscale")
        assert len(comfyui.run(graph)["4"]["images"]) == 1
        assert len(comfyui.run(graph)["4"]["images"]) == 2
        assert comfyui.sandbox.requests.count("POST /upscale") == before + 3
        again = comfyui.queue(graph).json()["prompt_id"]  # whole now, so nothing is left to run
        messages = comfyui.finish(again)["status"]["messages"]
        (cached,) = [told["nodes"] for kind, told in messages if kind == "execution_cached"]
        assert set(cached) == {"1", "2", "3", "4"}
    finally:
        comfyui.sandbox.injector.rules = ()
