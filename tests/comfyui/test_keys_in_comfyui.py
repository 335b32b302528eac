"""A marked key in the environment of a real ComfyUI is in nothing that it shows, logs or saves."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from support.comfyui import ComfyUI, find_all, running, skip_without_comfyui
from support.relay import GRAPH, KEY, Relay, assert_hidden, node, relay, shown_of
from visioncraft.nodes import NODE_CLASS_MAPPINGS
from visioncraft.visioncraft_core.sandbox import Sandbox
from visioncraft.visioncraft_core.service.faults.rules import parse

skip_without_comfyui()

FILM = {"filename_prefix": "film", "format": "auto", "codec": "auto"}
MOVING = {"filename_prefix": "moving", "fps": 6.0, "lossless": False, "quality": 80}
# Every node, and every kind of file.
ALL = {
    **GRAPH,
    "1": node("VisionCraftServer", profile="environment"),
    "10": node("VisionCraftLoraStack", lora="0mib3_v10", weight=1.0, enabled=True),
    "11": node(
        "VisionCraftGenerate", model="anything_V5", sampler="Euler", prompt="a", loras=["10", 0]
    ),
    "12": node("VisionCraftLLM", model="mistral-7b-instruct", prompt="a fox"),
    "13": node("VisionCraftGif", sampler="Euler", prompt=["12", 0]),
    "14": node("SaveAnimatedWEBP", images=["13", 0], method="default", **MOVING),
    "15": node("VisionCraftSaveOriginal", original=["13", 3], filename_prefix="original"),
    "16": node("VisionCraftImg2Video", image=["11", 0]),
    "17": node("SaveVideo", video=["16", 0], **FILM),
}
EVERY_WORD = """
import logging, urllib3

root = logging.getLogger()
for each in (root, *root.handlers):
    each.setLevel(10)
for name in list(root.manager.loggerDict):  # ComfyUI 0.33's database switches them off
    logging.getLogger(name).disabled = False
NODE_CLASS_MAPPINGS = {}
"""
SHOWN = (
    *("history", "queue", "object_info", "system_stats", "settings", "workflow_templates"),
    *("userdata?dir=.&recurse=true", "extensions", "internal/logs", "internal/logs/raw"),
)


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ComfyUI, Relay]]:
    """A ComfyUI with the marked key in its environment, logging all it can, and its server."""
    base = tmp_path_factory.mktemp("comfyui-with-key")
    nodes = base / "custom_nodes"
    nodes.mkdir()
    (nodes / "every_word.py").write_text(EVERY_WORD)
    with Sandbox() as sandbox, relay(sandbox) as server:
        settings = base / "user" / "__visioncraft"
        settings.mkdir(parents=True)
        entry = {"environment": {"result_hosts": [server.result_host]}}
        (settings / "profiles.json").write_text(json.dumps({"profiles": entry}))
        environment = {n: v for n, v in os.environ.items() if not n.startswith("VISIONCRAFT_")}
        environment |= {"VISIONCRAFT_API_KEY": KEY, "VISIONCRAFT_BASE_URL": server.url}
        environment |= {"NO_PROXY": "*"}
        with running(find_all()[0], base, sandbox, environment) as comfyui:
            yield comfyui, server


def assert_shows_no_key(comfyui: ComfyUI) -> None:
    for place in SHOWN:
        answer = requests.get(f"{comfyui.url}/{place}", timeout=30)
        assert answer.status_code in (200, 404), place
        assert_hidden(answer.content, repr(answer.headers))
    for path in comfyui.base.rglob("*"):
        if path.is_file() and "custom_nodes" not in path.parts:
            assert_hidden(str(path), shown_of(path))


def queue(comfyui: ComfyUI, graph: dict[str, Any]) -> dict[str, Any]:
    answer = comfyui.queue(graph, extra_data={"extra_pnginfo": {"workflow": {"nodes": []}}})
    assert_hidden(answer.content, requests.get(f"{comfyui.url}/queue", timeout=30).content)
    assert answer.status_code == 200, answer.text
    return comfyui.finish(answer.json()["prompt_id"])


def test_no_node_no_page_no_log_and_no_file_shows_the_key(marked: tuple[ComfyUI, Relay]):
    comfyui, server = marked
    assert {n["class_type"] for n in ALL.values()} >= set(NODE_CLASS_MAPPINGS)
    entry = queue(comfyui, ALL)
    assert entry["status"]["status_str"] == "success", json.dumps(entry["status"])
    assert KEY.encode() in b"".join(server.heard)
    assert server.heard_at_results
    assert_hidden(*server.heard_at_results)
    saved = {path.suffix for path in (comfyui.base / "output").rglob("*")}
    assert saved >= {".png", ".webp", ".gif", ".mp4"}
    assert '"POST /generate-xl HTTP/1.1" 200' in comfyui.log.read_text()  # all it can log
    assert_shows_no_key(comfyui)


@pytest.mark.parametrize("fault", ["echo", "403-key", "link:http://127.0.0.1:1/?token=" + KEY])
def test_no_error_shows_the_key(fault: str, marked: tuple[ComfyUI, Relay]):
    comfyui, _ = marked
    comfyui.sandbox.injector.rules = (parse(f"generate-xl={fault}"),)
    graph = {"1": GRAPH["2"], "2": node("SaveImage", images=["1", 0], filename_prefix="made")}
    graph["1"] = node("VisionCraftGenerateXL", **{**GRAPH["2"]["inputs"], "server": ["3", 0]})
    graph["1"]["inputs"]["seed"] = len(fault)
    graph["3"] = ALL["1"]
    try:
        entry = queue(comfyui, graph)
    finally:
        comfyui.sandbox.injector.rules = ()
    assert entry["status"]["status_str"] == "error"
    assert "Traceback" in comfyui.log.read_text()
    assert_shows_no_key(comfyui)


def test_the_settings_folder_is_not_served(marked: tuple[ComfyUI, Relay]):
    comfyui, _ = marked
    for place in (
        *("userdata/profiles.json", "userdata/..%2F__visioncraft%2Fprofiles.json"),
        *("userdata/__visioncraft%2Fprofiles.json", "view?filename=profiles.json&type=user"),
        "view?filename=profiles.json&type=output&subfolder=../user/__visioncraft",
    ):
        answer = requests.get(f"{comfyui.url}/{place}", timeout=30)
        assert answer.status_code >= 400, place
    headers = {"comfy-user": "__visioncraft"}
    answer = requests.get(f"{comfyui.url}/userdata/profiles.json", headers=headers, timeout=30)
    assert answer.status_code >= 400
