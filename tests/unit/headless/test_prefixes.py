from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from support.canvas_files import SUBGRAPH, canvas, node, subgraph
from visioncraft.nodes import NODE_CLASS_MAPPINGS
from visioncraft.nodes.headless.canvas.workflow import Link, Node, Workflow, parse
from visioncraft.nodes.headless.hostnodes import NODE_CLASSES
from visioncraft.nodes.headless.prefixes import fill

NOW = datetime(2026, 3, 7, 9, 5, 4)
CLASSES = {**NODE_CLASSES, **NODE_CLASS_MAPPINGS}
XL = "VisionCraftGenerateXL"
ALIAS = "Node name for S&R"


def filled(prefix: str) -> str:
    nodes = {
        "1": Node("1", "VisionCraftGenerateXL", {"width": 640, "prompt": "a/b: c?"}, "Fox"),
        "2": Node("2", "SaveImage", {"filename_prefix": prefix, "images": Link("1", 0)}, ""),
    }
    workflow = Workflow(nodes, None)
    fill(workflow, NOW)
    return workflow.nodes["2"].inputs["filename_prefix"]


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("fox", "fox"),
        ("%date:yyyy-MM-dd%/fox", "2026-03-07/fox"),
        ("%date:yy.M.d hh-mm-ss%", "26.3.7 09-05-04"),
        ("%Fox.width%", "640"),
        ("%VisionCraftGenerateXL.width%px", "640px"),
        ("%Fox.prompt%", "a_b_ c_"),
        ("%Nobody.width% %Fox.nothing% 100%", "%Nobody.width% %Fox.nothing% 100%"),
        ("%width%x%height%", "%width%x%height%"),
        ("%SaveImage.images%", "%SaveImage.images%"),
    ],
)
def test_what_the_front_end_fills_in_is_filled_in(prefix: str, expected: str):
    assert filled(prefix) == expected


def test_a_link_in_the_api_form_is_not_mistaken_for_another_nodes_value():
    nodes = {
        "1": Node("1", XL, {"prompt": Link("9", 0)}, ""),
        "2": Node("2", XL, {"prompt": "other"}, ""),
        "3": Node("3", "SaveImage", {"filename_prefix": f"%{XL}.prompt%"}, ""),
    }
    workflow = Workflow(nodes, None)
    fill(workflow, NOW)
    assert workflow.nodes["3"].inputs["filename_prefix"] == f"%{XL}.prompt%"


def on_canvas(prefix: str, *others: dict[str, Any], settings: tuple[str, ...] = ()) -> str:
    """`prefix` filled in a canvas with one node as ComfyUI saves it, titled by its type."""
    generate = xl(
        1, ("typed", "sdxl-turbo", "", 64, 1024, "euler", "normal", False, 7, "randomize")
    )
    nodes = [generate, node(2, "PrimitiveString", values=["linked"])]
    nodes += [node(3, "SaveImage", values=[prefix], properties={}), *others]
    links = ((2, 0, 1, "prompt", "STRING"), (1, 0, 3, "images", "IMAGE"))
    workflow = parse(canvas(nodes, *links), CLASSES, name="flow.json")
    for setting in settings:
        workflow.set(setting)
    fill(workflow, NOW)
    return workflow.nodes["3"].inputs["filename_prefix"]


def xl(ident: int, values: Any, /, alias: str = XL, **members: Any) -> dict[str, Any]:
    return node(ident, XL, values=list(values), properties={ALIAS: alias}, **members)


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        pytest.param("%SDXL Generate (txt2img).seed%", "7", id="title of its type"),
        pytest.param("%String.value%_%Text.value%", "linked_linked", id="ComfyUI's own title"),
        pytest.param(f"%{XL}.prompt%", "typed", id="linked widget"),
        pytest.param(f"%{XL}.control_after_generate%", "randomize", id="control"),
        pytest.param(f"%{XL}.refiner%", "false", id="boolean"),
        pytest.param(f"%{XL}.server%_%{XL}.images%_%.seed%", None, id="no widget"),
    ],
)
def test_a_widget_of_a_canvas_counts_as_it_is_shown_there(prefix: str, expected: str | None):
    assert on_canvas(prefix) == (prefix if expected is None else expected)


OTHER = ("", "sdxl-turbo", "", 336, 1024, "euler", "normal", True, 0, "fixed")


def test_the_name_for_search_and_replace_comes_before_titles():
    titled = xl(8, OTHER[:3], title="Custom")
    assert on_canvas("%Custom.width%", titled, xl(9, OTHER, "Custom")) == "336"
    assert on_canvas(f"%{XL}.width%", xl(9, OTHER, "Custom")) == "64"


@pytest.mark.parametrize("mode", [2, 4], ids=["muted", "bypassed"])
def test_a_node_that_does_not_run_is_named_all_the_same(mode: int):
    other = xl(9, OTHER, title="Off", mode=mode)
    filled = on_canvas("%Off.width%_%Off.refiner%_%Off.control_after_generate%", other)
    assert filled == "336_true_fixed"


def test_a_title_of_ones_own_replaces_the_types():
    assert on_canvas("%Img2Img.seed%", node(9, "VisionCraftImg2Img", title="Mine")) == (
        "%Img2Img.seed%"
    )


def test_a_list_without_the_control_has_the_one_of_a_new_node():
    other = xl(9, OTHER[:-1], title="Short")
    assert on_canvas("%Short.seed%_%Short.control_after_generate%", other) == "0_randomize"


def test_what_is_set_on_the_command_line_counts():
    assert on_canvas("%SDXL Generate (txt2img).seed%", settings=("1.seed=9",)) == "9"
    assert on_canvas(f"%{XL}.prompt%", settings=("1.prompt=a fox",)) == "a fox"


def test_a_primitive_and_a_subgraph_are_named_by_their_titles():
    inside = subgraph(
        SUBGRAPH, [xl(21, OTHER)], (-10, 0, 21, "width", "INT"), inputs=(("width", "INT"),)
    )
    inside |= {"name": "Drawing"}
    nodes = [
        node(1, SUBGRAPH, values=[448], mode=2),
        node(2, "PrimitiveNode", values=[5, "fixed"]),
        xl(3, OTHER, title="Fed"),
        node(4, "VisionCraftSaveOriginal", values=["%Drawing.width%_%Primitive.value%_%Fed.seed%"]),
    ]
    content = canvas(nodes, (2, 0, 3, "seed", "INT"), subgraphs=[inside])
    workflow = parse(content, CLASSES, name="flow.json")
    fill(workflow, NOW)
    assert workflow.nodes["4"].inputs["filename_prefix"] == "448_5_5"


@pytest.mark.parametrize(
    ("value", "expected"),
    [(7.0, "7"), (0.5, "0.5"), (True, "true"), (7, "7"), (-0.0, "0"), (["x", 1.0], "x,1")],
)
def test_values_are_spelled_as_javascript_does(value: Any, expected: str):
    nodes = {
        "1": Node("1", "Fox", {"given": value}, ""),
        "2": Node("2", "SaveImage", {"filename_prefix": "%Fox.given%"}, ""),
    }
    workflow = Workflow(nodes, None)
    fill(workflow, NOW)
    assert workflow.nodes["2"].inputs["filename_prefix"] == expected
