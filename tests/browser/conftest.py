"""Each ComfyUI that is found with its own front end, the last also with the newest one.

All tests of this folder share a server and one page for each of these setups, because a start and
a page cost more than most tests. A test that changes the server's settings or profiles puts them
back; a page that a failed test used is not used again.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from support.browser import CLASSIC, FLAGS, SCREENSHOTS, Canvas, open_canvas
from support.comfyui import (
    FRONT_END_HINT,
    HINT,
    ComfyUI,
    NotStarted,
    find_all,
    find_front_end,
    running,
    version_of,
)
from support.instant_engine import InstantEngine
from visioncraft.visioncraft_core.sandbox import Sandbox

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SETTINGS = {"Comfy.TutorialCompleted": True, "Comfy.PromptFilename": False}
NO_BROWSER = (
    'no browser found: pip install -e ".[browser]", and put Chromium on the PATH as chromium'
)
HAS_BROWSER = importlib.util.find_spec("playwright") and shutil.which("chromium")
FAILED = pytest.StashKey[bool]()


class Setup(NamedTuple):
    comfyui: Path
    newest: bool

    def __str__(self) -> str:
        return version_of(self.comfyui) + ("-newest-front-end" if self.newest else "")


def _setups() -> list[Setup | None]:
    found = find_all()
    if not found:
        return [None]
    return [*(Setup(each, newest=False) for each in found), Setup(found[-1], newest=True)]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.comfyui)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Iterator[None]:
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


@pytest.fixture(scope="package", params=_setups(), ids=str)
def comfyui(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ComfyUI]:
    setup: Setup | None = request.param
    front_end = find_front_end() if setup and setup.newest else None
    if not HAS_BROWSER or not setup or (setup.newest and not front_end):
        raise NotStarted(NO_BROWSER if not HAS_BROWSER else FRONT_END_HINT if setup else HINT)
    base = tmp_path_factory.mktemp("comfyui")
    user = base / "user" / "default"
    user.mkdir(parents=True)
    (user / "comfy.settings.json").write_text(json.dumps(SETTINGS))
    # Pictures to look at take seconds to paint.
    with Sandbox(engine=None if SCREENSHOTS else InstantEngine()) as sandbox:
        environment = {**os.environ, "VISIONCRAFT_BASE_URL": sandbox.url, "NO_PROXY": "*"}
        environment.pop("VISIONCRAFT_HOME", None)
        with running(setup.comfyui, base, sandbox, environment, front_end=front_end) as server:
            yield server


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    # Not for the whole session: a thread it runs in cannot begin an event loop of its own.
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield browser
        browser.close()


class _Pages:
    """The page that the tests of one server share, opened again after a failure."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._open = lambda: open_canvas(browser, url)
        self._page: Canvas | None = None

    def take(self) -> Canvas:
        self._page = self._page or self._open()
        return self._page

    def drop(self) -> None:
        if self._page:
            self._page.close()
        self._page = None


@pytest.fixture(scope="package")
def _pages(chromium: Browser, comfyui: ComfyUI) -> Iterator[_Pages]:
    pages = _Pages(chromium, comfyui.url)
    yield pages
    pages.drop()


@pytest.fixture
def renderer(request: pytest.FixtureRequest) -> str:
    """What draws the nodes; parametrized with `support.browser.BOTH` where it matters."""
    return getattr(request, "param", CLASSIC)


@pytest.fixture
def canvas(request: pytest.FixtureRequest, _pages: _Pages, renderer: str) -> Iterator[Canvas]:
    page = _pages.take()
    page.start(request.node.name, renderer)
    yield page
    if request.node.stash.get(FAILED, False):
        page.shoot("failed")
        _pages.drop()


@pytest.fixture
def new_page(chromium: Browser, comfyui: ComfyUI) -> Iterator[Callable[[], Canvas]]:
    """Opens a page in a browser of its own, with nothing stored."""
    with ExitStack() as opened:

        def new() -> Canvas:
            page = open_canvas(chromium, comfyui.url)
            opened.callback(page.close)
            return page

        yield new
