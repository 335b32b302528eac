"""Workflows without ComfyUI: what runs side by side, and what the checks take."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from visioncraft.nodes import NODE_CLASS_MAPPINGS, comfy
from visioncraft.nodes.headless import folders
from visioncraft.nodes.headless.canvas.workflow import load
from visioncraft.nodes.headless.commands.run import _Progress
from visioncraft.nodes.headless.execution import HeadlessHost, Run
from visioncraft.nodes.headless.folders import Folders
from visioncraft.nodes.headless.hostnodes import NODE_CLASSES

from bench.measure import Report, in_turns, on_all_cores
from bench.ready_server import ReadyServer
from bench.test_calls import distinct

pytestmark = pytest.mark.bench

CLASSES = {**NODE_CLASSES, **NODE_CLASS_MAPPINGS}


def pairs(count: int, seed: int = 0) -> dict[str, Any]:
    """`count` nodes that draw, each with one that saves."""
    nodes: dict[str, Any] = {}
    for number in range(count):
        drawn = {"prompt": f"fox {number}", "seed": seed}
        nodes[f"{number}"] = {"class_type": "VisionCraftGenerateXL", "inputs": drawn}
        saved = {"images": [f"{number}", 0], "filename_prefix": "fox"}
        nodes[f"s{number}"] = {"class_type": "SaveImage", "inputs": saved}
    return nodes


def checked(path: Path, server: str) -> Run:
    run_folders = Folders(path.parent / "output", (path.parent,))
    folders.current.set(run_folders)
    with open("/dev/null", "w") as nowhere:
        report = _Progress(nowhere, [])
        comfy.use(HeadlessHost(report, server))
        run = Run(load(path, CLASSES), CLASSES, run_folders, report)
        run.check()
    return run


def test_eight_nodes(
    report: Report,
    server: ReadyServer,
    profile: Callable[..., str],
    tmp_path: Path,
    home: Path,
):
    name = profile(server.url("bytes", 2.0), max_concurrency=8)
    path = tmp_path / "flow.json"
    before = distinct(home)

    def run(count: int, seed: int) -> float:
        path.write_text(json.dumps(pairs(count, seed)))
        began = time.perf_counter()
        asyncio.run(checked(path, name).execute())
        return time.perf_counter() - began

    run(1, 0)
    before_all = time.process_time()
    taken = [(run(1, seed), run(8, seed + 100)) for seed in range(1, 5)]
    limit = on_all_cores(time.process_time() - before_all, len(taken))
    assert distinct(home) == before + 1 + 4 * 9
    one, eight = (median(column) for column in zip(*taken, strict=True))
    report.add_ratio("Eight nodes at 2 s to SaveImage, beside one", eight, one, 1.15, limit=limit)


@pytest.mark.parametrize(("count", "most"), [(1000, 0.12), (10_000, 1.2)])
def test_parse_and_check(
    report: Report, profile: Callable[..., str], tmp_path: Path, count: int, most: float
):
    name = profile("https://a.test")
    path = tmp_path / "flow.json"
    path.write_text(json.dumps(pairs(count // 2)))
    (seconds,) = in_turns([lambda: checked(path, name)], 3)
    assert len(checked(path, name).needed) == count
    report.amount(
        f"Read and check a workflow of {count:,} nodes", 1000 * seconds, "ms", 1000 * most
    )
