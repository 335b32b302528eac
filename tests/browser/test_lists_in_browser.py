"""Lists, prefixes, prompts with alternatives, errors and the menu of a node, in real front ends."""

from __future__ import annotations

import json
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image
from support.browser import BOTH, RUN, Canvas
from support.canvas_files import canvas as canvas_file
from support.canvas_files import node
from support.comfyui import ComfyUI
from visioncraft.nodes import NODE_CLASS_MAPPINGS
from visioncraft.nodes.headless import prefixes
from visioncraft.nodes.headless.canvas.workflow import parse
from visioncraft.nodes.headless.hostnodes import NODE_CLASSES
from visioncraft.visioncraft_core.api.catalogs import Catalogs, bundled

_seeds = count(7000)

COMMAND = "(id) => app.extensionManager.command.execute(id)"
CHOICES = (
    """() => app.graph.getNodeById(2).widgets.find(({ name }) => name === "model").options.values"""
)
MARK = """() => {
    const { options, value } = app.graph.getNodeById(2).widgets.find(({ name }) => name === "model")
    return options.getOptionLabel(value)
}"""
# The item as a click on it would find it, in front ends with and without getNodeMenuItems.
CLICK = """async ([text, profile]) => {
    const node = app.graph.getNodeById(2)
    const items = app.canvas.getNodeMenuOptions(node)
    const item = items.find((each) => each?.content?.startsWith(text))
    const chosen = profile ? item.submenu.options.find((each) => each.content === profile) : item
    await chosen.callback()
}"""


def picture(**changes: Any) -> dict[str, Any]:
    """A workflow that makes a small picture with node 2."""
    values = {"prompt": "a fox", "model": "sdxl-turbo", "negative": "", "width": 64, "height": 64}
    others = {"sampler": "euler", "scheduler": "normal", "refiner": False, "seed": next(_seeds)}
    made = [*{**values, **others, **changes}.values(), "fixed"]
    nodes = [node(2, "VisionCraftGenerateXL", values=made), node(3, "SaveImage", values=["lists"])]
    content = canvas_file(nodes, (2, 0, 3, "images", "IMAGE"))
    return {**content, "last_node_id": 3, "last_link_id": 1}  # more nodes and links may be added


def prompt(canvas: Canvas) -> dict[str, Any]:
    return canvas.page.evaluate("async () => (await app.graphToPrompt()).output")


@BOTH
def test_a_value_that_is_gone_stays_is_marked_and_lists_change_without_a_restart(
    canvas: Canvas, comfyui: ComfyUI
):
    outdated = ["sdxl-turbo", "outdated"]
    Catalogs(comfyui.base / "user" / "__visioncraft", comfyui.sandbox.url).save(
        "models-xl", outdated
    )
    canvas.page.evaluate("() => app.refreshComboInNodes()")  # R
    canvas.drop_workflow(picture(model="outdated"))
    canvas.page.evaluate(COMMAND, "VisionCraft.RefreshLists")
    canvas.page.wait_for_function(
        f"(names) => `${{({CHOICES})()}}` === `${{names}}`", arg=bundled()["models-xl"]
    )
    canvas.shoot("gone")
    assert prompt(canvas)["2"]["inputs"]["model"] == "outdated"
    assert canvas.page.evaluate(MARK) == "outdated (not in the list)"
    canvas.drop_workflow(canvas.workflow())
    assert prompt(canvas)["2"]["inputs"]["model"] == "outdated"
    how, error = canvas.page.evaluate(RUN)
    assert how == "execution_error"  # the server decides
    assert "doesn't have model outdated" in error["exception_message"]


@pytest.mark.parametrize(
    ("prefix", "where"),
    [("%date:yyyy-MM-dd%/%VisionCraftGenerateXL.width%_%Server.profile%", "4"), ("plain", "4")],
)
def test_a_prefix_of_save_original_is_filled_in_as_without_a_front_end(
    prefix: str, where: str, canvas: Canvas
):
    xl = ["a fox", "sdxl-turbo", "", 64, 64, "euler", "normal", False, 1, "fixed"]
    nodes = [
        node(1, "VisionCraftGenerateXL", values=xl),
        node(2, "VisionCraftServer", values=["sandbox"], title="Server"),
        node(3, "VisionCraftGif", values=["Euler", "a fox", "", 10, 5, 0, "fixed"]),
        node(4, "VisionCraftSaveOriginal", values=[prefix]),
        node(5, "PreviewImage"),
    ]
    links = ((3, 3, 4, "original", "VISIONCRAFT_FILE"), (1, 0, 5, "images", "IMAGE"))
    content = canvas_file(nodes, *links)
    canvas.drop_workflow(content)
    workflow = parse(content, {**NODE_CLASSES, **NODE_CLASS_MAPPINGS}, name="flow.json")
    prefixes.fill(workflow, datetime.now())
    expected = workflow.nodes[where].inputs["filename_prefix"]
    assert "%" not in expected
    assert prompt(canvas)[where]["inputs"]["filename_prefix"] == expected
    saved = {each["id"]: each for each in canvas.workflow()["nodes"]}
    assert saved[4]["widgets_values"] == [prefix]


def test_alternatives_of_a_prompt_are_chosen_for_the_run_and_kept_in_files(
    canvas: Canvas, comfyui: ComfyUI, tmp_path: Path
):
    text = r"a {red|red} fox \{1\|2\}"
    canvas.drop_workflow(picture(prompt=text))
    entry = comfyui.finish(canvas.run())
    shown = [each for output in entry["outputs"].values() for each in output.get("images", [])]
    (saved,) = (each for each in shown if each["type"] == "output")
    file = tmp_path / "saved.png"
    file.write_bytes(requests.get(f"{comfyui.url}/view", params=saved, timeout=30).content)
    with Image.open(file) as image:
        info = dict(image.info)
    assert json.loads(info["prompt"])["2"]["inputs"]["prompt"] == "a red fox {1|2}"
    for workflow in (json.loads(info["workflow"]), canvas.workflow()):
        (ours,) = (each for each in workflow["nodes"] if each["id"] == 2)
        assert ours["widgets_values"][0] == text


def test_one_cause_is_one_message_at_its_own_input(canvas: Canvas):
    canvas.drop_workflow(picture(prompt=" "))
    how, errors = canvas.page.evaluate(RUN)
    assert how == "refused"
    ((at, found),) = errors.items()
    (error,) = found["errors"]
    assert (at, error["extra_info"]["input_name"]) == ("2", "prompt")
    assert "prompt is empty" in error["details"]


@BOTH
def test_a_node_is_run_on_another_server_from_its_menu(canvas: Canvas):
    canvas.drop_workflow(picture())
    before = prompt(canvas)
    for profile in ("sandbox", "environment"):  # the second only changes what the first added
        canvas.page.evaluate(CLICK, ["Run on server", profile])
        after = prompt(canvas)
        (server,) = set(after) - set(before)
        assert after[server] == {
            **after[server],
            "class_type": "VisionCraftServer",
            "inputs": {"profile": profile},
        }
        assert after["2"]["inputs"] == {**before["2"]["inputs"], "server": [server, 0]}
    canvas.shoot("server")
    canvas.drop_workflow(canvas.workflow())
    assert prompt(canvas) == after
    canvas.run()
    canvas.page.evaluate(CLICK, ["Run on server", "auto"])
    assert "server" not in prompt(canvas)["2"]["inputs"]


def test_the_menu_copies_a_request_and_forgets_its_result(canvas: Canvas):
    canvas.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    canvas.drop_workflow(picture(prompt="a fox to forget"))
    canvas.page.evaluate(CLICK, ["Copy the request", ""])
    copied = canvas.page.evaluate("() => navigator.clipboard.readText()")
    assert copied.startswith("curl http://127.0.0.1:")
    assert '"prompt": "a fox to forget"' in copied
    assert '"$VISIONCRAFT_API_KEY"' in copied
    canvas.run()
    canvas.page.evaluate(CLICK, ["Forget", ""])
    canvas.page.get_by_text("The next run sends the request again.").first.wait_for()
