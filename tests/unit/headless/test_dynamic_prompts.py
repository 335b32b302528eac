from __future__ import annotations

from collections.abc import Sequence

import pytest
from support.canvas_files import canvas, node
from visioncraft.nodes import NODE_CLASS_MAPPINGS
from visioncraft.nodes.headless import dynamic_prompts
from visioncraft.nodes.headless.canvas.workflow import parse
from visioncraft.nodes.headless.hostnodes import NODE_CLASSES

CLASSES = {**NODE_CLASSES, **NODE_CLASS_MAPPINGS}


def last(alternatives: Sequence[str]) -> str:
    return alternatives[-1]


def first(alternatives: Sequence[str]) -> str:
    return alternatives[0]


@pytest.mark.parametrize(
    ("text", "with_first", "with_last"),
    [
        ("a fox", "a fox", "a fox"),
        ("a {red|blue} fox", "a red fox", "a blue fox"),
        ("{a|b}{c|d}", "ac", "bd"),
        ("a {red|{dark|light} blue} fox", "a red fox", "a light blue fox"),
        ("a {red|} fox", "a red fox", "a  fox"),
        ("{only}", "only", "only"),
        (r"\{a\|b\} \(x\)", r"{a|b} \(x\)", r"{a|b} \(x\)"),
        (r"{a\|b|c\}}", "a|b", "c}"),
        ("a | b } c", "a | b } c", "a | b } c"),
        ("{a|b", "a", "b"),
        ("{a|{b|c", "a", "c"),
        ("fox // a note\nred /* not\nblue */ {a|b}", "fox \nred  a", "fox \nred  b"),
        ("", "", ""),
        ("\\", "\\", "\\"),
    ],
)
def test_it_chooses_as_the_front_end_does(text: str, with_first: str, with_last: str):
    assert dynamic_prompts.chosen(text, first) == with_first
    assert dynamic_prompts.chosen(text, last) == with_last


def test_a_thousand_blocks_in_each_other_are_no_problem():
    assert dynamic_prompts.chosen("{a|" * 5000 + "b", last) == "b"


def test_only_prompts_of_a_canvas_are_chosen_from():
    llm = ["mistral-7b-instruct", '{"json": 1}', "", 0, "fixed"]
    xl = ["a {red|blue} fox", "sdxl-turbo", "{a|b}", 64, 64, "euler", "normal", False, 0, "fixed"]
    nodes = [
        node(1, "VisionCraftGenerateXL", values=xl),
        node(2, "VisionCraftLLM", values=llm),
        node(3, "PreviewImage"),
    ]
    workflow = parse(canvas(nodes, (1, 0, 3, "images", "IMAGE")), CLASSES, name="flow.json")
    api = parse(workflow.prompt(), CLASSES, name="api.json")
    for each in (workflow, api):
        dynamic_prompts.choose(each, last)
    assert workflow.nodes["1"].inputs["prompt"] == "a blue fox"
    assert workflow.nodes["1"].inputs["negative_prompt"] == "b"
    assert workflow.nodes["2"].inputs["prompt"] == llm[1]
    assert api.nodes["1"].inputs["prompt"] == xl[0]  # what POST /prompt would do with it
