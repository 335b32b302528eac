"""The store, when it is new and when it holds 20,000 requests."""

from __future__ import annotations

import io
import sqlite3
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from visioncraft.nodes.headless import cli
from visioncraft.nodes.image import GenerateXL
from visioncraft.visioncraft_core.http.call import Response
from visioncraft.visioncraft_core.store.store import Store, key_of

from bench.measure import Report, in_turns
from bench.ready_server import ReadyServer
from bench.samples import file_of
from bench.test_calls import FOX, run_node
from bench.test_pictures import loaded

pytestmark = pytest.mark.bench

ENTRIES = 20_000


def filled(home: Path) -> None:
    """Adds ENTRIES requests, as keeping them one after the other would."""
    if (home / "store").exists() and len(Store(home / "store").entries()) > ENTRIES:
        return
    Store(home / "store").keep_reply("0" * 64, Response(200, {}, b"{}", ""), {})
    now = time.time()
    keys = [key_of("/llm", {"n": n}, "https://a.test", 0) for n in range(ENTRIES)]
    with sqlite3.connect(home / "store" / "index.sqlite") as db:
        about = "a red fox in snow, number {}"
        db.executemany(
            "INSERT INTO requests VALUES (?, ?, ?, 'https://a.test', '/llm', ?)",
            [(key, now - n, now - n, about.format(n)) for n, key in enumerate(keys)],
        )
        db.executemany(
            "INSERT INTO records VALUES (?, 'reply', ?, 300, 200, 'https://a.test')",
            [(key, key) for key in keys],
        )


def test_repeat(report: Report, server: ReadyServer, profile: Callable[..., str], home: Path):
    name = profile(server.url("bytes"))
    before = server.connections()

    def repeat() -> None:
        run_node(GenerateXL, name, seed=0, **FOX)

    content = file_of("PNG", 1024)
    repeat()
    for what in (
        "The same request again, out of the store, 1024 x 1024",
        "That among 20,000 others",
    ):
        loading, ours = in_turns([lambda: loaded(content), repeat], 20)
        plain = f"{1000 * loading:.1f} ms to load it"
        limit = "most of it is loading the file"
        report.amount(what, 1000 * ours, "ms", 25, plain=plain, limit=limit)
        filled(home)
    assert server.connections() - before == 1  # the first run alone asked


def test_list(report: Report, home: Path):
    filled(home)
    out = io.StringIO()

    def listed() -> None:
        out.seek(0)
        with redirect_stdout(out):
            assert cli.main(["store", "list"]) == 0

    (seconds,) = in_turns([listed], 5)
    assert len(out.getvalue().splitlines()) > ENTRIES
    report.amount("visioncraft store list of 20,000", 1000 * seconds, "ms", 400)
