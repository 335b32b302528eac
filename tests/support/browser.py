"""A ComfyUI page in a real browser, driven as a user drives it."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

PATIENCE = 120_000  # milliseconds

# The last thing that a page does on its own is to open a workflow: ComfyUI's first one, or the one
# that was open before.
HAS_NODES = """(prefix) => window.app?.extensionManager
    && window.app.graph?.nodes.some((node) => node.type.startsWith(prefix))"""

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
        sizes: of((node) => node.size),
    }
}"""

CHANGE = """() => app.graph.nodes.forEach(({ widgets = [] }) => widgets.forEach((widget, index) => {
    if (widget.name === "control_after_generate") widgets[index - 1].value += 1
}))"""

QUEUE = """async () => {
    await app.queuePrompt(0, 1)
    return app.lastNodeErrors ?? {}
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


@dataclass
class Canvas:
    page: Page
    url: str

    def open(self) -> None:
        self.page.goto(self.url)
        self.page.wait_for_function(HAS_NODES, arg="", timeout=PATIENCE)

    def reload(self) -> None:
        """F5, with a workflow open that has nodes of this pack."""
        self.page.reload()
        self.page.wait_for_function(HAS_NODES, arg="VisionCraft", timeout=PATIENCE)

    def drop(self, name: str, kind: str, content: bytes) -> None:
        """Drops a file on the canvas, and waits until it is opened."""
        self.page.evaluate(DROP, [name, kind, base64.b64encode(content).decode()])

    def drop_workflow(self, workflow: Any) -> None:
        self.drop("workflow.json", "application/json", json.dumps(workflow).encode())

    def workflow(self) -> dict[str, Any]:
        """What would be saved now."""
        saved = "async () => JSON.stringify((await app.graphToPrompt()).workflow)"
        return json.loads(self.page.evaluate(saved))

    def state(self) -> dict[str, Any]:
        """What would be queued and saved of the nodes of this pack."""
        return self.page.evaluate(STATE)

    def change(self) -> None:
        """Gives each node another seed or number, so that it has to run again."""
        self.page.evaluate(CHANGE)

    def queue(self) -> None:
        assert self.page.evaluate(QUEUE) == {}

    def run(self) -> str:
        """Runs the workflow to its end; gives the id of the prompt."""
        how, detail = self.page.evaluate(RUN)
        assert how == "execution_success", (how, detail)
        return detail["prompt_id"]

    def status(self) -> dict[str, str]:
        """What the nodes on the canvas say, by node id."""
        return self.page.evaluate(STATUS)

    def wait_for_status(self, node: str, begins: str) -> None:
        says = f"([node, text]) => ({STATUS})()[node]?.startsWith(text)"
        self.page.wait_for_function(says, arg=[node, begins], timeout=PATIENCE)

    def wait_for_event(self, name: str) -> None:
        self.page.evaluate(EVENT, name)
