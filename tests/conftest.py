"""Fixtures: every test talks to a sandbox of its own over HTTP and has a home of its own."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from support import timing
from support.clients import client_of
from visioncraft.nodes import comfy
from visioncraft.visioncraft_core import Client
from visioncraft.visioncraft_core.generation import jobs, retry, server_progress
from visioncraft.visioncraft_core.sandbox import Sandbox

TIERS = [Path(__file__).with_name(name) for name in ("bench", "browser", "comfyui", "engines")]

settings.register_profile("default", deadline=None, max_examples=60)
settings.load_profile("default")


def pytest_configure(config: pytest.Config) -> None:
    timing.strict = (
        "timed" in (config.option.markexpr or "") and "not timed" not in config.option.markexpr
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """The folders of slow tiers are not even imported where no tier and no file is named."""
    options = config.option
    if options.file_or_dir or options.markexpr not in config.getini("addopts"):
        return None
    return collection_path in TIERS or None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """What is imported here stays to the end: to look for garbage in it costs seconds."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_report_header() -> str:
    tiers = "comfyui, browser, engines, bench, soak or schemathesis"
    return f"slow tiers run when they are named: -m {tiers}"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty settings folder, no key, proxy or certificates in the environment."""
    for name in [n for n in os.environ if n.startswith("VISIONCRAFT_")]:
        monkeypatch.delenv(name)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    folder = tmp_path / "home"
    monkeypatch.setenv("VISIONCRAFT_HOME", str(folder))
    return folder


@pytest.fixture
def real_pauses() -> None:
    """What asks again waits as long as it does for users."""


@pytest.fixture(autouse=True)
def _short_pauses(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What asks again does so soon, except where tests assert how long it waits."""
    node = request.node
    if timing.strict or node.get_closest_marker("bench") or "real_pauses" in node.fixturenames:
        return
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(jobs, "POLL_EVERY", 0.05)
    monkeypatch.setattr(server_progress, "SOONEST", 0.05)


@pytest.fixture(autouse=True)
def _quiet_host() -> Iterator[None]:
    yield
    comfy.use(None)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox, home: Path) -> Client:
    return client_of(sandbox, home)
