from __future__ import annotations

from typing import Any

import pytest
import torch
from support.hosts import Host, picture, run
from support.instant_engine import InstantEngine
from visioncraft.nodes import NODE_CLASS_MAPPINGS, comfy
from visioncraft.nodes.status import CallStatus, Line, NodeStatus, shared
from visioncraft.visioncraft_core.errors import Cancelled, ConfigError
from visioncraft.visioncraft_core.generation.progress import Delay, Queued, Step, Working
from visioncraft.visioncraft_core.sandbox import Sandbox
from visioncraft.visioncraft_core.service.faults.rules import parse

CLASSES: dict[str, Any] = NODE_CLASS_MAPPINGS
UPSCALE = CLASSES["VisionCraftUpscale"]


class Node:
    """A node on a canvas: the lines and the progress that it was told to show."""

    def __init__(self, *, stays: bool = True) -> None:
        self.lines: list[Line] = []
        self.progress: list[float] = []
        self.previews: list[object] = []
        self.status = NodeStatus(self.lines.append, self._show, stays=stays)

    def _show(self, fraction: float, preview: object) -> None:
        self.progress.append(fraction)
        self.previews.append(preview)

    def call(self) -> CallStatus:
        return self.status.call()


def test_a_run_that_brought_all_ends_with_its_notes():
    node = Node()
    call = node.call()
    call("waiting")
    call.done(1.24, ["Stored by an earlier run."], incomplete=False)
    call.close()
    call.stopped()
    told = [Line("waiting"), Line("Done in 1.2 s. Stored by an earlier run.", "info")]
    assert node.lines == told


def test_a_run_that_brought_a_part_is_a_warning():
    node = Node()
    node.call().done(2.0, ["Picture 2 of 3 failed: no room."], incomplete=True)
    assert node.lines == [Line("Done in 2.0 s. Picture 2 of 3 failed: no room.", "warn")]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ConfigError("What.", "Do."), Line("Failed: What. Do.", "error")),
        (KeyError("token"), Line("Failed.", "error")),  # which may hold anything
        (Cancelled("Cancelled."), Line("Stopped.", "info")),
    ],
)
def test_a_run_that_failed_says_why_if_that_is_meant_for_people(error: Exception, line: Line):
    node = Node()
    node.call().failed(error)
    assert node.lines == [line]


def test_of_a_pause_the_seconds_are_counted_down():
    node = Node()
    node.call()(Delay("waiting 24 s, because", "the server asked for a pause", 24.9))
    assert node.lines == [Line("the server asked for a pause, again in 25 s")]


def test_without_a_canvas_every_text_and_note_is_told_as_it_is():
    node = Node(stays=False)
    call = node.call()
    call(Delay("waiting 24 s, because the server asked for it", "the server asked", 24.0))
    call.done(2.0, ["A note."], incomplete=False)
    node.status.refresh()
    told = ["waiting 24 s, because the server asked for it", "A note."]
    assert [line.text for line in node.lines] == told


def test_a_list_shares_one_line_and_its_worst_end_stays():
    node = Node()
    calls = [node.call() for _ in range(3)]
    for call in calls:
        call("waiting")
    calls[0].done(1.0, ["The sandbox answers.", "Picture 1 of 2 failed."], incomplete=True)
    assert node.lines[-1] == Line("1 of 3 done; waiting")
    calls[2].done(3.0, ["The sandbox answers."], incomplete=False)
    calls[1].done(2.0, ["The sandbox answers."], incomplete=False)
    said = "3 runs done in 3.0 s. The sandbox answers. Picture 1 of 2 failed."
    assert node.lines[-1] == Line(said, "warn")


def test_of_a_list_that_failed_the_failure_stays():
    node = Node()
    calls = [node.call() for _ in range(2)]
    calls[0].failed(ConfigError("What.", "Do."))
    calls[1].stopped()
    assert node.lines[-1] == Line("Failed: What. Do.", "error")


def test_progress_follows_the_files_of_a_batch():
    node = Node()
    call = node.call()
    call.expect(requests=4, files=4)
    for _ in range(4):
        call.file_arrived()
        node.status.refresh_progress()
    assert node.progress == [0.25, 0.5, 0.75, 0.95]
    node.status.refresh_progress()
    assert len(node.progress) == 4


def test_progress_follows_the_usual_time_and_never_passes_95_percent():
    node = Node()
    call = node.call()
    call(Step("waiting", usual_seconds=1e-9))
    node.status.refresh_progress()
    assert node.progress == [0.95]
    call(Step("waiting", usual_seconds=1e9))  # another attempt
    node.status.refresh_progress()
    assert node.progress == [0.95]


def test_what_the_server_tells_replaces_the_guess_by_the_usual_time():
    node = Node()
    call = node.call()
    call(Step("waiting", usual_seconds=1e9))
    call(Queued(2))
    assert node.lines[-1] == Line("3rd in the queue")
    node.status.refresh_progress()
    call(Working("step 7 of 20", 0.35))
    call.preview("a picture")
    node.status.refresh_progress()
    node.status.refresh_progress()
    assert node.lines[-1] == Line("step 7 of 20")
    assert (node.progress, node.previews) == ([0.35], ["a picture"])
    call(Step("waiting"))  # another attempt
    call.stopped()
    call.preview("too late")
    node.status.refresh_progress()
    assert node.previews[1:] == [None]  # the bar of what has ended


def test_a_batch_goes_on_between_its_files_where_the_server_tells_its_steps():
    node = Node()
    call = node.call()
    call.expect(requests=4, files=4)
    call.file_arrived()
    call(Working("2 of 4: step 5 of 10", 0.375))
    node.status.refresh_progress()
    assert node.progress == [0.37]


def test_where_nobody_knows_how_long_it_takes_there_is_no_bar():
    node = Node()
    call = node.call()
    call(Step("waiting"))
    node.status.refresh_progress()
    assert node.progress == []


def test_items_of_one_node_share_a_status_and_two_nodes_do_not():
    kept = [shared(key, lambda: Node().status) for key in ("a", "a", "b", None, None)]
    assert kept[0] is kept[1]
    assert len({id(status) for status in kept}) == 4


class Canvas(Host):
    has_canvas = True

    def __init__(self, url: str, *, is_shown: bool = False) -> None:
        super().__init__(url)
        self._is_shown = is_shown
        self.previews: list[tuple[bytes, str]] = []

    def is_shown(self, output: int) -> bool:
        return self._is_shown

    def preview(self, content: bytes, suffix: str) -> Any:
        self.previews.append((content, suffix))
        return {"filename": f"{len(self.previews)}.{suffix}"}


def test_pictures_stand_on_the_node_if_nothing_behind_it_shows_them(sandbox: Sandbox):
    comfy.use(host := Canvas(sandbox.url))
    made = run(UPSCALE, image=torch.cat([picture()] * 2))
    assert made["ui"] == {"images": [{"filename": "1.png"}, {"filename": "2.png"}]}
    assert len(made["result"][0]) == 2
    assert host.heard[-1].startswith("Done in")
    comfy.use(Canvas(sandbox.url, is_shown=True))
    assert isinstance(run(UPSCALE, image=picture()), tuple)


def test_animations_play_on_the_node_in_a_form_that_front_ends_play():
    with Sandbox(engine=InstantEngine()) as sandbox:
        comfy.use(host := Canvas(sandbox.url, is_shown=True))
        made = run(CLASSES["VisionCraftGif"], sampler="Euler", prompt="a fox")
        assert made["ui"] == {"images": [{"filename": "1.webp"}], "animated": [True]}
        assert host.previews[0][0][8:12] == b"WEBP"
        made = run(CLASSES["VisionCraftImg2Video"], image=picture())
        assert made["ui"]["images"] == [{"filename": "2.mp4"}]


def test_the_answer_of_a_language_model_stands_on_its_node(sandbox: Sandbox):
    comfy.use(Canvas(sandbox.url))
    made = run(CLASSES["VisionCraftLLM"], model="mistral-7b-instruct", prompt="a fox")
    assert made["ui"] == {"text": [made["result"][0]]}


def test_a_part_that_failed_stays_on_the_node():
    with Sandbox(faults=[parse("upscale=500*1")]) as sandbox:
        comfy.use(host := Canvas(sandbox.url))
        run(UPSCALE, image=torch.rand(3, 8, 8, 3))
    assert " of 3 failed: " in host.heard[-1]


def test_the_page_learns_what_needs_a_premium_account():
    xl = CLASSES["VisionCraftGenerateXL"].INPUT_TYPES()["optional"]["model"][1]
    assert xl["visioncraft_free"] == ["sdxl-turbo", "playground-V2"]
    video = CLASSES["VisionCraftImg2Video"].INPUT_TYPES()["required"]["image"][1]
    assert video["visioncraft_premium"] is True
    plain = CLASSES["VisionCraftLLM"].INPUT_TYPES()["required"]["model"][1]
    assert not [name for name in plain if name.startswith("visioncraft")]
