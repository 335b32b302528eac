"""The page of a server in Chromium, used as a person uses it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest
from support.browser import FLAGS, PATIENCE, SCREENSHOTS
from support.instant_engine import InstantEngine, tiny_picture
from support.pictures import gradient, png_of
from visioncraft.visioncraft_core.api.endpoints import ENDPOINTS
from visioncraft.visioncraft_core.api.fields import Request
from visioncraft.visioncraft_core.api.sandbox_keys import SANDBOX_FREE_KEY, SANDBOX_PREMIUM_KEY
from visioncraft.visioncraft_core.sandbox import Sandbox
from visioncraft.visioncraft_core.service.engine import Job, Output

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Response

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
playwright = pytest.importorskip("playwright.sync_api")
PHONE, DESKTOP = (360, 780), (1280, 900)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def opened(
    chromium: Browser,
    sandbox: Sandbox,
    size: tuple[int, int] = DESKTOP,
    scheme: Literal["light", "dark"] = "light",
    expected: tuple[str, ...] = (),
) -> Iterator[Page]:
    """The page, of which no error is heard but answers that are `expected` to refuse something."""
    page = chromium.new_page(
        viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, reduced_motion="reduce"
    )
    page.set_default_timeout(PATIENCE)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))

    def look(answer: Response) -> None:
        if not answer.ok:
            errors.append(f"{answer.status} {answer.url}")

    # The console repeats what `look` hears, without its address.
    repeated = "Failed to load resource"
    page.on("console", lambda said: None if repeated in said.text else errors.append(said.text))
    page.on("response", look)
    page.goto(sandbox.url)
    page.locator("#fields textarea").wait_for()
    yield page
    assert errors == [*expected]
    page.close()


def sees(page: Page, words: str) -> None:
    playwright.expect(page.locator("#status")).to_contain_text(words, timeout=PATIENCE)


def taken(page: Page, name: str) -> None:
    if SCREENSHOTS:
        page.screenshot(path=Path(SCREENSHOTS) / f"server_page_{name}.png", full_page=True)


@pytest.mark.parametrize("kind", ENDPOINTS, ids=lambda kind: kind.path.strip("/"))
def test_every_endpoint_can_be_tried(
    kind: type[Request], chromium: Browser, sandbox: Sandbox, tmp_path: Path
):
    with opened(chromium, sandbox) as page:
        page.get_by_role("button", name=kind.title, exact=False).click()
        for chosen in page.locator("#fields input[type=file]").all():
            (tmp_path / "picture.png").write_bytes(png_of(gradient()))
            chosen.set_input_files(tmp_path / "picture.png")
        for text in page.locator("#fields textarea").all():
            text.fill("a red fox")
        page.get_by_label("Key").fill(SANDBOX_PREMIUM_KEY)
        page.get_by_role("button", name="Send").click()
        sees(page, "Done in")
        made = {"text": "p", "video": "video"}.get(kind.output, "img")
        assert page.locator(f"#output {made}").count() == 1
        if made == "img":
            shown = page.locator("#output img")
            playwright.expect(shown).to_have_js_property("complete", True)  # noqa: FBT003
            assert shown.evaluate("image => image.naturalWidth") > 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_it_fits_phones_and_desktops(
    size: tuple[int, int], scheme: Literal["light", "dark"], chromium: Browser, sandbox: Sandbox
):
    with opened(chromium, sandbox, size, scheme) as page:
        page.get_by_text("More settings").click()
        assert page.evaluate("document.documentElement.scrollWidth") == size[0]
        taken(page, f"{size[0]}_{scheme}")
        page.goto(f"{sandbox.url}/docs")
        assert page.evaluate("document.documentElement.scrollWidth") == size[0]
        taken(page, f"docs_{size[0]}_{scheme}")


def test_it_is_used_with_the_keyboard_alone(chromium: Browser, sandbox: Sandbox):
    with opened(chromium, sandbox) as page:
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")  # skips to the form
        for _ in range(30):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.id") == "key":
                break
        page.keyboard.type(SANDBOX_FREE_KEY)
        page.keyboard.press("Enter")
        sees(page, "Done in")


def test_the_key_is_kept_nowhere_and_a_wrong_one_is_told(chromium: Browser, sandbox: Sandbox):
    refused = f"403 {sandbox.url}/generate"
    with opened(chromium, sandbox, expected=(refused,)) as page:
        page.get_by_label("Key").fill("a-secret")
        page.get_by_role("button", name="Send").click()
        sees(page, "Invalid API key.")
        kept = "[...Object.values(localStorage), ...Object.values(sessionStorage), document.cookie]"
        assert page.evaluate(kept) == [""]
        assert "a-secret" not in page.url
        page.reload()
        page.locator("#fields textarea").wait_for()
        assert page.get_by_label("Key").input_value() == ""


class Slow(InstantEngine):
    """Shows that it works until it may end."""

    def __init__(self) -> None:
        self.may_end, self.ended = threading.Event(), threading.Event()

    async def generate(self, request: Request, job: Job) -> Output:
        job.begun("engine")
        job.progress(7, 20)
        job.preview(tiny_picture(5))
        try:
            while not self.may_end.is_set():
                await asyncio.sleep(0.01)
        finally:
            self.ended.set()
        return await super().generate(request, job)


@pytest.mark.parametrize("cancel", [False, True], ids=["done", "cancelled"])
def test_steps_and_the_unfinished_picture_are_shown_and_it_can_be_cancelled(
    cancel: bool,  # noqa: FBT001
    chromium: Browser,
):
    engine = Slow()
    with Sandbox(engine=engine) as sandbox, opened(chromium, sandbox) as page:
        page.get_by_label("Key").fill(SANDBOX_PREMIUM_KEY)
        page.get_by_role("button", name="Send").click()
        sees(page, "Step 7 of 20")
        page.locator("#output img.preview").wait_for()
        assert page.locator("#progress").evaluate("bar => bar.value") == 0.35
        taken(page, "at_work")
        if cancel:
            page.get_by_role("button", name="Cancel").click()
            sees(page, "Cancelled.")
            assert engine.ended.wait(60)
        else:
            engine.may_end.set()
            sees(page, "Done in")
            assert page.locator("#output img.preview").count() == 0
