"""Calls to a server that has its results ready: what they add to the waiting, and share."""

from __future__ import annotations

import asyncio
import base64
import io
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest
import requests
import torch
from PIL import Image
from visioncraft.nodes.image import Generate, GenerateXL, Upscale
from visioncraft.visioncraft_core import Cancelled, Chat, Client
from visioncraft.visioncraft_core import GenerateXL as XL
from visioncraft.visioncraft_core.store.store import Store

from bench.measure import Report, in_turns, on_all_cores, processor_seconds, shown
from bench.ready_server import COUNT, ReadyServer
from bench.samples import file_of, photo
from bench.test_pictures import loaded, our_body, tensor_of

pytestmark = pytest.mark.bench

FOX = {"prompt": "a red fox in snow"}
SD = {**FOX, "model": "anything_V5", "sampler": "Euler"}
QUESTION = Chat(model="mistral-7b-instruct", messages=({"role": "user", "content": "a fox"},))
LINK_SECONDS = 0.3  # of the server
seeds = count(1)


def run_node(node: type, server: str, **values: Any) -> tuple:
    found: list[tuple] = []

    async def run() -> None:
        outputs = await node().run(server=server, **{"seed": next(seeds), **values})
        found.append(outputs["result"] if isinstance(outputs, dict) else outputs)

    asyncio.run(run())  # which would print the tensors that it is given, for 10 ms
    return found[0]


@pytest.fixture
def stored(home: Path) -> Callable[[], int]:
    """How many files the store holds: a benchmark with the store is one only if they grow."""
    return lambda: Store(home / "store").size()[0]


def distinct(home: Path) -> int:
    return len(Store(home / "store").entries())


def test_base64_answer(
    report: Report, server: ReadyServer, profile: Callable[..., str], home: Path
):
    url = server.url("base64")
    name = profile(url)

    def plain() -> torch.Tensor:
        answer = requests.post(f"{url}/generate", json={**SD, "token": "k"}, timeout=60).json()
        pictures = [loaded(base64.b64decode(each)) for each in answer["images"]]
        return torch.from_numpy(np.stack(pictures))

    def ours() -> None:
        run_node(Generate, name, **SD, image_count=COUNT)

    before = distinct(home)
    size = len(requests.post(f"{url}/generate", json={}, timeout=60).content)
    limit = (
        f"{on_all_cores(processor_seconds(ours))}, and to write the answer for good takes "
        f"{synced(home, size)}"
    )
    report.ratio(
        "Answer with five PNG in base64 to tensors, stored",
        ours,
        plain,
        0.70,
        rounds=7,
        limit=limit,
    )
    assert distinct(home) == before + 11


def test_links(report: Report, server: ReadyServer, profile: Callable[..., str], home: Path):
    name = profile(server.url("links"))
    content = file_of("PNG", 1024)

    def slowest() -> None:
        time.sleep(LINK_SECONDS)
        loaded(content)

    def ours() -> None:
        run_node(Generate, name, **SD, image_count=COUNT)

    before = distinct(home)
    report.ratio(
        "Five links of 0.3 s to tensors, beside one of them, stored",
        ours,
        slowest,
        1.25,
        rounds=5,
        limit=on_all_cores(processor_seconds(ours)),
    )
    assert distinct(home) == before + 9


def test_connections(report: Report, server: ReadyServer, profile: Callable[..., str]):
    name = profile(server.url("links"), store=False)
    before = server.connections()
    runs = 40
    for _ in range(runs):
        run_node(Generate, name, **SD, image_count=COUNT)
    opened = server.connections() - before
    report.amount(
        "TCP connections of 40 runs of a node with 200 downloads",
        opened,
        "connections",
        8,
        plain="240",
        limit=f"each of the {runs} calls has its own, so that it is known whether anything of it "
        f"was sent and none is paid twice; all downloads together take {opened - runs}",
    )
    assert opened < runs + 10, "the downloads of one node run open connections that others have"


def test_upscale(report: Report, server: ReadyServer, profile: Callable[..., str]):
    seconds, at_once, pictures = 0.5, 4, 8
    name = profile(server.url("bytes", seconds), max_concurrency=at_once)
    grain = np.random.default_rng(2)
    content = file_of("PNG", 1024)

    def batch() -> torch.Tensor:
        return torch.cat(
            [tensor_of(np.roll(photo(1024), grain.integers(1, 999))) for _ in range(8)]
        )

    images = batch()

    def cpu() -> None:
        for row in range(pictures):
            our_body(images[row : row + 1])
            loaded(content)

    network = seconds * pictures / at_once
    (processing,) = in_turns([cpu], 2)
    taken, before = [], time.process_time()
    for _ in range(4):
        images = batch()
        began = time.perf_counter()
        run_node(Upscale, name, image=images)
        taken.append(time.perf_counter() - began)
    report.add_ratio(
        "Eight pictures into Upscale at 0.5 s, 4 at once, beside the longer of waiting and CPU",
        median(taken),
        max(network, processing / 2),
        1.15,
        limit=on_all_cores(time.process_time() - before, len(taken)),
    )


def test_a_call(report: Report, server: ReadyServer, profile: Callable[..., str], home: Path):
    url = server.url("chat")
    clients = [
        Client(profile(url), home=home),
        Client(profile(url, store=False), home=home),
    ]
    body = {**QUESTION.to_json(), "token": "bench-key-1"}

    def plain() -> None:
        assert requests.post(f"{url}/llm", json=body, timeout=60).json()

    works = [plain, *(lambda c=c: c.send(QUESTION, seed=next(seeds)) for c in clients)]
    before = distinct(home)
    taken = in_turns(works, 100)
    assert distinct(home) == before + 101
    disk = f"writing a file and a record so that they outlast a power cut takes {synced(home, 300)}"
    each = shown(processor_seconds(works[2], 50))
    for what, seconds, most, limit in (
        ("", taken[1], 2.0, disk),
        ("not ", taken[2], 1.5, f"Python takes {each} of one core for each call"),
    ):
        report.amount(
            f"One call of a language model, {what}stored, beside requests.post",
            1000 * (seconds - taken[0]),
            "ms more",
            most,
            plain=f"{1000 * taken[0]:.1f} ms",
            limit=limit,
        )


def synced(home: Path, size: int) -> str:
    """How long it takes to write a file of `size` bytes and a row of SQLite for good."""
    with sqlite3.connect(home / "plain.sqlite", isolation_level=None) as db:
        db.execute("PRAGMA journal_mode = PERSIST")
        db.execute("CREATE TABLE IF NOT EXISTS rows (key TEXT)")

        content = os.urandom(size)

        def write() -> None:
            with (home / "plain").open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            db.execute("INSERT INTO rows VALUES ('x')")

        return shown(in_turns([write], 20)[0])


def test_cancel(report: Report, server: ReadyServer, profile: Callable[..., str], home: Path):
    slowest = 0.0
    with Client(profile(server.url("bytes", 30), store=False), home=home) as client:
        for _ in range(12):
            cancel = threading.Event()
            ended: list[float] = []

            def call(cancel=cancel, ended=ended) -> None:
                with pytest.raises(Cancelled):
                    client.send(XL(**FOX), seed=next(seeds), should_cancel=cancel.is_set)
                ended.append(time.perf_counter())

            thread = threading.Thread(target=call)
            thread.start()
            time.sleep(0.15)
            began = time.perf_counter()
            cancel.set()
            thread.join()
            slowest = max(slowest, ended[0] - began)
    report.amount("Cancel of a call, the slowest of 12", 1000 * slowest, "ms", 250)


def test_generate_xl_is_the_picture(server: ReadyServer, profile: Callable[..., str]):
    """What is measured gives what the server sent."""
    images = run_node(GenerateXL, profile(server.url("bytes")), **FOX)[0]
    with Image.open(io.BytesIO(file_of("PNG", 1024))) as sent:
        assert torch.equal(images, tensor_of(np.asarray(sent)))
