"""The commands as a shell starts them: cold, in a process of their own."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest
from support.timing import HANG
from visioncraft.nodes.headless import cli

from bench.measure import Report, in_turns, shown
from bench.ready_server import ReadyServer
from bench.test_workflows import pairs

pytestmark = pytest.mark.bench

START = "import sys; from visioncraft_command import main; sys.exit(main())"
HELP = (
    "import sys; sys.argv[1:] = ['--help']\n"
    "from visioncraft_command import main\n"
    "try: main()\n"
    "except SystemExit: pass\n"
    "assert 'torch' not in sys.modules, 'torch is loaded for a help text'\n"
)
ROWS, AT_ONCE, SECONDS = 1000, 32, 0.05
CHAT = {
    "1": {
        "class_type": "VisionCraftLLM",
        "inputs": {"prompt": "a fox", "model": "mistral-7b-instruct"},
    },
    "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}},
}


def python(code: str, *arguments: str) -> None:
    command = [sys.executable, "-c", code, *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=HANG)


def test_help(report: Report):
    python(HELP)
    bare, ours = in_turns([lambda: python("pass"), lambda: python(START, "--help")], 9)
    report.amount(
        "visioncraft --help", 1000 * ours, "ms", 120, plain=f"{1000 * bare:.0f} ms of Python alone"
    )


def test_import(report: Report):
    code = "import time; a = time.perf_counter(); import {}; print(time.perf_counter() - a)"

    def seconds(module: str) -> float:
        command = [sys.executable, "-c", code.format(module)]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    pack = median(seconds("visioncraft") for _ in range(7))
    report.amount("import visioncraft", 1000 * pack, "ms", 60)


@pytest.mark.parametrize(("latency", "more"), [(2.0, 0.5), (None, 0.4)])
def test_a_cold_run(
    report: Report,
    server: ReadyServer,
    profile: Callable[..., str],
    tmp_path: Path,
    latency: float | None,
    more: float,
):
    name = "sandbox" if latency is None else profile(server.url("bytes", latency))
    flow = tmp_path / "flow.json"
    ours, torch, others = [], [], []
    for number in range(6):
        flow.write_text(json.dumps(pairs(1, number)))
        before, began = of_children(), time.perf_counter()
        python("import torch")
        torch.append(time.perf_counter() - began)
        between, began = of_children(), time.perf_counter()
        python(START, "run", str(flow), "--server", name, "--out", str(tmp_path / "out"))
        ours.append(time.perf_counter() - began)
        others.append(of_children() - between - (between - before))
    assert len(list((tmp_path / "out").iterdir())) == 6
    # The quickest: what else the computer does takes more than what is looked for.
    longest = max(min(torch), latency or 0.0)
    where = "the sandbox" if latency is None else "a server of 2 s"
    beside = "torch" if latency is None else "the longer of torch and waiting"
    what = f"visioncraft run at {where}, cold, beside importing {beside}"
    limit = f"what is not torch takes {median(others):.2f} s of one core"
    report.amount(what, min(ours) - longest, "s more", more, plain=f"{longest:.2f} s", limit=limit)


def of_children() -> float:
    """The seconds of the processor that programs took which this one started."""
    times = os.times()
    return times.children_user + times.children_system


def test_rows(report: Report, server: ReadyServer, profile: Callable[..., str], tmp_path: Path):
    name = profile(server.url("chat", SECONDS), max_concurrency=AT_ONCE)
    flow, rows = tmp_path / "flow.json", tmp_path / "rows.csv"
    flow.write_text(json.dumps(CHAT))
    with rows.open("w", newline="") as file:
        csv.writer(file).writerows([["1.prompt"], *([f"fox {n}"] for n in range(ROWS))])
    command = ["run", str(flow), "--rows", str(rows), "--server", name]
    began, before = time.perf_counter(), time.process_time()
    assert cli.main([*command, "--out", str(tmp_path / "out")]) == 0
    reached = ROWS / (time.perf_counter() - began) / (AT_ONCE / SECONDS)
    each = shown((time.process_time() - before) / ROWS)
    report.amount(
        "1,000 rows at 50 ms, 32 at once, beside that rate",
        reached,
        "x",
        0.95,
        plain=f"{AT_ONCE / SECONDS:.0f} rows a second",
        limit=f"Python takes {each} of one core for each row",
        is_floor=True,
    )
