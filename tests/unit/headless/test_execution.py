from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from visioncraft.nodes.headless import folders
from visioncraft.nodes.headless.canvas import workflow
from visioncraft.nodes.headless.canvas.workflow import Node
from visioncraft.nodes.headless.execution import Run
from visioncraft.nodes.headless.folders import Folders
from visioncraft.nodes.widgets import SERVER
from visioncraft.visioncraft_core.errors import ConfigError, WorkflowError


class Give:
    RETURN_TYPES = ("STRING", "STRING")
    OUTPUT_IS_LIST = (False, True)
    FUNCTION = "give"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"text": ("STRING", {})}}

    def give(self, text):
        return (text, text.split())


class Show:
    RETURN_TYPES = ("STRING",)
    FUNCTION = "show"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"text": ("STRING", {})}, "optional": {"count": ("INT", {"max": 9})}}

    def show(self, text, count=1):
        return {"ui": {"text": [text] * count}, "result": (text,)}


class ShowList(Show):
    INPUT_IS_LIST = True

    def show(self, text, count=(1,)):
        return {"ui": {"text": ["+".join(text)]}, "result": (text,)}


class Slow(Show):
    FUNCTION = "wait"

    async def wait(self, text, count=1):
        await asyncio.sleep(0.3)
        return {"ui": {"text": [text]}, "result": (text,)}


class Meet(Show):
    """Ends when five of it run at the same time."""

    FUNCTION = "wait"
    inside = 0

    async def wait(self, text, count=1):
        Meet.inside += 1
        while Meet.inside < 5:
            await asyncio.sleep(0.005)
        return {"ui": {"text": [text]}, "result": (text,)}


class Hidden(Show):
    FUNCTION = "reveal"

    @classmethod
    def INPUT_TYPES(cls):
        hidden = {"me": "UNIQUE_ID", "prompt": "PROMPT", "extra": "EXTRA_PNGINFO"}
        return {"required": {}, "hidden": hidden}

    def reveal(self, me, prompt, extra):
        return {"ui": {"text": [me, prompt, extra]}}


class Pick(Show):
    """Judges its choice by itself, as the nodes of this pack do."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"name": (["a", "b"], {})}}

    @classmethod
    def VALIDATE_INPUTS(cls, name):
        return True


class Ask(Show):
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}, "optional": {"server": (SERVER, {}), "image": ("IMAGE", {})}}


class Fails(Show):
    def show(self, text, count=1):
        if text == "":
            raise MemoryError
        if text == "path":
            raise PermissionError(13, "Permission denied", "/home/someone/a.png")
        if text == "ours":
            raise ConfigError("What happened.", "What to do.")
        raise KeyError(text)


class Dawdle(Show):
    """Takes longer for the first item than for the last."""

    order: list[str] = []

    def show(self, text, count=1):
        time.sleep(0.2 if text == "a" else 0.0)
        self.order.append(text)
        return {"ui": {"text": [text]}, "result": (text,)}


class Thread(Show):
    def show(self, text, count=1):
        return {"ui": {"text": [threading.current_thread() is threading.main_thread()]}}


CLASSES = {
    c.__name__: c
    for c in (Give, Show, ShowList, Slow, Meet, Hidden, Pick, Ask, Fails, Thread, Dawdle)
}


class Log:
    def __init__(self) -> None:
        self.ended: list[str] = []
        self.broken: list[str] = []

    def said(self, node: Node, text: str) -> None: ...

    def finished(self, node: Node, seconds: float, shown: dict[str, list[Any]]) -> None:
        self.ended.append(node.id)

    def failed(self, node: Node) -> None:
        self.broken.append(node.id)


def prepared(tmp_path: Path, graph: dict[str, Any], log: Log | None = None) -> Run:
    places = Folders(tmp_path / "out", ())
    folders.current.set(places)
    prompt = {k: {"class_type": v.pop("type"), "inputs": v} for k, v in graph.items()}
    parsed = workflow.parse(prompt, CLASSES, name="test")
    run = Run(parsed, CLASSES, places, log or Log())
    run.check()
    return run


def shown(tmp_path: Path, graph: dict[str, Any], node_id: str = "9") -> list[Any]:
    run = prepared(tmp_path, graph)
    asyncio.run(run.execute())
    return run.shown[node_id]["text"]


def test_a_value_travels_along_a_link(tmp_path: Path):
    graph = {"1": {"type": "Give", "text": "a b"}, "9": {"type": "Show", "text": ["1", 0]}}
    assert shown(tmp_path, graph) == ["a b"]


@pytest.mark.parametrize(("number", "text"), [(7, "7"), (0.5, "0.5"), (True, "True")])
def test_a_number_for_a_text_is_its_digits(number: object, text: str, tmp_path: Path):
    assert shown(tmp_path, {"9": {"type": "Show", "text": number}}) == [text]


def test_a_list_runs_the_next_node_once_for_each_item_in_order(tmp_path: Path):
    graph = {"1": {"type": "Give", "text": "a b c"}, "9": {"type": "Show", "text": ["1", 1]}}
    assert shown(tmp_path, graph) == ["a", "b", "c"]
    graph = {"1": {"type": "Give", "text": "a b c"}, "9": {"type": "ShowList", "text": ["1", 1]}}
    assert shown(tmp_path, graph) == ["a+b+c"]


def test_the_items_of_a_list_and_independent_nodes_run_at_the_same_time(tmp_path: Path):
    graph = {
        "1": {"type": "Give", "text": "a b c"},
        "2": {"type": "Meet", "text": "x"},
        "3": {"type": "Meet", "text": "y"},
        "9": {"type": "Meet", "text": ["1", 1]},
    }
    run = prepared(tmp_path, graph)
    asyncio.run(run.execute())
    assert run.shown["9"]["text"] == ["a", "b", "c"]


def test_a_plain_node_takes_the_items_of_a_list_one_after_the_other(tmp_path: Path):
    graph = {"1": {"type": "Give", "text": "a b c"}, "9": {"type": "Dawdle", "text": ["1", 1]}}
    Dawdle.order.clear()
    assert shown(tmp_path, graph) == ["a", "b", "c"]
    assert Dawdle.order == ["a", "b", "c"]


def test_results_are_told_in_the_order_of_the_file(tmp_path: Path):
    graph = {"1": {"type": "Slow", "text": "x"}, "2": {"type": "Show", "text": "y"}}
    run = prepared(tmp_path, graph)
    asyncio.run(run.execute())
    assert list(run.shown) == ["1", "2"]


def test_only_what_a_result_needs_is_run(tmp_path: Path):
    log = Log()
    graph = {"1": {"type": "Give", "text": "a"}, "9": {"type": "Show", "text": "b"}}
    run = prepared(tmp_path, graph, log)
    asyncio.run(run.execute())
    assert log.ended == ["9"]


def test_hidden_inputs_are_comfyuis(tmp_path: Path):
    me, prompt, extra = shown(tmp_path, {"9": {"type": "Hidden"}})
    assert me == "9"
    assert prompt["9"]["class_type"] == "Hidden"
    assert extra == {}


def test_a_plain_node_runs_beside_the_loop(tmp_path: Path):
    assert shown(tmp_path, {"9": {"type": "Thread", "text": "x"}}) == [False]


def test_the_rest_is_still_done_after_a_failure_which_is_then_told(tmp_path: Path):
    log = Log()
    graph = {"1": {"type": "Fails", "text": "ours"}, "9": {"type": "Slow", "text": "x"}}
    run = prepared(tmp_path, graph, log)
    with pytest.raises(ConfigError, match=r"What happened\. What to do\."):
        asyncio.run(run.execute())
    assert log.ended == ["9"]
    assert "1" in log.broken


@pytest.mark.parametrize(
    ("text", "reason"),
    [("x", "'x'"), ("", "MemoryError"), ("path", "Permission denied")],
)
def test_any_other_error_of_a_node_names_the_node(text: str, reason: str, tmp_path: Path):
    run = prepared(tmp_path, {"9": {"type": "Fails", "text": text}})
    with pytest.raises(WorkflowError, match=rf"Fails \(#9\) failed: {reason}\. Check"):
        asyncio.run(run.execute())


def test_an_empty_list_is_told_rather_than_skipped(tmp_path: Path):
    graph = {"1": {"type": "Give", "text": " "}, "9": {"type": "Show", "text": ["1", 1]}}
    run = prepared(tmp_path, graph)
    with pytest.raises(WorkflowError, match="empty list"):
        asyncio.run(run.execute())


def test_a_long_chain_runs(tmp_path: Path):
    graph: dict[str, Any] = {"0": {"type": "Give", "text": "a"}}
    for number in range(1, 600):
        graph[str(number)] = {"type": "Give", "text": [str(number - 1), 0]}
    graph["end"] = {"type": "Show", "text": ["599", 0]}
    assert shown(tmp_path, graph, "end") == ["a"]


@pytest.mark.parametrize(
    ("graph", "complaint"),
    [
        ({"1": {"type": "Give", "text": "a"}}, "no node that saves or shows"),
        ({"9": {"type": "Show"}}, r"Show \(#9\): text is missing"),
        ({"9": {"type": "Show", "text": "a", "count": 10}}, "count is 10, but must be None to 9"),
        ({"9": {"type": "Show", "text": "a", "count": "x"}}, "count must be a whole number, got x"),
        (
            {
                "1": {"type": "Give", "text": "a"},
                "9": {"type": "Show", "text": "a", "count": ["1", 0]},
            },
            "count cannot take a STRING",
        ),
        (
            {"9": {"type": "Show"}, "8": {"type": "Show"}},
            r"Show \(#9\): text is missing; Show \(#8\): text is missing",
        ),
        ({"9": {"type": "Show", "txet": "a"}}, r"no input txet \(did you mean text\?\)\."),
        ({"9": {"type": "Show", "text": "a", "cuont": 2}}, r"\(did you mean count\?\)"),
        ({"9": {"type": "Show", "text": None}}, r"Show \(#9\): text must be text, not null"),
        ({"9": {"type": "Show", "text": {"a": 1}}}, "text must be text, not an object"),
        ({"9": {"type": "Show", "text": {"__value__": [1]}}}, "text must be text, not a list"),
        ({"9": {"type": "Show", "text": ["9"]}}, "input text of node 9 is neither a value nor"),
        ({"9": {"type": "Pick", "name": 5}}, "name is 5, which is not one of its choices"),
        ({"9": {"type": "Ask", "server": 5}}, "server takes a link from a node, not a value"),
        ({"9": {"type": "Ask", "server": {"a": 1}}}, "server takes a link from a node"),
        ({"9": {"type": "Ask", "image": "x"}}, "image takes a link from a node, not a value"),
        ({"9": {"type": "Pick", "name": None}}, r"Pick \(#9\): name must be text, not null"),
    ],
)
def test_what_is_wrong_is_told_before_anything_runs(
    tmp_path: Path, graph: dict[str, Any], complaint: str
):
    with pytest.raises(WorkflowError, match=complaint) as caught:
        prepared(tmp_path, graph)
    assert len(str(caught.value)) < 300
