"""What the benchmarks share: a server with results ready, and the report that they fill."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench import document
from bench.measure import Report
from bench.ready_server import ReadyServer, serving
from bench.samples import file_of

_report = Report()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-benchmarks", action="store_true", help="write BENCHMARKS.md and its chart"
    )


@pytest.fixture
def report() -> Report:
    return _report


@pytest.fixture(scope="session")
def server() -> Iterator[ReadyServer]:
    """Its pictures are PNG files of 1024 x 1024 pixels; a link takes 0.3 s."""
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "picture.png"
        picture.write_bytes(file_of("PNG", 1024))
        with serving(picture, 0.3) as running:
            yield running


@pytest.fixture
def profile(home: Path) -> Callable[..., str]:
    """Stores a server profile and gives its name."""
    entries: dict[str, object] = {}

    def add(base_url: str, **settings: object) -> str:
        name = f"server{len(entries)}"
        entries[name] = {"base_url": base_url, "key": "bench-key-1", **settings}
        home.mkdir(mode=0o700, exist_ok=True)
        path = home / "profiles.json"
        path.touch(0o600)
        path.write_text(json.dumps({"profiles": entries}))
        return name

    return add


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if not _report.lines:
        return
    terminalreporter.section("benchmarks")
    terminalreporter.write_line(document.table(_report.lines))
    if config.getoption("--update-benchmarks"):
        document.write(_report.lines)
