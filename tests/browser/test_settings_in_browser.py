"""Settings > VisionCraft as a user sees it: a key goes in, is used and comes out nowhere."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.browser import Canvas, open_canvas
from support.comfyui import ComfyUI, NotStarted, find_front_end, running
from support.relay import KEY, assert_hidden, relay
from visioncraft.visioncraft_core.sandbox import Sandbox

from browser.conftest import HAS_BROWSER, NO_BROWSER, SETTINGS, Setup, _setups

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator

OPEN = "() => app.extensionManager.command.execute('VisionCraft.OpenSettings')"
KEPT_BY_PAGE = """async () => JSON.stringify([
    document.documentElement.outerHTML, { ...localStorage }, { ...sessionStorage }, document.cookie,
    [...document.querySelectorAll("input")].map((input) => input.value),
])"""
GRAPH = {
    "1": {"class_type": "VisionCraftServer", "inputs": {"profile": "office"}},
    "2": {
        "class_type": "VisionCraftLLM",
        "inputs": {"model": "mistral-7b-instruct", "prompt": "a fox", "server": ["1", 0]},
    },
    "3": {"class_type": "PreviewAny", "inputs": {"source": ["2", 0]}},
}


@dataclass
class Settings:
    canvas: Canvas
    comfyui: ComfyUI
    address: str
    heard: list[bytes]

    def open(self) -> None:
        self.canvas.page.evaluate(OPEN)
        self.field("Name").wait_for()

    def close(self) -> None:
        self.canvas.page.keyboard.press("Escape")
        self.body.first.wait_for(state="detached")

    @property
    def body(self) -> Locator:
        return self.canvas.page.locator(".visioncraft-settings")

    def field(self, label: str) -> Locator:
        return self.body.get_by_label(label, exact=True)

    def press(self, name: str, says: str = "") -> None:
        self.body.get_by_role("button", name=name, exact=True).click()
        if says:
            self.body.get_by_text(says).wait_for()
            self.canvas.shoot(name)

    def confirm(self, button: str) -> None:
        self.canvas.shoot("asked")
        self.canvas.page.get_by_role("dialog").get_by_role("button", name=button).last.click()

    def servers(self) -> list[str]:
        return self.body.locator(".server").all_inner_texts()

    def stored(self) -> dict[str, Any]:
        file = self.comfyui.base / "user" / "__visioncraft" / "profiles.json"
        return json.loads(file.read_text("utf-8"))


@pytest.fixture(params=_setups(), ids=str)
def settings(
    request: pytest.FixtureRequest, tmp_path: Path, chromium: Browser
) -> Iterator[Settings]:
    setup: Setup | None = request.param
    front_end = find_front_end() if setup and setup.newest else None
    if not HAS_BROWSER or not setup or (setup.newest and not front_end):
        raise NotStarted(NO_BROWSER)
    user = tmp_path / "user" / "default"
    user.mkdir(parents=True)
    (user / "comfy.settings.json").write_text(json.dumps(SETTINGS))
    # Without a server in the environment, which would always be the default.
    environment = {n: v for n, v in os.environ.items() if not n.startswith("VISIONCRAFT_")}
    environment |= {"NO_PROXY": "*"}
    with (
        Sandbox() as sandbox,
        relay(sandbox) as server,
        running(setup.comfyui, tmp_path, sandbox, environment, front_end=front_end) as comfyui,
    ):
        canvas = open_canvas(chromium, comfyui.url)
        canvas.start(request.node.name)
        yield Settings(canvas, comfyui, server.url, server.heard)
        canvas.close()


def test_a_user_enters_a_key_tests_it_and_removes_it(settings: Settings):
    page = settings.canvas.page
    answers: list[Any] = []
    page.on("response", lambda answer: answers.append(answer))
    settings.open()
    settings.canvas.shoot("empty")
    assert settings.servers() == [
        "sandbox (default)\nbuilt in, makes synthetic results, needs no key"
    ]
    assert settings.field("Remove key").count() == 0
    # What was typed and not saved is forgotten with the dialog.
    settings.field("Key").fill(KEY)
    settings.close()
    settings.open()
    assert settings.field("Key").input_value() == ""
    settings.field("Name").fill("work")
    settings.field("Address").fill("not an address")
    settings.field("Key").fill(KEY)
    settings.press("Add", "The base URL is not usable.")
    assert settings.field("Key").input_value() == KEY  # what was typed is not lost
    settings.field("Address").fill(settings.address)
    settings.press("Add", "work is saved.")
    assert settings.field("Key").input_value() == ""
    assert settings.field("Key").get_attribute("type") == "password"
    assert f"ends in ...{KEY[-4:]}" in settings.servers()[1]
    assert KEY not in page.evaluate(KEPT_BY_PAGE)
    settings.press("Test", "answers and lists")
    assert_hidden(*settings.heard)
    settings.press("Rename")
    page.get_by_role("dialog").get_by_role("textbox").last.fill("office")
    page.keyboard.press("Enter")
    settings.body.get_by_text("work is called office now.").wait_for()
    settings.body.get_by_role("button", name="sandbox").click()
    settings.press("Make default", "sandbox is used wherever a workflow names no server.")
    assert settings.servers()[0].startswith("sandbox (default)")
    # The key is used without a restart, and it is in nothing that the page got or keeps.
    queued = settings.comfyui.queue(GRAPH).json()
    assert settings.comfyui.finish(queued["prompt_id"])["status"]["status_str"] == "success"
    assert KEY.encode() in b"".join(settings.heard)
    assert_hidden(page.evaluate(KEPT_BY_PAGE))
    for answer in answers:
        assert_hidden(answer.url, repr(answer.headers))
        if "/visioncraft/" in answer.url:
            assert_hidden(answer.body())
    settings.body.get_by_role("button", name="office").click()
    settings.press("Remove")
    settings.confirm("Delete")
    settings.body.get_by_text("office and its key are removed.").wait_for()
    settings.canvas.shoot("removed")
    assert settings.stored()["profiles"] == {}
    settings.press("Clear stored results")
    settings.confirm("Delete")
    settings.body.get_by_text("0 results").wait_for()
