"""One run for each row of a table: `visioncraft run --rows`."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from support.instant_engine import InstantEngine
from support.timing import HANG, eventually
from visioncraft.nodes.headless.cli import main
from visioncraft.nodes.headless.examples import path_of
from visioncraft.visioncraft_core.api.endpoints import Chat
from visioncraft.visioncraft_core.api.fields import Request
from visioncraft.visioncraft_core.sandbox import Sandbox
from visioncraft.visioncraft_core.service.engine import InputRejected, Job, Output

CHAT = {"class_type": "VisionCraftLLM", "inputs": {"model": "openchat-7b", "prompt": "x"}}
SHOW = {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}}
IDEA = {
    "1": {**CHAT, "inputs": {**CHAT["inputs"], "prompt": ["3", 0]}},
    "2": SHOW,
    "3": {"class_type": "PrimitiveString", "inputs": {"value": ""}, "_meta": {"title": "Idea"}},
}


class RefusingEngine(InstantEngine):
    """Refuses the message "b"."""

    async def generate(self, request: Request, job: Job) -> Output:
        if isinstance(request, Chat) and request.messages[-1]["content"] == "b":
            raise InputRejected("messages", "must not be b")
        return await super().generate(request, job)


class InterruptingEngine(InstantEngine):
    """Presses Ctrl-C when its first request is there, and ends none."""

    pressed = False

    async def generate(self, request: Request, job: Job) -> Output:
        if not self.pressed:
            self.pressed = True
            os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(HANG)
        return Output()


class PressingStream(io.StringIO):
    """Presses Ctrl-C when it is told that the run stops."""

    def write(self, text: str) -> int:
        if "Stopping" in text:
            os.kill(os.getpid(), signal.SIGINT)
        return super().write(text)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("flow.json").write_text(json.dumps({"1": CHAT, "2": SHOW}), "utf-8")


def table(*lines: str, name: str = "rows.csv") -> str:
    Path(name).write_text("\n".join(lines) + "\n", "utf-8")
    return name


def results() -> list[dict[str, Any]]:
    """The lines that are whole."""
    lines = Path("output/results.jsonl").read_text("utf-8").split("\n")
    return [json.loads(line) for line in lines if line.endswith("}")]


def run(sandbox: Sandbox, *more: str, flow: str = "flow.json", rows: str = "rows.csv") -> int:
    return main(["run", flow, "--rows", rows, "--server", sandbox.url, *more])


def test_each_row_is_run_and_a_second_run_pays_nothing(capsys: pytest.CaptureFixture[str]):
    table("1.prompt;1.seed", '"a fox, red";1', "a fox;", '"two\nlines";3', "a fox;")
    with Sandbox(engine=InstantEngine()) as sandbox:
        assert run(sandbox, "--json") == 0
        told = json.loads(capsys.readouterr().out)
        assert told["rows"] == {
            "total": 4,
            "done": 4,
            "failed": [],
            "left": 0,
            "results": str(Path("output/results.jsonl").absolute()),
        }
        by_row = {each["row"]: each for each in results()}
        assert by_row[1]["inputs"] == {"1.prompt": "a fox, red", "1.seed": "1"}
        assert by_row[2]["inputs"] == {"1.prompt": "a fox"}  # an empty cell changes nothing
        assert by_row[3]["outputs"]["2"]["text"] == ["a red fox in the snow"]
        assert {(each["status"], *each["errors"]) for each in by_row.values()} == {("done",)}
        assert sandbox.executions == 3  # the row that stands there twice came out of the store
        assert run(sandbox) == 0
        assert (sandbox.executions, len(results())) == (3, 4)


def test_columns_are_titles_too_and_values_keep_their_kinds():
    Path("idea.json").write_text(json.dumps(IDEA), "utf-8")
    table('{"Idea": "a fox", "1.seed": 7}', "", '{"Idea": 12, "1.seed": null}', name="rows.jsonl")
    with Sandbox() as sandbox:
        assert run(sandbox, flow="idea.json", rows="rows.jsonl") == 0
    assert [each["row"] for each in sorted(results(), key=lambda each: each["row"])] == [1, 2]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["1.promt", "a"], 'The header of rows.csv (line 1): Node 1 (VisionCraftLLM) has no'),
        (["4.prompt", "a"], '(line 1): There is no node "4"'),
        (["1", "a"], '(line 1): "1" does not say which input'),
        (["1.seed,1.prompt", "1,a", "x,b", "y,c"], 'Row 2 (line 3): "x" does not fit input seed'),
        (["1.seed,1.prompt", "1,a", "x,b", "y,c"], "(and 1 more row)"),
        (["1.prompt", '"a', 'b"', "", "  "], "Row 2 (line 5): VisionCraftLLM (#1): prompt is"),
        (["1.prompt,1.seed", "a,b,c"], "rows.csv has 3 cells in line 2 and 2 columns"),
        (["1.prompt,1.prompt", "a,b"], "two of the same name"),
        (["1.prompt"], "rows.csv has no rows"),
        (['1.prompt', "a", '"b', "c", "d"], "never closed, in the row that begins in line 3"),
        (['1.prompt', '"a"b'], "rows.csv is not CSV in line 2"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_any_row_is_told_before_the_first_is_sent(
    lines: list[str], told: str, capsys: pytest.CaptureFixture[str]
):
    table(*lines)
    with Sandbox(engine=InstantEngine()) as sandbox:
        assert run(sandbox) == 2
        assert not [line for line in sandbox.requests if line.startswith("POST")]
    assert told in capsys.readouterr().err
    assert not Path("output/results.jsonl").exists()


def test_failed_rows_are_named_and_run_again(capsys: pytest.CaptureFixture[str]):
    table("1.prompt", "a", "b", "c")
    with Sandbox(engine=RefusingEngine()) as sandbox:
        assert run(sandbox) == 1
        printed = capsys.readouterr()
        assert "2 of 3 rows are done" in printed.out
        assert "Failed: 2. Run the same command again" in printed.out
        assert "Row 2 (line 3): " in printed.err
        (failed,) = [each for each in results() if each["status"] == "failed"]
        assert (failed["errors"][0]["node"], failed["errors"][0]["charged"]) == ("1", "no")
        assert run(sandbox) == 1
        assert sandbox.executions == 2
        assert [each["row"] for each in results()].count(2) == 2


def test_rows_whose_files_are_gone_are_named_and_made_again_when_asked(
    capsys: pytest.CaptureFixture[str],
):
    save = {"text": ["1", 0], "filename_prefix": "a", "format": "txt"}
    texts = {
        "1": {"class_type": "PrimitiveString", "inputs": {"value": ""}},
        "2": {"class_type": "SaveText", "inputs": save},
    }
    Path("flow.json").write_text(json.dumps(texts), "utf-8")
    table("1.value", "a", "b")

    def notes() -> list[str]:
        capsys.readouterr()
        assert main(["run", "flow.json", "--rows", "rows.csv", "--json"]) == 0
        return json.loads(capsys.readouterr().out)["notes"]

    assert notes() == notes() == []
    lines = {each["row"]: each for each in results()}
    Path(lines[2]["outputs"]["2"]["files"][0]["path"]).unlink()
    (note,) = notes()
    assert note.startswith("The files of rows that are done are gone: row 2.")
    Path("output/results.jsonl").write_text(json.dumps(lines[1]) + "\n", "utf-8")
    assert notes() == []
    assert Path(results()[-1]["outputs"]["2"]["files"][0]["path"]).read_text() == "b"


@pytest.mark.parametrize(
    "entry", [{"key": "vc-CANARY-wrong"}, {"base_url": "{sandbox}/v2", "key": "sandbox-free"}]
)
def test_what_would_fail_in_each_row_ends_all(
    entry: dict[str, str], home: Path, capsys: pytest.CaptureFixture[str]
):
    table("1.prompt", *(f"fox {number}" for number in range(40)))
    with Sandbox(engine=InstantEngine()) as sandbox:
        entry = {"base_url": sandbox.url, **entry}
        entry["base_url"] = entry["base_url"].format(sandbox=sandbox.url)
        home.mkdir()
        (home / "profiles.json").write_text(json.dumps({"profiles": {"work": entry}}))
        assert main(["run", "flow.json", "--rows", "rows.csv", "--json"]) == 1
        told = json.loads(capsys.readouterr().out)
        assert told["errors"][0]["charged"] == "no"
        assert told["rows"]["left"] >= 30
        assert len(sandbox.requests) < 10


def test_rows_in_a_row_that_are_refused_alike_end_the_run(capsys: pytest.CaptureFixture[str]):
    table("1.prompt", "a fox", *["b"] * 40)
    with Sandbox(engine=RefusingEngine()) as sandbox:
        assert run(sandbox) == 1
        assert sum(line.startswith("POST") for line in sandbox.requests) < 20
    printed = capsys.readouterr()
    assert "rows are left. Run the same command again to go on with them." in printed.out
    assert "they would fail in the same way" in printed.err


def test_a_name_in_any_row_that_the_server_does_not_list_is_refused_before_the_first(
    capsys: pytest.CaptureFixture[str],
):
    table("1.prompt,1.model", "a,openchat-7b", "b,openchat-8b")
    with Sandbox(engine=InstantEngine()) as sandbox:
        assert run(sandbox) == 2
        assert sandbox.requests == ("GET /models-llm",)
    assert (
        "Row 2 (line 3): VisionCraftLLM (#1): openchat-8b is not in the" in capsys.readouterr().err
    )


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_what_was_stopped_says_that_it_may_have_been_charged(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    with Sandbox(engine=InterruptingEngine()) as sandbox:
        assert main(["run", "flow.json", "--json", "--server", sandbox.url]) == 130
    printed = capsys.readouterr()
    assert "VisionCraftLLM (#1) was cancelled; its call may have been charged." in printed.err
    (error,) = json.loads(printed.out)["errors"]
    assert (error["type"], error["node"], error["charged"]) == ("Cancelled", "1", "maybe")
    table("1.prompt", "a fox")
    monkeypatch.setattr("sys.stderr", PressingStream())
    with Sandbox(engine=InterruptingEngine()) as sandbox:
        assert run(sandbox) == 130
        told = sys.stderr.getvalue()  # type: ignore[attr-defined]
    assert "Cancelled; what was under way may have been charged: row 1." in told
    assert told.count("again to go on") <= 1
    (row,) = results()
    assert (row["status"], row["errors"][0]["charged"]) == ("cancelled", "maybe")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_was_stopped_goes_on_and_pays_for_no_row_twice(number: signal.Signals):
    table("1.prompt", *(f"fox {number}" for number in range(60)))
    with Sandbox(engine=InstantEngine(), latency=0.05) as sandbox:
        command = [str(Path(sys.executable).with_name("visioncraft")), "run", "flow.json"]
        process = subprocess.Popen(
            [*command, "--rows", "rows.csv", "--server", sandbox.url],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        path = Path("output/results.jsonl")
        assert eventually(lambda: path.exists() and len(results()) >= 10)
        process.send_signal(number)
        process.communicate(timeout=HANG)
        stopped = sandbox.executions
        assert 10 <= stopped < 60
        if number == signal.SIGINT:
            assert process.returncode == 130
            assert len(results()) == stopped  # what was under way was finished
        else:
            with path.open("a") as file:
                file.write('{"row": 99, "sta')  # a line that was cut
        assert run(sandbox) == 0
        done = [each["row"] for each in results() if each["status"] == "done"]
        assert sorted(done) == list(range(1, 61))
        # Of what was killed, at most the rows that were under way are lost: four calls, and two
        # more whose answers were being stored.
        assert 60 <= sandbox.executions <= (60 if number == signal.SIGINT else 66)


def test_of_alternatives_a_row_chooses_the_same_ones_again():
    """As if it had been killed before it wrote them down."""
    nodes = json.loads(path_of("txt2img_sdxl").read_text("utf-8"))["nodes"]
    (node,) = [node["id"] for node in nodes if node["type"] == "VisionCraftGenerateXL"]
    table(f"{node}.prompt", *(f"a {{red|blue|green}} fox {number}" for number in range(4)))
    with Sandbox(engine=InstantEngine()) as sandbox:
        for _ in range(2):
            assert run(sandbox, flow="txt2img_sdxl") == 0
            Path("output/results.jsonl").unlink()
        assert sandbox.executions == 4


def test_memory_does_not_grow_with_the_rows(capsys: pytest.CaptureFixture[str]):
    """Of texts that need no server: what is left of each row is a few bytes."""
    shows = {"1": {"class_type": "PrimitiveString", "inputs": {"value": "x"}}, "2": SHOW}
    Path("flow.json").write_text(json.dumps(shows), "utf-8")

    def peak(count: int) -> int:
        table("1.value", *(f"{number} " + "long text " * 200 for number in range(count)))
        tracemalloc.start()
        try:
            assert main(["run", "flow.json", "--rows", "rows.csv", "--out", f"out{count}"]) == 0
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(10)  # what is loaded once
    assert peak(300) < peak(50) + 300 * 500
