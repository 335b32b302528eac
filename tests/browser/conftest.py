"""Each ComfyUI that is found, and a page of it in Chromium."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.browser import PATIENCE, Canvas
from support.comfyui import ComfyUI, find_all, running, version_of
from visioncraft.visioncraft_core.sandbox import Sandbox

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SETTINGS = {"Comfy.TutorialCompleted": True, "Comfy.PromptFilename": False}
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.comfyui)


@pytest.fixture(scope="module", params=find_all(), ids=version_of)
def comfyui(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ComfyUI]:
    base = tmp_path_factory.mktemp("comfyui")
    user = base / "user" / "default"
    user.mkdir(parents=True)
    (user / "comfy.settings.json").write_text(json.dumps(SETTINGS))
    with Sandbox() as sandbox:
        environment = {**os.environ, "VISIONCRAFT_BASE_URL": sandbox.url, "NO_PROXY": "*"}
        environment.pop("VISIONCRAFT_HOME", None)
        with running(request.param, base, sandbox, environment) as server:
            yield server


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    # Not for the whole session: a thread it runs in cannot begin an event loop of its own.
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def canvas(chromium: Browser, comfyui: ComfyUI) -> Iterator[Canvas]:
    context = chromium.new_context(viewport={"width": 1400, "height": 900})
    context.set_default_timeout(PATIENCE)
    page = Canvas(context.new_page(), comfyui.url)
    page.open()
    yield page
    context.close()
