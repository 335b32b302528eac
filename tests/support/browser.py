"""A ComfyUI page in a real browser, driven as a user drives it."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PATIENCE = 120_000  # milliseconds
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
SCREENSHOTS = os.environ.get("VISIONCRAFT_SCREENSHOTS")  # a folder for pictures of each step

CLASSIC, NODES_2 = RENDERERS = ("classic", "nodes-2")
BOTH = pytest.mark.parametrize("renderer", RENDERERS, indirect=True)
"""For tests whose outcome may depend on what draws the nodes."""

# The last thing that a page does on its own is to open a workflow: ComfyUI's first one, or the one
# that was open before.
HAS_NODES = """(prefix) => window.app?.extensionManager
    && window.app.graph?.nodes.some((node) => node.type.startsWith(prefix))"""

# As in a page that was just opened, with one empty workflow.
START = """async (nodes2) => {
    const { setting, toast, workflow } = app.extensionManager
    await setting.set("Comfy.VueNodes.Enabled", nodes2)
    toast.dismissAll ? toast.dismissAll() : toast.removeAll()
    await app.extensionManager.command.execute("Comfy.NewBlankWorkflow")
    const closed = workflow.openWorkflows.filter((each) => each !== workflow.activeWorkflow)
    for (const each of closed) await workflow.closeWorkflow(each)
}"""

DROP = """([name, type, content]) => new Promise((done) => {
    const configure = app.graph.onConfigure
    app.graph.onConfigure = function (...all) {
        app.graph.onConfigure = configure
        configure?.apply(this, all)
        setTimeout(done, 0)
    }
    const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0))
    const dataTransfer = new DataTransfer()
    dataTransfer.items.add(new File([bytes], name, { type }))
    const where = { bubbles: true, cancelable: true, clientX: 5, clientY: 400 }
    const canvas = document.querySelector("#graph-canvas")
    canvas.dispatchEvent(new DragEvent("drop", { dataTransfer, ...where }))
})"""

STATE = """async () => {
    const { output, workflow } = await app.graphToPrompt()
    const ours = workflow.nodes.filter((node) => node.type.startsWith("VisionCraft"))
    const of = (read) => Object.fromEntries(ours.map((node) => [node.id, read(node) ?? null]))
    // A preview of ComfyUI's own is in the prompt, too, where nobody asks for it.
    const preview = /^([$][$]|video-preview$)/
    const wanted = (inputs) => inputs && Object.fromEntries(
        Object.entries(inputs).filter(([name]) => !preview.test(name)))
    return {
        prompt: of((node) => wanted(output[node.id]?.inputs)),
        values: of((node) => node.widgets_values),
        named: of((node) => node.widgets_values_named),
    }
}"""

CHANGE = """() => app.graph.nodes.forEach(({ widgets = [] }) => widgets.forEach((widget, index) => {
    if (widget.name === "control_after_generate") widgets[index - 1].value += 1
}))"""

# With the name of an event: also waits for it, from before the run begins.
QUEUE = """async (name) => {
    const { api } = await import("/scripts/api.js")
    const came = name && new Promise((done) => api.addEventListener(name, done, { once: true }))
    await app.queuePrompt(0, 1)
    const errors = app.lastNodeErrors ?? {}
    if (!Object.keys(errors).length) await came
    return errors
}"""

CANCEL = """async () => {
    const { api } = await import("/scripts/api.js")
    const ended = new Promise((done) =>
        api.addEventListener("execution_interrupted", done, { once: true }))
    await api.interrupt()
    await ended
}"""

RUN = """() => new Promise(async (done) => {
    const { api } = await import("/scripts/api.js")
    const ends = ["execution_success", "execution_error", "execution_interrupted"]
    const end = (event) => {
        ends.forEach((name) => api.removeEventListener(name, end))
        done([event.type, event.detail])
    }
    ends.forEach((name) => api.addEventListener(name, end))
    await app.queuePrompt(0, 1)
    const errors = app.lastNodeErrors ?? {}
    if (Object.keys(errors).length) done(["refused", errors])
})"""

EVENT = """(name) => new Promise(async (done) => {
    const { api } = await import("/scripts/api.js")
    api.addEventListener(name, () => setTimeout(done, 0), { once: true })
})"""

STATUS = """() => {
    const found = {}
    const look = (graph, prefix) => graph?.nodes.forEach((node) => {
        const widget = node.widgets?.find((each) => each.name === "visioncraft_status")
        if (widget) found[prefix + node.id] = widget.element.textContent
        look(node.subgraph, `${prefix}${node.id}:`)
    })
    look(app.graph, "")
    return found
}"""


def open_canvas(browser: Browser, url: str) -> Canvas:
    """A page in a context of its own, with nothing stored."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    context.set_default_timeout(PATIENCE)
    canvas = Canvas(context.new_page(), url)
    canvas.open()
    return canvas


@dataclass
class Canvas:
    page: Page
    url: str
    test: str = ""
    _steps: Iterator[int] = field(default_factory=count)

    def open(self) -> None:
        self.page.goto(self.url)
        self.page.wait_for_function(HAS_NODES, arg="", timeout=PATIENCE)

    def close(self) -> None:
        self.page.context.close()

    def front_end(self) -> str:
        return self.page.evaluate("() => window.__COMFYUI_FRONTEND_VERSION__")

    def start(self, test: str, renderer: str = CLASSIC) -> None:
        """Leaves nothing of what was open before; `renderer` draws the nodes from now on."""
        self.test, self._steps = re.sub(r"[^\w.-]+", "_", test), count(1)
        self.page.keyboard.press("Escape")
        self.page.evaluate(START, renderer == NODES_2)

    def shoot(self, step: str) -> None:
        """Keeps a picture of the page where the user who runs the tests wants some."""
        if SCREENSHOTS and self.test:
            folder = Path(SCREENSHOTS).expanduser() / self.test
            self.page.screenshot(path=folder / f"{next(self._steps):02}-{step}.png")

    def wait_until_kept(self, text: str) -> None:
        """Waits until the front end has put what it opens after F5 where the browser keeps it."""
        kept = (
            "(text) => [localStorage, sessionStorage].some((s) => JSON.stringify(s).includes(text))"
        )
        self.page.wait_for_function(kept, arg=text, timeout=PATIENCE)

    def reload(self) -> None:
        """F5, with a workflow open that has nodes of this pack."""
        self.page.reload()
        self.page.wait_for_function(HAS_NODES, arg="VisionCraft", timeout=PATIENCE)
        self.shoot("reloaded")

    def drop(self, name: str, kind: str, content: bytes) -> None:
        """Drops a file on the canvas, and waits until it is opened."""
        self.page.evaluate(DROP, [name, kind, base64.b64encode(content).decode()])
        self.shoot("opened")

    def drop_workflow(self, workflow: Any) -> None:
        self.drop("workflow.json", "application/json", json.dumps(workflow).encode())

    def workflow(self) -> dict[str, Any]:
        """What would be saved now."""
        saved = "async () => JSON.stringify((await app.graphToPrompt()).workflow)"
        return json.loads(self.page.evaluate(saved))

    def prompt(self) -> dict[str, Any]:
        """What would be queued now."""
        queued = "async () => JSON.stringify((await app.graphToPrompt()).output)"
        return json.loads(self.page.evaluate(queued))

    def state(self) -> dict[str, Any]:
        """What would be queued and saved of the nodes of this pack."""
        return self.page.evaluate(STATE)

    def change(self) -> None:
        """Gives each node another seed or number, so that it has to run again."""
        self.page.evaluate(CHANGE)

    def queue(self, until: str = "") -> None:
        """Begins to run the workflow; waits for the event `until`."""
        assert self.page.evaluate(QUEUE, until) == {}

    def cancel(self) -> None:
        """Stops what runs, as the button does, and waits until the page knows."""
        self.page.evaluate(CANCEL)
        self.shoot("cancelled")

    def run_to_end(self) -> tuple[str, Any]:
        """Runs the workflow; gives the event that ended it and what came with it."""
        how, detail = self.page.evaluate(RUN)
        self.shoot("ran")
        return how, detail

    def run(self) -> str:
        """Runs the workflow to its good end; gives the id of the prompt."""
        how, detail = self.run_to_end()
        assert how == "execution_success", (how, detail)
        return detail["prompt_id"]

    def status(self) -> dict[str, str]:
        """What the nodes on the canvas say, by node id."""
        return self.page.evaluate(STATUS)

    def wait_for_status(self, node: str, begins: str, patience: int = PATIENCE) -> None:
        says = f"([node, text]) => ({STATUS})()[node]?.startsWith(text)"
        self.page.wait_for_function(says, arg=[node, begins], timeout=patience)

    def wait_for_event(self, name: str) -> None:
        self.page.evaluate(EVENT, name)
